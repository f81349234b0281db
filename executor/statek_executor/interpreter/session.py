"""One job's workspace inside its interpreter: the namespace, what defines it, and its way to bytes and back.

Runs inside the wall, and so decides nothing that the scheduler would have to believe.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from statek_executor.interpreter.host import GUEST_ERRORS, make_tool
from statek_executor.interpreter.prepared import Surroundings
from statek_executor.workspace import Decoded, Definitions, MalformedWorkspace, Transient, decode, encode, lose
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
        self._draw_position: list[object] = [None, 0]
        self._lost: tuple[Transient, ...] = ()
        """What could not be put together again, until it is told with the end of the batch."""

    def restore(self, workspace: bytes) -> None:
        """Take up the variables of an earlier checkpoint; raises `WorkspaceError`, or whatever a guest's hash does."""
        decoded = self._decode(workspace)
        if decoded.transient:
            # The hash of a key may use functions and other variables of the guest, which are there now.
            decoded = self._decode(workspace)
        self._lost = decoded.transient
        try:
            self._take_up(decoded.extra)
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            raise MalformedWorkspace(f"what is stored beside the variables cannot be read: {fault}") from fault

    def _decode(self, workspace: bytes) -> Decoded:
        decoded = decode(workspace, definitions=self.definitions, references=self)
        if not all(map(self._is_variable, decoded.variables)):
            raise MalformedWorkspace("a variable has a name that no variable can have")
        self.globals.update(decoded.variables)
        return decoded

    def _is_variable(self, name: object) -> bool:
        """Tell whether a source could spell the name: guards are found by names that none can."""
        return type(name) is str and name.isidentifier() and name not in self.environment.reserved

    def _take_up(self, beside: Mapping[str, Any]) -> None:
        """Go on with chance and the monotonic clock where they were left."""
        if beside["random"] is not None:
            _set_random_state(self.environment.random, beside["random"])
        monotonic, (seed, drawn) = beside["monotonic"], beside["draw"]
        if type(drawn) is not int or type(monotonic) is not int or not (seed is None or type(seed) is bytes):
            raise TypeError("a seed, a count and a time are needed")
        self._draw_position = [seed, drawn]
        self._host.observations.monotonic_after(monotonic)

    def resume_inside_batch(self) -> None:
        """Let the batch's randomness go on from where the checkpoint inside it was taken."""
        self._host.observations.draw_from(self._draw_position)

    def compile(self, batch: int, name: str, source: bytes) -> CompiledBatch:
        """Compile a batch through the one compile path and remember what it defines."""
        compiled = self._compiled.get(batch)
        if compiled is None:
            compiled = self._compiled[batch] = compile_batch(source, name=batch_filename(batch), policy=self.policy)
            self._sources[batch] = (name, source)
            self.definitions.add(batch, compiled.code)
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
            "monotonic": self._host.observations.monotonic_position,
        }
        encoded = encode(variables, definitions=self.definitions, references=self, extra=extra)
        if len(encoded.data) > limits.workspace_bytes:
            raise WorkspaceTooLarge(LimitBreach("workspace_bytes", limits.workspace_bytes, len(encoded.data)))
        transient = tuple(
            TransientValue(value.name[:200], value.type[:200], value.reason[:500])
            for value in (*self._lost, *encoded.transient)[:TRANSIENT_LIMIT]
        )
        return Snapshot(instruction, encoded.data, tuple(sorted(encoded.batches)), transient)

    def forget_transient(self, snapshot: Snapshot) -> None:
        """Put into the living namespace what a restored one would have in place of variables that are not kept.

        Otherwise the next batch would find them or not, depending on whether this process is still there.
        """
        self._lost = ()
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

    def _load_batch(self, batch: int) -> types.CodeType:
        name, source = self._sources[batch]
        return self.compile(batch, name, source).code


def batch_filename(batch: int) -> str:
    """Return the name that a batch's code objects carry: it tells frames of one batch from those of another."""
    return f"<batch {batch}>"


def _random_state(generator: GuestRandom) -> object:
    """Return the generator's state, or None for one that was never drawn from: the state is 2.5 kB."""
    return list(generator.getstate()) if generator.in_use else None


def _set_random_state(generator: GuestRandom, state: Any) -> None:
    version, internal, gauss_next = state
    generator.setstate((version, tuple(internal), gauss_next))
