"""How futures come to their outcomes: from outside, from others that they are made of, at a deadline. Pure.

A resolution is one decision: the future's own outcome, those of all that are made of it, and the answer to the call
that waits for one of them become durable together. What is resolved stays so; a second outcome changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from statek.core import encoded
from statek.core.awaiting import FutureEntry, FuturePart
from statek.core.decisions import Decision
from statek.core.events import CallAnswered, Event, FutureResolved, JobResumed
from statek.core.evolve import evolve
from statek.core.instructions import Send
from statek.core.jobs import Job
from statek.core.leases import Lease
from statek.core.moment import Moment
from statek_protocol.messages.base import ARGUMENTS_LIMIT, TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError, Reply

WAIT_TIMEOUT = "WaitTimeout"
WAIT_CANCELLED = "WaitCancelled"
FUTURE_FAILED = "FutureFailed"


class NoSuchFuture(Exception):
    """The job has no future of that number: whoever named it made it up."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a future: an encoded value, or an error to raise in the guest where it is used."""

    value: bytes | None
    error: GuestError | None

    @classmethod
    def failed(cls, type_name: str, text: str) -> Settlement:
        return cls(None, GuestError(type_name, text[:TEXT_LIMIT], None))


def resolve(job: Job, lease: Lease | None, number: int, settlement: Settlement, moment: Moment) -> Decision:
    """Give a future its outcome, and let whatever waited for it go on; nothing if it has one already."""
    if job.future(number) is None:
        return Decision((), (), lease)
    return _after((FutureResolved(number, settlement.value, settlement.error),), job, lease, moment)


def follow(job: Job, lease: Lease | None, moment: Moment) -> Decision:
    """Resolve what is made of futures that are resolved already; for futures that have just been made."""
    return _after((), job, lease, moment)


def settlement_of(job: Job, part: FuturePart, moment: Moment) -> Settlement | None:
    """Return the outcome of a future or of an element of it, None while there is none; raises `NoSuchFuture`."""
    if job.future(part.number) is not None:
        return None
    event = moment.resolved(part.number)
    if event is None:
        raise NoSuchFuture(part.number)
    return _element(Settlement(event.value, event.error), part.path)


def sources(job: Job, number: int) -> tuple[FutureEntry, ...]:
    """List the unresolved futures on which that one depends, itself among them, each once."""
    found: dict[int, FutureEntry] = {}
    pending = [number]
    while pending:
        entry = job.future(pending.pop())
        if entry is not None and entry.number not in found:
            found[entry.number] = entry
            pending += [part.number for part in entry.parts]
    return tuple(found.values())


def _after(events: tuple[Event, ...], job: Job, lease: Lease | None, moment: Moment) -> Decision:
    """Add to some events what follows from them: outcomes of combined futures, then the answer that is waited for."""
    resolved = {event.number: event for event in events if isinstance(event, FutureResolved)}
    for event in events:
        job = evolve(job, event)
    after = replace(moment, resolved=lambda number: resolved.get(number) or moment.resolved(number))
    while (outcome := next(_combined(job, after), None)) is not None:
        resolved[outcome.number] = outcome
        job = evolve(job, outcome)
        events = (*events, outcome)
    return _answer(events, job, lease, after)


def _answer(events: tuple[Event, ...], job: Job, lease: Lease | None, moment: Moment) -> Decision:
    """Answer the call that the job is suspended in, if its future has come to its outcome."""
    awaited = job.awaited
    settlement = settlement_of(job, awaited.future, moment) if awaited is not None else None
    if awaited is None or settlement is None:
        return Decision(events, (), lease)
    answered = CallAnswered(awaited.batch, awaited.call, settlement.value, settlement.error)
    events = (*events, answered, JobResumed(awaited.batch, awaited.call))
    if lease is None or lease.awaiting != awaited.call:
        return Decision(events, (), lease)
    reply = Send(Reply(awaited.batch, awaited.call, settlement.value, settlement.error))
    return Decision(events, (reply,), replace(lease, awaiting=None))


def _combined(job: Job, moment: Moment) -> Iterator[FutureResolved]:
    """Yield outcomes of futures that are made of others, as far as these have theirs."""
    for entry in job.futures:
        if entry.shape in ("any", "all"):
            parts = [settlement_of(job, part, moment) for part in entry.parts]
            settlement = _any(parts) if entry.shape == "any" else _all(parts)
            if settlement is not None:
                yield FutureResolved(entry.number, settlement.value, settlement.error)


def _any(parts: list[Settlement | None]) -> Settlement | None:
    """Take the first part that succeeded; fail when all have failed."""
    succeeded = next((part for part in parts if part is not None and part.error is None), None)
    if succeeded is not None or None in parts:
        return succeeded
    reasons = "; ".join(f"{part.error.type}: {part.error.message}" for part in parts if part and part.error)
    return Settlement.failed(FUTURE_FAILED, f"none of {len(parts)} futures succeeded: {reasons}")


def _all(parts: list[Settlement | None]) -> Settlement | None:
    """Take the tuple of all parts, or the failure of the first that failed."""
    failed = next((part for part in parts if part is not None and part.error is not None), None)
    if failed is not None:
        return failed
    values = [part.value for part in parts if part is not None and part.value is not None]
    if len(values) < len(parts):
        return None
    together = encoded.tuple_of(values)
    if len(together) > ARGUMENTS_LIMIT:
        text = f"argument_bytes: the values come to {len(together)} bytes together; {ARGUMENTS_LIMIT} can cross"
        return Settlement.failed("LimitError", text)
    return Settlement(together, None)


def _element(settlement: Settlement, path: tuple[int, ...]) -> Settlement:
    """Take an element out of a value, as unpacking does."""
    value = settlement.value
    try:
        for index in path:
            value = value and encoded.element(value, index)
    except IndexError as error:
        return Settlement.failed("ValueError", f"not enough values to unpack: there is no element {error}")
    except TypeError as error:
        return Settlement.failed("TypeError", f"cannot unpack the value of the future: {error}")
    return replace(settlement, value=value)
