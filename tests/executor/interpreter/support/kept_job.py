"""A job in this process, with its workspace kept as a scheduler keeps it; and its variables described as a graph."""

from __future__ import annotations

import datetime
import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from interpreter_stand import changed

from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.prepared import Prepared
from statek_executor.interpreter.soft_limits import SoftLimits
from statek_executor.workspace import Lost
from statek_policies import Policy
from statek_policies.language.accessors import Attributes
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import BatchSource, Checkpoint, Finished, Load, Run, Segment, Snapshot

POLICY = Policy()


class _Recording(Channel):
    """A channel that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)


class KeptJob:
    """A session that runs batches, and the segments that a scheduler would have after each of them."""

    def __init__(
        self, segments: Mapping[int, Segment] | None = None, sources: Mapping[int, bytes] | None = None
    ) -> None:
        self.segments = dict(segments or {})
        self.sources = dict(sources or {})
        self._channel = _Recording()
        needed = {batch for segment in self.segments.values() for batch in segment.batches}
        earlier = tuple(BatchSource(batch, "batch", self.sources[batch]) for batch in sorted(needed))
        load = Load(POLICY.to_wire(), tuple(self.segments.values()), earlier, ())
        workplace = Prepared(SoftLimits()).take(self._channel, load, POLICY)
        self.session, self._runner = workplace.session, workplace.runner
        with workplace.host.restoring():
            self.session.restore(load.workspace)

    def run(self, source: str) -> Snapshot:
        """Run a batch to its end, whatever that is, and keep what it leaves."""
        batch = max(self.sources, default=0) + 1
        self.sources[batch] = source.encode()
        self._channel.sent.clear()
        self._runner.run(Run(batch, "batch", self.sources[batch], 0, 0, ()))
        finished = self._channel.sent[-1]
        assert isinstance(finished, Finished), finished
        assert finished.outcome == "ok", finished
        assert finished.snapshot is not None
        self.segments = changed(self.segments, finished.snapshot)
        return finished.snapshot

    def checkpoints(self) -> list[Snapshot]:
        """What the last batch sent before its end."""
        return [message.snapshot for message in self._channel.sent if isinstance(message, Checkpoint)]

    def successor(self, segments: Mapping[int, Segment] | None = None) -> KeptJob:
        """The job in another interpreter, from what was kept."""
        return KeptJob(self.segments if segments is None else segments, self.sources)

    def variables(self) -> dict[str, object]:
        return self.session._find(None)

    def describe(self) -> list[object]:
        """Tell all variables as a graph."""
        return describe(self.variables())


def describe(variables: Mapping[str, object]) -> list[object]:
    """Number objects in the order in which they are met; graphs of the same shape and values are told the same."""
    numbers: dict[int, int] = {}
    held: list[object] = []
    told: list[object] = []
    pending: list[tuple[str, Any]] = [(name, variables[name]) for name in sorted(variables, reverse=True)]
    while pending:
        step, item = pending.pop()
        if type(item) in (int, float, str, bool, bytes, type(None)):
            told.append((step, item))
        elif _is_gone(item):
            told.append((step, "gone"))
        elif id(item) in numbers:
            told.append((step, "again", numbers[id(item)]))
        else:
            numbers[id(item)] = len(numbers)
            held.append(item)
            parts = _parts(item)
            told.append((step, type(item).__name__, len(parts)))
            pending += reversed(parts)
    return told


def _is_gone(item: object) -> bool:
    """Tell whether it is what no job keeps, or stands for that; each kind of container has iterators of its own."""
    if type(item) is datetime.datetime:
        return item.tzinfo is not None
    return type(item) in _GONE or (isinstance(item, Iterator) and type(item).__module__ == "builtins")


_GONE = (Lost, Attributes, memoryview, types.TracebackType)
_HIDDEN = ("__dict__", "__weakref__", "__doc__", "__module__", "_abc_impl")


def _parts(item: Any) -> list[tuple[str, Any]]:
    """Give what an object consists of."""
    if isinstance(item, list | tuple):
        return [(str(index), part) for index, part in enumerate(item)]
    if isinstance(item, dict):
        return [pair for key, part in item.items() for pair in (("key", key), ("value", part))]
    if isinstance(item, types.FunctionType):
        cells = [cell.cell_contents for cell in item.__closure__ or ()]
        own = [("defaults", item.__defaults__), ("attributes", item.__dict__ or None), ("cells", None)]
        return [*own, *((f"cell {index}", part) for index, part in enumerate(cells))]
    if isinstance(item, types.MethodType):
        return [("function", item.__func__), ("self", item.__self__)]
    if isinstance(item, types.BuiltinMethodType):
        return [
            ("name", item.__name__),
            ("self", item.__self__ if type(item.__self__) is not types.ModuleType else None),
        ]
    if isinstance(item, functools.partial):
        return [("function", item.func), ("arguments", item.args)]
    if isinstance(item, type) and item.__module__ == "__main__":
        attributes = [(name, part) for name, part in sorted(vars(item).items()) if name not in _HIDDEN]
        return [("name", item.__name__), *((f"base {base.__name__}", base) for base in item.__bases__), *attributes]
    if isinstance(item, BaseException):
        return [("arguments", item.args)]
    if type(item).__module__ == "__main__":
        own = vars(item) if hasattr(item, "__dict__") else {"only": getattr(item, "only", None)}
        return [("class", type(item)), *sorted(own.items())]
    return []
