"""How futures come to their outcomes: from outside, from others that they are made of, at a deadline. Pure.

A resolution is one decision: the future's own outcome, those of all that are made of it, and the answer to the call
that waits for one of them become durable together. What is resolved stays so; a second outcome changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from statek.core import encoded
from statek.core.awaiting import FutureEntry, FuturePart
from statek.core.decisions import Decision
from statek.core.events import CallAnswered, Event, FutureResolved, JobResumed
from statek.core.evolve import evolve, evolved
from statek.core.instructions import Send
from statek.core.jobs import Job
from statek.core.leases import Lease
from statek.core.moment import Moment
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError, Reply

WAIT_TIMEOUT = "WaitTimeout"
WAIT_CANCELLED = "WaitCancelled"
FUTURE_FAILED = "FutureFailed"
REASON_CHARACTERS = 200
"""Of each part's error that the error of an any tells."""
HEADER_BYTES = 16
"""What a tuple is written with beside its items, at most."""


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
    return _after(FutureResolved(number, settlement.value, settlement.error), job, lease, moment)


def follow(job: Job, lease: Lease | None, created: Collection[int], moment: Moment) -> Decision:
    """Resolve futures that have just been made of others, as far as these have their outcomes already."""
    known = remembering(moment)
    combined = [entry for entry in job.futures if entry.number in created and entry.parts]
    events: tuple[Event, ...] = ()
    for entry in combined:
        settlement = _combination(entry, job, entry.parts, known)
        if settlement is not None:
            decision = resolve(evolved(job, events), None, entry.number, settlement, after(known, events))
            events = (*events, *decision.events)
    return Decision(events, (), lease)


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


def remembering(moment: Moment) -> Moment:
    """Return the same moment, which asks for no outcome twice: it may be large, and is read from disk."""
    return replace(moment, resolved=functools.cache(moment.resolved))


def _after(event: FutureResolved, job: Job, lease: Lease | None, moment: Moment) -> Decision:
    """Add to an outcome what follows from it: those of combined futures, then the answer that is waited for."""
    known = remembering(moment)
    events: list[Event] = []
    pending = [event]
    while pending:
        resolved = pending.pop(0)
        events.append(resolved)
        job = evolve(job, resolved)
        known = after(known, (resolved,))
        pending += [found for found in _following(resolved.number, job, known) if job.future(found.number)]
        pending = list({found.number: found for found in reversed(pending)}.values())[::-1]
    return _answer(tuple(events), job, lease, known)


def _following(number: int, job: Job, moment: Moment) -> Iterator[FutureResolved]:
    """Yield the outcomes that futures made of that one have by its outcome."""
    for entry in job.futures:
        parts = tuple(part for part in entry.parts if part.number == number)
        settlement = _combination(entry, job, parts, moment) if parts else None
        if settlement is not None:
            yield FutureResolved(entry.number, settlement.value, settlement.error)


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


def _combination(entry: FutureEntry, job: Job, news: Sequence[FuturePart], moment: Moment) -> Settlement | None:
    """Return what a combined future comes to, if it does by the outcomes that are new among its parts.

    Only when all parts have theirs are all of them looked at, which may be many and large.
    """
    unresolved = any(job.future(part.number) is not None for part in entry.parts)
    found = [_part_of(job, part, moment) for part in news]
    decisive = (part for part in found if part is not None and (part.error is None) == (entry.shape == "any"))
    settlement = next(decisive, None)
    if settlement is not None or unresolved:
        return settlement
    return (_none_of if entry.shape == "any" else _all_of)(entry.parts, job, moment)


def _part_of(job: Job, part: FuturePart, moment: Moment) -> Settlement | None:
    try:
        return settlement_of(job, part, moment)
    except NoSuchFuture:  # the application had it, and a kill took it before it was on record
        return Settlement.failed(FUTURE_FAILED, "a future that it is made of is lost")


def _none_of(parts: Sequence[FuturePart], job: Job, moment: Moment) -> Settlement:
    """Fail because all parts have failed, and say why each has."""
    reasons = []
    for part in parts:
        settlement = _part_of(job, part, moment)
        if settlement is not None and settlement.error is not None:
            reasons.append(f"{settlement.error.type}: {settlement.error.message[:REASON_CHARACTERS]}")
    return Settlement.failed(FUTURE_FAILED, f"none of {len(parts)} futures succeeded: {'; '.join(reasons)}")


def _all_of(parts: Sequence[FuturePart], job: Job, moment: Moment) -> Settlement:
    """Take the tuple of all values, if it is not larger than what may cross."""
    values: list[bytes] = []
    size = 0
    for part in parts:
        settlement = _part_of(job, part, moment)
        if settlement is None or settlement.value is None:
            return settlement or Settlement.failed(FUTURE_FAILED, "a future that it is made of is lost")
        values.append(settlement.value)
        size += len(settlement.value)
        if size + HEADER_BYTES > moment.value_bytes:
            text = f"argument_bytes: the values together are larger than the {moment.value_bytes} bytes that may cross"
            return Settlement.failed("LimitError", text)
    return Settlement(encoded.tuple_of(values), None)


def after(moment: Moment, events: Iterable[Event]) -> Moment:
    """Return the moment as it is once these events are on record."""
    new = {event.number: event for event in events if isinstance(event, FutureResolved)}
    return replace(moment, resolved=lambda number: new.get(number) or moment.resolved(number))


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
