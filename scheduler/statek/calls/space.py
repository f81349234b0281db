"""Calls as they are carried out in the thread that owns dbzero: among the application's objects, one at a time.

An operation on an object, and a tool marked `transactional=True`, has its changes in dbzero exactly once: they are
committed together with a marker that holds the outcome (`store.markers`), before the outcome becomes durable in the
ledger. When a scheduler died in between, the marker tells the next one what came of it; where there is none, nothing
was changed, and the call is made again. What an operation changes elsewhere (a file, an object in memory) has no such
guarantee, and an operation that changed nothing leaves no marker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

import dbzero as db0

from statek.calls import operations
from statek.calls.application import Application
from statek.calls.crossing import JobCrossing, ObjectIsGone, TooManyWaits
from statek.calls.current import within
from statek.calls.handles import ForgedHandle, HandleTable
from statek.calls.keepable import NotKeepable, check_bearable, check_kept
from statek.calls.members import MemberRefused
from statek.calls.operations import Chunk, IsMethod
from statek.calls.outcomes import CallOutcome, Variables, failed, from_marker, raised, to_marker
from statek.calls.requests import CallRequest, Registration
from statek.calls.tools import Tool
from statek.core.events import Event, FutureCreated, HandleBound
from statek.store import containers, markers
from statek.store.given import GivenGone, decode_given, why_gone
from statek_policies import Limits
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.operations import OBJECT_GET, OBJECT_INVOKE, OBJECT_SET, OBJECT_SET_ITEM
from statek_protocol.references import FutureRef, HandleRef, PlainReferences
from statek_protocol.values import NESTING, MalformedValue, ValueRefused, decode_value, encode_value

log = logging.getLogger(__name__)

UNKNOWN_HANDLE: Final = "handle.unknown"
"""The rule for a number that the job was never given."""
_REFERENCES: Final = PlainReferences()
_ANY_DEPTH: Final = 256


VARIABLES: Final = Limits(argument_bytes=8 * 1024 * 1024)
"""The bounds of what an application may export, all together; a policy's bounds are for what guests ask for."""


@contextmanager
def _nothing_committed() -> Iterator[None]:
    """Refuse commits of the application's. Not by `db0.atomic`: dbzero 0.7.0 loses items of what grows inside it."""
    commit, db0.commit = db0.commit, _refuse_commit
    try:
        yield
    finally:
        db0.commit = commit


def _refuse_commit(*_: object) -> None:
    raise RuntimeError("nothing can be committed here: what is changed is committed together with the outcome")


class ObjectSpace:
    """The application's objects, and what is done with them. All of it in dbzero's thread."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def operate(self, call: CallRequest) -> CallOutcome:
        """Do an operation on an object; its changes in dbzero happen once."""
        return self._once(call, partial(self._operated, call))

    def run_transactional(self, call: CallRequest, tool: Tool) -> CallOutcome:
        """Run a tool whose changes in dbzero happen once."""
        return self._once(call, partial(self._called, call, tool))

    def run(self, call: CallRequest, tool: Tool) -> CallOutcome:
        """Run an ordinary tool."""
        return self._attempt(call, partial(self._called, call, tool))

    def resolve(self, call: CallRequest) -> CallRequest | CallOutcome:
        """Put objects in the places of handles, for a tool that runs elsewhere; an outcome where that fails."""
        crossing = self._crossing(call)
        try:
            return replace(call, args=crossing.resolve(call.args), kwargs=crossing.resolve(call.kwargs))
        except BaseException as error:  # noqa: BLE001 - hashes of application objects may have been asked for
            return _failure(error)

    def cross(self, call: CallRequest, result: object) -> CallOutcome:
        """Let the result of a tool that ran elsewhere cross."""
        return self._attempt(call, lambda _: result)

    def variables(self, table: HandleTable, names: tuple[str, ...], given: bytes | None = None) -> Variables:
        """Let variables of the application cross to a job, and those that it starts with, as one dict by name."""
        offer = self._application.offer
        crossing = JobCrossing(table, offer, VARIABLES, _no_futures)
        try:
            found = {name: offer.variables[name] for name in names} | (decode_given(given, offer) if given else {})
            return Variables(tuple(found), crossing.encode(found, "locals"), crossing.take_events(), bool(given))
        except (GivenGone, MalformedValue) as error:
            return Variables(error=GuestError("ObjectGone", str(error)[:TEXT_LIMIT], None))
        except ValueRefused as error:
            table.undo()
            return Variables(error=GuestError("TypeError", str(error)[:TEXT_LIMIT], None))

    def look_for(self, events: Mapping[int, bytes]) -> dict[int, str | None]:
        """Say of events what of them cannot be found any more; None where all is there."""
        return {number: why_gone(body, self._application.offer) for number, body in events.items()}

    def encode(
        self, table: HandleTable, value: object, limits: Limits, futures: Callable[[], Registration]
    ) -> tuple[bytes, tuple[Event, ...]]:
        """Write the value of a future for a job, with what the job has to record for it; raises `ValueRefused`."""
        crossing = JobCrossing(table, self._application.offer, limits, futures)
        try:
            return crossing.encode(value, "value"), crossing.take_events()
        except BaseException:
            crossing.undo()
            raise

    def _once(self, call: CallRequest, run: Callable[[JobCrossing], Any]) -> CallOutcome:
        if call.repeated:
            found = self._found(call)
            if found is not None:
                return found
        with _nothing_committed():  # so that the changes and the marker are one commit
            outcome = self._attempt(call, run)
        markers.put_when_known(call.job, call.batch, call.number, to_marker(outcome))
        return outcome

    def _attempt(self, call: CallRequest, run: Callable[[JobCrossing], Any]) -> CallOutcome:
        """Do it and let the result cross; whatever is raised becomes data."""
        crossing = self._crossing(call)
        try:
            with within(call.job, call.key):
                result = run(crossing)
            value = self._encoded(crossing, call.name, result)
        except BaseException as error:  # noqa: BLE001 - application code ran, and may raise anything
            crossing.undo()
            return _failure(error)
        return CallOutcome(value, None, crossing.take_events())

    def _encoded(self, crossing: JobCrossing, name: str, result: Any) -> bytes:
        if not isinstance(result, Chunk):
            return crossing.encode(result, f"{name} returned what cannot cross to the guest: the result")
        while True:
            try:
                return crossing.encode((result.items, result.ended), name, more_depth=2)
            except ValueRefused:
                if len(result.items) < 2:
                    raise
                result = result.half()

    def _operated(self, call: CallRequest, crossing: JobCrossing) -> Any:
        if call.kwargs or not call.args or not isinstance(call.args[0], HandleRef):
            raise TypeError(f"{call.name} takes an object and what belongs to it")
        arguments = [crossing.resolve(argument) for argument in call.args]
        check = check_kept if _puts_into_dbzero(call.name, arguments[0]) else check_bearable
        check(call.args[1:])
        result = operations.perform(call.name, arguments, call.policy)
        if operations.is_part(call.name, result):
            attribute = arguments[1] if call.name == OBJECT_GET else None
            return crossing.part(arguments[0], attribute, result)
        return result

    def _called(self, call: CallRequest, tool: Tool, crossing: JobCrossing) -> Any:
        check_bearable((call.args, call.kwargs))
        args, kwargs = crossing.resolve(call.args), crossing.resolve(call.kwargs)
        try:
            return tool.function(*args, **kwargs)
        except Exception:
            log.info("tool %s raised", tool.name, exc_info=True, extra={"job": call.job, "batch": call.batch})
            raise

    def _crossing(self, call: CallRequest) -> JobCrossing:
        return JobCrossing(call.table, self._application.offer, call.policy.limits, call.futures)

    # after a crash

    def _found(self, call: CallRequest) -> CallOutcome | None:
        """Return what a scheduler before this one did and could not tell."""
        try:
            data = markers.find(call.job, call.batch, call.number)
        except markers.HalfDone as half:
            text = f"{call.name}: the scheduler died while it was committed: {half}"
            return failed("ToolOutcomeUnknown", text)
        return None if data is None else self._taken_over(call, from_marker(data))

    def _taken_over(self, call: CallRequest, outcome: CallOutcome) -> CallOutcome:
        """Take over what an outcome bound; the numbers may be taken by now, and are then put anew into the value."""
        bound = [event for event in outcome.events if isinstance(event, HandleBound)]
        others = tuple(event for event in outcome.events if not isinstance(event, HandleBound))
        if not _futures_fit(call, others):
            text = f"{call.name}: it was done before the scheduler died, but what it waits for cannot be taken up again"
            return failed("ToolOutcomeUnknown", text)
        numbers = {binding.number: call.table.rebind(binding).number for binding in bound}
        value = outcome.value
        if value is not None and any(old != new for old, new in numbers.items()):
            value = _renumbered(value, numbers)
        return replace(outcome, value=value, events=(*call.table.take_new(), *others))


def _futures_fit(call: CallRequest, events: tuple[Event, ...]) -> bool:
    """Tell whether the futures that a marker tells of can still have the numbers that they were given."""
    created = [event.number for event in events if isinstance(event, FutureCreated)]
    return created == [2 * (call.futures_registered + index) for index in range(len(created))]


def _no_futures() -> Registration:
    raise TypeError("a future cannot be exported; return it from a tool")


def _failure(error: BaseException) -> CallOutcome:
    """Say as data why there is no result."""
    match error:
        case MemberRefused():
            return failed("PolicyViolation", str(error), rule=error.rule)
        case ForgedHandle():
            return failed("PolicyViolation", str(error), rule=UNKNOWN_HANDLE)
        case NotKeepable():
            return failed("ValueError", str(error))
        case ObjectIsGone():
            return failed("ObjectGone", str(error))
        case IsMethod():
            return failed("IsMethod", str(error))
        case TooManyWaits():
            return failed("LimitError", error.reason)
        case ValueRefused() if error.bound is not None:
            return failed("LimitError", f"argument_{error.bound}: {error.path}: {error.reason}")
        case ValueRefused():
            return failed("TypeError", error.path + ": " + error.reason)
    return raised(error)


def _puts_into_dbzero(operation: str, owner: object) -> bool:
    """Tell whether dbzero is given the arguments of an operation to keep, and not some code of the application's."""
    if containers.is_container_type(type(owner)):
        return operation in (OBJECT_SET_ITEM, OBJECT_INVOKE)
    return operation == OBJECT_SET and db0.is_memo(owner)


def _renumbered(value: bytes, numbers: dict[int, int]) -> bytes:
    tree = decode_value(value, max_bytes=len(value), max_depth=_ANY_DEPTH, crossing=_REFERENCES)
    changed = _with_numbers(tree, numbers)
    return encode_value(changed, max_bytes=2 * len(value), max_depth=_ANY_DEPTH, crossing=_REFERENCES)


def _with_numbers(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, HandleRef):
        return replace(value, number=numbers.get(value.number, value.number))
    if isinstance(value, FutureRef) or type(value) not in NESTING:
        return value
    if type(value) is dict:
        return {_with_numbers(key, numbers): _with_numbers(part, numbers) for key, part in value.items()}
    return type(value)([_with_numbers(part, numbers) for part in value])
