"""One job's workspace inside its interpreter: the namespace, what defines it, and its way to bytes and back.

Runs inside the wall, and so decides nothing that the scheduler would have to believe.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from statek_executor.interpreter.host import GUEST_ERRORS, make_tool
from statek_executor.interpreter.prepared import Surroundings
from statek_executor.workspace import Definitions, decode, encode, lose
from statek_policies import Policy
from statek_policies.language import CompiledBatch, GuestRandom, compile_batch
from statek_protocol.messages.interpreter import LimitBreach, Load, Snapshot, TransientValue

TRANSIENT_LIMIT = 1_000
_TOOL_PREFIX = "tools."
_ERROR_PREFIX = "errors."


class WorkspaceTooLarge(Exception):
    """The variables do not fit the policy's limits, so they cannot be kept."""

    def __init__(self, breach: LimitBreach) -> None:
        super().__init__(f"{breach.name}: {breach.used:g} used, {breach.allowed:g} allowed")
        self.breach = breach


class Session:
    """The namespace of a job, built from its policy, its tools and the workspace that it left."""

    def __init__(self, load: Load, policy: Policy, surroundings: Surroundings) -> None:
        self.policy = policy
        self._host = host = surroundings.host
        self.environment = surroundings.environment
        self.globals = self.environment.globals
        self._sources = {source.batch: (source.name, source.source) for source in load.sources}
        self._compiled: dict[int, CompiledBatch] = {}
        self.definitions = Definitions(self.globals, self._load_batch)
        self._provided: dict[str, object] = {error.__name__: error for error in GUEST_ERRORS}
        self._provided |= {name: make_tool(host, name) for name in load.tools}
        self._references = {id(value): name for name, value in self._provided.items()}
        self.globals.update(self._provided)

    def restore(self, workspace: bytes) -> None:
        """Take up the variables of an earlier checkpoint; raises `MalformedWorkspace`."""
        decoded = decode(workspace, definitions=self.definitions, references=self)
        self.globals.update(decoded.variables)
        state = decoded.extra.get("random")
        if state is not None:
            _set_random_state(self.environment.random, state)
        self._draw_position = decoded.extra.get("draw")

    _draw_position: object = None

    def resume_inside_batch(self) -> None:
        """Let the batch's randomness go on from where the checkpoint inside it was taken."""
        if isinstance(self._draw_position, list):
            self._host.observations.draw_from(self._draw_position)

    def compile(self, batch: int, name: str, source: bytes) -> CompiledBatch:
        """Compile a batch through the one compile path and remember what it defines."""
        compiled = self._compiled.get(batch)
        if compiled is None:
            compiled = self._compiled[batch] = compile_batch(source, name=batch_filename(batch), policy=self.policy)
            self._sources[batch] = (name, source)
            self.definitions.add(batch, [instruction.code for instruction in compiled.instructions])
        return compiled

    def snapshot(self, instruction: int) -> Snapshot:
        """Encode the variables; raises `WorkspaceTooLarge`."""
        variables = self._variables()
        limits = self.policy.limits
        if len(variables) > limits.variables:
            raise WorkspaceTooLarge(LimitBreach("variables", limits.variables, len(variables)))
        extra = {
            "random": _random_state(self.environment.random),
            "draw": self._host.observations.draw_position(),
        }
        encoded = encode(variables, definitions=self.definitions, references=self, extra=extra)
        if len(encoded.data) > limits.workspace_bytes:
            raise WorkspaceTooLarge(LimitBreach("workspace_bytes", limits.workspace_bytes, len(encoded.data)))
        transient = tuple(
            TransientValue(value.name[:200], value.type[:200], value.reason[:500])
            for value in encoded.transient[:TRANSIENT_LIMIT]
        )
        return Snapshot(instruction, encoded.data, tuple(sorted(encoded.batches)), transient)

    def forget_transient(self, snapshot: Snapshot) -> None:
        """Put into the living namespace what a restored one would have in place of variables that are not kept.

        Otherwise the next batch would find them or not, depending on whether this process is still there.
        """
        for value in snapshot.transient:
            if value.name in self.globals:
                self.globals[value.name] = lose(value.name, value.type, value.reason)

    # what statek_executor.workspace.References asks for

    def reference(self, obj: object) -> str | None:
        name = self._references.get(id(obj))
        if name is None:
            return self.environment.reference(obj)
        return (_ERROR_PREFIX if isinstance(obj, type) else _TOOL_PREFIX) + name

    def resolve(self, ref: str) -> object:
        for prefix in (_ERROR_PREFIX, _TOOL_PREFIX):
            if ref.startswith(prefix):
                return self._provided[ref.removeprefix(prefix)]
        return self.environment.resolve(ref)

    def _variables(self) -> dict[str, object]:
        reserved, provided = self.environment.reserved, self._provided
        return {
            name: value
            for name, value in self.globals.items()
            if name not in reserved and not (name in provided and provided[name] is value)
        }

    def _load_batch(self, batch: int) -> Sequence[types.CodeType]:
        name, source = self._sources[batch]
        return [instruction.code for instruction in self.compile(batch, name, source).instructions]


def batch_filename(batch: int) -> str:
    """Return the name that a batch's code objects carry: it tells frames of one batch from those of another."""
    return f"<batch {batch}>"


def _random_state(generator: GuestRandom) -> object:
    """Return the generator's state, or None for one that was never drawn from: the state is 2.5 kB."""
    return list(generator.getstate()) if generator.in_use else None


def _set_random_state(generator: GuestRandom, state: Any) -> None:
    version, internal, gauss_next = state
    generator.setstate((version, tuple(internal), gauss_next))
