"""The application's futures as they cross to jobs and are found again: by the name of their tool, in dbzero's thread.

A future's number in a job is given here when it first crosses, and never changes. After a restart the future is made
anew from its `FutureCreated`: its functions are those of the tool of that name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from statek.core.awaiting import FuturePart
from statek.core.events import Event, FutureCreated, FutureResolved
from statek.futures.dependencies import DependencyGone, decode_deps, encode_deps
from statek.futures.results import CombinedFuture, FutureElement, FutureFailed, FutureResult
from statek.futures.temporals import Temporal
from statek_policies import Limits
from statek_protocol.messages.base import ARGUMENTS_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.references import PATH_LIMIT, FutureRef
from statek_protocol.values import DEPTH_LIMIT, decode_value

KEPT: Final = 10_000
"""Futures that are kept as objects; others are made anew when they are needed."""
KINDS: Final = (FutureResult, FutureElement)
"""What crosses as a reference to a future, with all its subclasses."""

Encode = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Terms:
    """What bounds the futures and values of one job."""

    limits: Limits
    registered: int = 0
    """How many futures of the application's it has on record."""
    room: int = 0
    """How many more unresolved ones it may have."""


class FutureRefused(TypeError):
    """A future cannot cross: it could not be kept, or the job has too many. Nothing of it was."""


class WaitsExhausted(FutureRefused):
    """The job has as many unresolved futures as its policy allows."""


class ToolMissing(Exception):
    """The application does not have the tool that a future was made by: it was started without it, or without any."""


class Futures:
    """The futures of all jobs of one scheduler."""

    def __init__(self, temporals: Callable[[], Mapping[str, Temporal]]) -> None:
        """`temporals` gives the application's temporal tools by name, as they are now."""
        self._temporals = temporals
        self._next: dict[str, int] = {}
        self._kept: OrderedDict[tuple[str, int], FutureResult] = OrderedDict()

    def forget(self) -> None:
        """Let go of all objects: dbzero is opened anew, and the application loaded anew."""
        self._kept.clear()

    def registration_on(self, job: str, terms: Terms, encode: Encode) -> Registration:
        """Begin to let futures cross to a job, as part of another future's value."""
        return self.registration(job, registered=terms.registered, room=terms.room, encode=encode)

    def registration(self, job: str, *, registered: int, room: int, encode: Encode) -> Registration:
        """Begin to let futures cross to a job, as the answer to one call or as part of one value.

        `registered` is the job's `futures_registered`, `room` how many more unresolved ones it may have; `encode`
        writes a plain value that is combined with futures.
        """
        return Registration(self, job, max(registered, self._next.get(job, 0)), room, encode)

    def settle(self, job: str, number: int, value: bytes | None, error: GuestError | None) -> None:
        """Let the application's own object, if it has one, know what was completed from outside."""
        future = self._kept.pop((job, number), None)
        if future is not None and value is not None:
            future.settle(decode_value(value, max_bytes=ARGUMENTS_LIMIT, max_depth=DEPTH_LIMIT))
        elif future is not None and error is not None:
            future.settle(None, FutureFailed(error.message))

    def restore(self, job: str, created: FutureCreated) -> FutureResult:
        """Return the future that an event tells of; raises `DependencyGone`, or `ToolMissing`."""
        key = (job, created.number)
        future = self._kept.get(key)
        if future is None:
            future = self._made_anew(created)
            self.keep(job, created.number, future)
        self._kept.move_to_end(key)
        return future

    def forget_one(self, job: str, number: int) -> None:
        """Let go of the object of a future that is none after all."""
        self._kept.pop((job, number), None)

    def keep(self, job: str, number: int, future: FutureResult) -> None:
        self._kept[job, number] = future
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def taken(self, job: str, count: int) -> None:
        """Numbers below this are in use, whatever becomes of the events that say so."""
        self._next[job] = count

    def tool_of(self, future: FutureResult) -> str:
        """Return the name of the tool whose functions a future has; raises `FutureRefused` when no tool has them."""
        for name, definition in self._temporals().items():
            if (definition.complement, definition.condition) == future.functions:
                return name
        function = getattr(future.functions[1], "__name__", "its condition")
        raise FutureRefused(
            f"a future with the condition {function} cannot be kept: no tool of the application is marked with it, so "
            f"it could not be found again after a restart; offer one with @temporal(condition={function}, ...)"
        )

    def _made_anew(self, created: FutureCreated) -> FutureResult:
        definition = self._temporals().get(created.function)
        if created.function and (definition is None or definition.condition is None):
            text = f"the application has no temporal tool {created.function!r}: start the scheduler with --app"
            raise ToolMissing(text)
        future = FutureResult(decode_deps(created.deps), created.state_num)
        future.key = created.key or None  # a subtask's as well, which no application chooses
        return _adopted(future, definition)


class Registration:
    """Futures on their way to one job; what they are becomes durable with `events`, or not at all."""

    def __init__(self, futures: Futures, job: str, registered: int, room: int, encode: Encode) -> None:
        self._futures = futures
        self._job = job
        self._registered = registered
        self._room = room
        self._encode = encode
        self.events: list[Event] = []
        """What the job has to record together with whatever mentions the futures."""
        self._new: list[FutureResult] = []

    def refer(self, obj: FutureResult | FutureElement) -> FutureRef:
        """Return the reference for a future or an element of one; raises `FutureRefused`."""
        part = self._part(obj)
        return FutureRef(part.number, part.path)

    def undo(self) -> None:
        """Take back what was registered: its events will not become durable. The numbers are not given again."""
        for future in self._new:
            number = future.numbers.pop(self._job)
            self._futures.forget_one(self._job, number)
        self.events.clear()

    def _part(self, obj: FutureResult | FutureElement) -> FuturePart:
        path: list[int] = []
        while isinstance(obj, FutureElement):
            path.insert(0, obj.index)
            obj = obj.future
        if len(path) > PATH_LIMIT:
            raise FutureRefused(f"an element of a future that is nested more than {PATH_LIMIT} deep")
        number = obj.numbers.get(self._job)
        return FuturePart(self._register(obj) if number is None else number, tuple(path))

    def _register(self, future: FutureResult) -> int:
        created = self._described(future)
        if sum(isinstance(event, FutureCreated) for event in self.events) >= self._room:
            raise WaitsExhausted("pending_waits: no more futures may be unresolved at the same time")
        number = self._take_number()
        self.events.append(replace(created, number=number))
        future.numbers[self._job] = number
        self._new.append(future)
        self._futures.keep(self._job, number, future)
        return number

    def _described(self, future: FutureResult) -> FutureCreated:
        seconds = future.deadline_seconds
        deadline_us = None if seconds is None else time.time_ns() // 1_000 + round(seconds * 1_000_000)
        if isinstance(future, CombinedFuture):
            parts = tuple(self._part_or_value(part) for part in future.parts)
            return FutureCreated(0, future.shape, parts=parts, deadline_us=deadline_us)
        key = future.key or ""
        if not future.has_functions:
            if not key:
                raise FutureRefused(
                    "a future that can never have a value: give it a key, or return it from a tool that is marked with "
                    "@temporal(complement=, condition=)"
                )
            return FutureCreated(0, "promise", key=key, deadline_us=deadline_us)
        tool, deps = self._futures.tool_of(future), _deps(future)
        return FutureCreated(0, "temporal", tool, deps, future.state_num, (), key, deadline_us)

    def _part_or_value(self, part: Any) -> FuturePart:
        if isinstance(part, KINDS):
            return self._part(part)
        value = self._encode(part)
        number = self._take_number()
        self.events += [FutureCreated(number, "value"), FutureResolved(number, value, None)]
        return FuturePart(number)

    def _take_number(self) -> int:
        number = 2 * self._registered
        self._registered += 1
        self._futures.taken(self._job, self._registered)
        return number


def _deps(future: FutureResult) -> bytes:
    try:
        return encode_deps(future.deps)
    except TypeError as error:
        raise FutureRefused(str(error)) from error


def _adopted(future: FutureResult, definition: Temporal | None) -> FutureResult:
    return future if definition is None else definition.adopt(future)


__all__ = ["KINDS", "DependencyGone", "FutureRefused", "Futures", "Registration", "Terms", "ToolMissing"]
