"""One job's workspace inside its interpreter: the namespace, what defines it, and its way to bytes and back.

Runs inside the wall, and so decides nothing that the scheduler would have to believe.
"""

from __future__ import annotations

import ast
import gc
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

from statek_executor.interpreter.host import GUEST_ERRORS, GuestHost, make_tool
from statek_executor.interpreter.objects import HostObject
from statek_executor.interpreter.pending import fetched_by, future_functions
from statek_executor.workspace import (
    BESIDE,
    Baseline,
    Changes,
    Definitions,
    MalformedWorkspace,
    Transient,
    code_in,
    decode,
    lose,
    names_in,
    runs_when_collected,
)
from statek_policies import Policy
from statek_policies.language import CompiledBatch, GuestEnvironment, GuestRandom, compile_batch
from statek_protocol.messages.interpreter import LimitBreach, Load, Segment, Snapshot, TransientValue

TRANSIENT_LIMIT = 1_000
COMPILED_LIMIT: Final = 32
"""Sources whose code is kept for when they come again, the latest."""
RESTORING_FACTOR: Final = 4
"""How many times as many frames a source may take when it is compiled again; with futures it takes three times as many
as without."""
_NOTHING: Final[frozenset[str]] = frozenset()
_TOOL_PREFIX = "tools."
_ERROR_PREFIX = "errors."
_REACHES_BEYOND = frozenset({"setcontext", "redirect_stdout", "redirect_stderr"})
"""Names of what can leave an object of the guest with the host, where code that names no variable comes to it."""


class WorkspaceTooLarge(Exception):
    """The variables do not fit the policy's limits, so they cannot be kept."""

    def __init__(self, breach: LimitBreach) -> None:
        super().__init__(f"{breach.name}: {breach.used:g} used, {breach.allowed:g} allowed")
        self.breach = breach


class Session:
    """The namespace of a job, built from its policy, its tools and the workspace that it left.

    What does not depend on the job is made with it, in the launcher mostly; `begin` is what makes it a job's.
    """

    def __init__(self, policy: Policy, host: GuestHost, environment: GuestEnvironment) -> None:
        self.policy = policy
        self._host = host
        self.environment = environment
        self.globals = environment.globals
        self._sources: dict[int, tuple[str, bytes]] = {}
        self._compiled: dict[tuple[bytes, int], tuple[CompiledBatch, frozenset[str]]] = {}
        """By the source and where it begins, with its names: an agent that repeats itself is not compiled again."""
        self._begins_at: dict[int, int] = {}
        """The first instruction of a batch that goes on inside."""
        self._litter: list[ast.AST] = []
        """What compiling has left, until there is time to let go of it."""
        self._names = _NOTHING
        """What the code that was compiled last can load or store."""
        self.definitions = Definitions(self.globals, self._load_batch)
        self._future_functions = future_functions(host)
        self._provided: dict[str, object] = {error.__name__: error for error in GUEST_ERRORS}
        self._ours = {HostObject.__name__: HostObject, **self._future_functions}
        """What no tool of the same name replaces."""
        self._provided |= self._ours
        self._references = {id(value): name for name, value in self._provided.items()}
        self.globals.update(self._provided)
        self._draw_position: list[object] = [None, 0]
        self._lost: tuple[Transient, ...] = ()
        """What could not be put together again, until it is told with the end of the batch."""
        self._baseline = Baseline(self.definitions, self, self._find)
        self._told: Changes | None = None
        """What the last final snapshot told, until it is the baseline."""
        self.cut_short = False
        """Whether the last final snapshot ran code of the guest until a limit."""
        self._touched = _NOTHING
        """The names that the code of the batch in hand can load or store."""
        self._all_touched = False
        """Whether more can be changed from now on than what names lead to."""
        self._has_finalisers = False
        """Whether some code of the job makes what runs code when it is collected as garbage."""
        self._fits = False
        """Whether the variables were within their limits when they were compared last."""
        self._collections = self._collections_seen = 0
        """How often the garbage collector had run when the baseline was made, and before variables were compared."""

    def begin(self, load: Load, policy: Policy) -> None:
        """Be the session of this job from here on."""
        self.policy = policy
        for source in load.sources:
            self._sources[source.batch] = (source.name, source.source)
        tools = {name: make_tool(self._host, name) for name in load.tools if name not in self._ours}
        if tools:
            self._provided |= tools
            self._references = {id(value): name for name, value in self._provided.items()}
            self.globals.update(tools)
        self._host.meets_futures = bool(load.temporals or load.exports)
        fetched_by(self._host, {*self._future_functions.values(), *tools.values()})

    def restore(self, workspace: Iterable[Segment]) -> None:
        """Take up the variables of an earlier checkpoint; raises `WorkspaceError`, or whatever a guest's hash does."""
        segments = {segment.number: segment.data for segment in workspace}
        beside = segments.pop(BESIDE, None)
        with _NoCollections():  # of which many would come while so much is made and nothing is let go
            decoded = decode(segments, definitions=self.definitions, references=self, publish=self._publish)
        self._lost = decoded.transient
        self._all_touched = bool(decoded.transient)
        self._baseline.restore(decoded, segments)
        if beside is not None:
            self._restore_beside(beside)

    def take_up(self, variables: Iterable[bytes]) -> None:
        """Put variables in place that the application exports; one of the guest's own hides one of its name."""
        for data in variables:
            given: Any = self._host.read_value(data)
            new = {name: value for name, value in given.items() if self._is_new(name)}
            self.globals.update(new)
            self._touched |= frozenset(new)

    def _is_new(self, name: object) -> bool:
        return self._is_variable(name) and (name not in self.globals or name in self._provided)

    def _publish(self, variables: Mapping[str, object]) -> None:
        """Put variables in place as they are read: the hash of a key may use functions and variables of the guest."""
        if not all(map(self._is_variable, variables)):
            raise MalformedWorkspace("a variable has a name that no variable can have")
        self.globals.update(variables)

    def _is_variable(self, name: object) -> bool:
        """Tell whether a source could spell the name: guards are found by names that none can."""
        return type(name) is str and name.isidentifier() and name not in self.environment.reserved

    def _restore_beside(self, data: bytes) -> None:
        """Go on with chance and the monotonic clock where they were left."""
        beside = decode({BESIDE: data}, definitions=self.definitions, references=self).variables
        try:
            self._take_up(beside)
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            raise MalformedWorkspace(f"what is stored beside the variables cannot be read: {fault}") from fault
        self._baseline.restore_beside(beside, data)

    def _take_up(self, beside: Mapping[str, Any]) -> None:
        if beside["random"] is not None:
            _set_random_state(self.environment.random, beside["random"])
        monotonic, (seed, drawn) = beside["monotonic"], beside["draw"]
        if type(drawn) is not int or type(monotonic) is not int or not (seed is None or type(seed) is bytes):
            raise TypeError("a seed, a count and a time are needed")
        self._draw_position = [seed, drawn]
        self._host.objects.remember(beside.get("objects", {}))
        self._host.observations.monotonic_after(monotonic)

    def begin_at(self, batch: int, first: int) -> None:
        """Have a batch compiled so that it can begin with this instruction, also if its code is needed earlier."""
        self._begins_at[batch] = first

    def resume_inside_batch(self) -> None:
        """Let the batch's randomness go on from where the checkpoint inside it was taken."""
        self._host.observations.draw_from(self._draw_position)

    def compile(self, batch: int, name: str, source: bytes) -> CompiledBatch:
        """Compile a batch through the one compile path and remember what it defines."""
        first = self._begins_at.get(batch, 0)
        known = self._compiled.pop((source, first), None)
        if known is None:
            self._litter.clear()
            with _NoCollections():  # a syntax tree has no circles
                compiled = compile_batch(
                    source,
                    name=batch_filename(batch),
                    policy=self.policy,
                    futures=self._host.meets_futures,
                    first=first,
                    litter=self._litter,
                )
            codes = code_in(compiled.code)
            self._names = names_in(codes)
            self._compiled[source, first] = compiled, self._names
            self._all_touched |= not self._names.isdisjoint(_REACHES_BEYOND)
            self._has_finalisers |= runs_when_collected(codes)
        else:
            compiled, self._names = known[0].under(batch_filename(batch)), known[1]
            self._compiled[source, first] = known  # the latest again
        self._sources[batch] = (name, source)
        self.definitions.add(batch, compiled.code)
        return compiled

    def note_touched(self) -> None:
        """Remember what the code that was compiled last can change, before it runs."""
        names = self._names
        self._touched = self._touched | names if self._touched else names

    def checkpoint(self, instruction: int) -> Snapshot | None:
        """Encode for a checkpoint inside the batch; None if it would lose a variable, which the batch may still use."""
        changes = self._compare(self._beside())
        if changes.transient or self._lost:
            return None
        self._baseline.note_sent(changes)
        return self._snapshot(instruction, changes, ())

    def final_snapshot(self, instruction: int) -> Snapshot:
        """Encode at the end of the batch; `settle` begins the next one from there. Raises `WorkspaceTooLarge`.

        The living namespace gets what a restored one would have in place of variables that are not kept. Otherwise the
        next batch would find them or not, depending on whether this process is still there. Code of the guest that this
        runs belongs to the batch as well, with all that it changes.
        """
        self.cut_short = False
        beside = self._beside()
        if self._is_as_it_was(beside):
            return Snapshot(instruction, (), (), ())
        changes = self._compare(beside)
        lost = (*self._lost, *changes.transient)
        if self._forget(changes.transient):
            changes = self._compare(self._beside())
            lost = tuple(dict.fromkeys((*lost, *changes.transient)))
            self._forget(changes.transient)  # what only that code has made
        snapshot = self._snapshot(instruction, changes, lost)
        self._told, self._lost = changes, ()
        return snapshot

    def settle(self) -> None:
        """Make what the final snapshot told the baseline; nobody has to wait for it."""
        self._litter.clear()
        self.definitions.settle()
        while len(self._compiled) > COMPILED_LIMIT:
            del self._compiled[next(iter(self._compiled))]
        told, self._told = self._told, None
        self._touched = _NOTHING
        if told is not None:
            self._baseline.advance(told)
            self._collections = self._collections_seen

    def _is_as_it_was(self, beside: Mapping[str, object]) -> bool:
        """Tell whether a glance is enough to see that nothing has changed; mostly where a batch runs once more."""
        if self._all_touched or self._has_finalisers or self._lost or not self._fits:
            return False
        return self._baseline.is_as_recalled(self._touched, beside)

    def _compare(self, beside: Mapping[str, object]) -> Changes:
        """Compare the variables with what the scheduler has, without guest code in between: finalisers must wait."""
        self._collections_seen = _collections() if self._has_finalisers else self._collections
        collected = self._collections_seen != self._collections
        touched = None if self._all_touched or collected else self._touched
        with _NoCollections():
            changes = self._baseline.compare(touched, beside)
        limits = self.policy.limits
        self._fits = changes.variables <= limits.variables and changes.size <= limits.workspace_bytes
        if changes.variables > limits.variables:
            raise WorkspaceTooLarge(LimitBreach("variables", limits.variables, changes.variables))
        if changes.size > limits.workspace_bytes:
            raise WorkspaceTooLarge(LimitBreach("workspace_bytes", limits.workspace_bytes, changes.size))
        return changes

    def _snapshot(self, instruction: int, changes: Changes, lost: tuple[Transient, ...]) -> Snapshot:
        segments = [Segment(part.number, part.data, part.batches) for part in changes.written]
        told = tuple(map(_transient, lost[:TRANSIENT_LIMIT]))
        return Snapshot(instruction, tuple(segments), tuple(sorted(changes.dropped)), told)

    def _beside(self) -> dict[str, object]:
        """Give what is kept beside the variables: where chance and the monotonic clock stand."""
        return {
            "random": _random_state(self.environment.random),
            "draw": self._host.observations.draw_position(),
            "monotonic": self._host.observations.monotonic_position,
            "objects": self._host.objects.described(),
        }

    def _forget(self, transient: tuple[Transient, ...]) -> bool:
        """Put placeholders in the places of variables that are not kept; tells whether there were any."""
        lost = [value for value in transient if value.name in self.globals]
        held = [self.globals[value.name] for value in lost]
        for value in lost:
            self.globals[value.name] = lose(value.name, value.type, value.reason)
        if lost:
            self.cut_short |= self._host.run_guest(lambda: self._let_go(held))
        return bool(lost)

    def _let_go(self, held: list[object]) -> None:
        held.clear()
        if self._has_finalisers:
            gc.collect()  # what is held by nothing but itself

    # what statek_executor.workspace.References asks for

    def reference(self, obj: object) -> str | None:
        name = self._references.get(id(obj))
        if name is None:
            return self._host.objects.reference(obj) or self.environment.reference(obj)
        return (_ERROR_PREFIX if isinstance(obj, type) else _TOOL_PREFIX) + name

    def resolve(self, ref: str) -> object:
        for prefix in (_ERROR_PREFIX, _TOOL_PREFIX):
            if ref.startswith(prefix):
                return self._provided[ref.removeprefix(prefix)]
        found = self._host.objects.resolve(ref)
        return self.environment.resolve(ref) if found is None else found

    def _find(self, names: Iterable[str] | None) -> dict[str, object]:
        """Give those of these names that are variables of the guest, or all."""
        variables, reserved, provided = self.globals, self.environment.reserved, self._provided
        return {
            name: variables[name]
            for name in (list(variables) if names is None else names)
            if name in variables
            and name not in reserved
            and not (name in provided and provided[name] is variables[name])
        }

    def _load_batch(self, batch: int) -> types.CodeType:
        """Compile a batch that ran before: what was not nested too deeply then is not so here, further up the stack."""
        name, source = self._sources[batch]
        usual = sys.getrecursionlimit()
        sys.setrecursionlimit(RESTORING_FACTOR * usual)
        try:
            return self.compile(batch, name, source).code
        finally:
            sys.setrecursionlimit(usual)


def _transient(value: Transient) -> TransientValue:
    return TransientValue(value.name[:200], value.type[:200], value.reason[:500])


def batch_filename(batch: int) -> str:
    """Return the name that a batch's code objects carry: it tells frames of one batch from those of another."""
    return f"<batch {batch}>"


class _NoCollections:
    """Keeps the garbage collector from running, and with it finalisers of the guest."""

    __slots__ = ("_collects",)

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._collects:
            gc.enable()


def _collections() -> int:
    """Return how often the garbage collector has run in this process."""
    return sum(generation["collections"] for generation in gc.get_stats())


def _random_state(generator: GuestRandom) -> object:
    """Return the generator's state, or None for one that was never drawn from: the state is 2.5 kB."""
    return list(generator.getstate()) if generator.in_use else None


def _set_random_state(generator: GuestRandom, state: Any) -> None:
    version, internal, gauss_next = state
    generator.setstate((version, tuple(internal), gauss_next))
