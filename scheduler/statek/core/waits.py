"""What a guest's operations on futures come to: an answer, another future, or a suspended job. Pure.

Each is a call like a tool's, so a replay answers it from the record. The guest stands still in its call meanwhile:
nothing is thrown into it, so there is nothing that its code could swallow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from statek.core import encoded
from statek.core.awaiting import PARTS_LIMIT, FuturePart, FutureShape
from statek.core.decisions import Decision
from statek.core.events import CallAnswered, Event, FutureCreated, FutureResolved, JobSuspended, PolicyViolated
from statek.core.evolve import evolved
from statek.core.futures import (
    WAIT_CANCELLED,
    NoSuchFuture,
    Settlement,
    after,
    follow,
    remembering,
    resolve,
    settlement_of,
)
from statek.core.instructions import CheckFuture, Send
from statek.core.jobs import Job
from statek.core.leases import Lease
from statek.core.moment import Moment
from statek_protocol import operations
from statek_protocol.messages.interpreter import Call, GuestError, Reply
from statek_protocol.references import FutureRef, PlainReferences
from statek_protocol.values import MalformedValue, ValueRefused, decode_value, encode_value

ARGUMENTS_BYTES: Final = 16 * 1024
"""Arguments of these operations at most; they are read in the loop, so they must be quick to read."""
ARGUMENTS_DEPTH: Final = 32
TIMEOUT_SECONDS: Final = 10 * 366 * 24 * 3600.0
"""The longest timeout: ten years."""
UNKNOWN_FUTURE: Final = "future.unknown"
"""The rule for a number that no future of the job has."""
_REFERENCES: Final = PlainReferences()


class _Refused(Exception):
    """The operation is answered with an error."""

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(text)
        self.error = GuestError(type_name, text, None)


def operate(job: Job, lease: Lease, message: Call, moment: Moment) -> Decision:
    """Carry out an operation whose intent is on record, or becomes so together with what it comes to."""
    try:
        return _operate(job, lease, message, remembering(moment))
    except _Refused as refused:
        return _answered(lease, message, None, refused.error)
    except NoSuchFuture as unknown:
        text = f"there is no future {unknown} in this job"
        violated = PolicyViolated(message.batch, UNKNOWN_FUTURE, text, None, "scheduler", lease.policy.on_violation)
        decision = _answered(lease, message, None, GuestError("PolicyViolation", text, None))
        return _preceded(decision, violated)


def _operate(job: Job, lease: Lease, message: Call, moment: Moment) -> Decision:
    arguments = _arguments(message)
    match message.tool, arguments:
        case operations.FUTURE_VALUE, (FutureRef() as future,):
            return _value(job, lease, message, _part(future), moment)
        case operations.FUTURE_READY, (FutureRef() as future,):
            return _ready(job, lease, message, _part(future), moment)
        case operations.FUTURE_CANCEL, (FutureRef() as future,):
            return _cancel(job, lease, message, _part(future), moment)
        case operations.FUTURE_ANY, (tuple() | list() as parts, timeout):
            return _combine("any", job, lease, message, parts, timeout, moment)
        case operations.FUTURE_ALL, (tuple() | list() as parts, timeout):
            return _combine("all", job, lease, message, parts, timeout, moment)
    raise _Refused("TypeError", f"{message.tool} does not take these arguments")


def _value(job: Job, lease: Lease, message: Call, part: FuturePart, moment: Moment) -> Decision:
    """Answer with what the future came to, or suspend the job until it has."""
    settlement = settlement_of(job, part, moment)
    if settlement is not None:
        return _answered(lease, message, settlement.value, settlement.error)
    if moment.max_suspended is not None and moment.suspended >= moment.max_suspended:
        text = f"max_suspended: {moment.max_suspended} jobs wait already, and no more may; try again later"
        raise _Refused("LimitError", text)
    suspended = JobSuspended(
        message.batch,
        message.number,
        part.number,
        part.path,
        message.instruction,
        moment.at_us,
        str(job.future(part.number)),
    )
    return Decision((suspended,), (), lease)


def _ready(job: Job, lease: Lease, message: Call, part: FuturePart, moment: Moment) -> Decision:
    """Answer at once where that is known; otherwise somebody has to look."""
    if settlement_of(job, part, moment) is not None:
        return _answered(lease, message, encoded.plain(True), None)
    return Decision((), (CheckFuture(message.batch, message.number, part.number),), lease)


def checked(job: Job, lease: Lease | None, check: CheckFuture, moment: Moment) -> Decision:
    """Answer the question whether a future is there, once somebody has looked; nothing if nobody asks any more."""
    if not job.wants_answer(check.batch, check.call):
        return Decision((), (), lease)
    value = encoded.plain(settlement_of(job, FuturePart(check.future), moment) is not None)
    answered = CallAnswered(check.batch, check.call, value, None)
    if lease is None or lease.awaiting != check.call:
        return Decision((answered,), (), lease)
    return Decision((answered,), (Send(Reply(check.batch, check.call, value, None)),), replace(lease, awaiting=None))


def _cancel(job: Job, lease: Lease, message: Call, part: FuturePart, moment: Moment) -> Decision:
    """Resolve the future as cancelled; one that has its outcome keeps it."""
    pending = settlement_of(job, part, moment) is None
    cancelled = Settlement.failed(WAIT_CANCELLED, "the guest gave up waiting for it")
    decision = resolve(job, lease, part.number, cancelled, moment)
    return _preceded(_answered(lease, message, encoded.plain(pending), None), *decision.events)


def _combine(
    shape: FutureShape,
    job: Job,
    lease: Lease,
    message: Call,
    parts: Sequence[object],
    timeout: object,
    moment: Moment,
) -> Decision:
    """Make one future of several; values among them are futures that are resolved at once."""
    if not 1 <= len(parts) <= PARTS_LIMIT:
        raise _Refused("TypeError", f"wait_for_{shape} takes 1 to {PARTS_LIMIT} futures, not {len(parts)}")
    limit = lease.policy.limits.pending_waits
    if len(job.futures) >= limit:
        raise _Refused("LimitError", f"pending_waits: {limit} futures may be unresolved at the same time")
    deadline_us = _deadline_us(timeout, moment)
    events: list[Event] = []
    number = 2 * job.futures_combined + 1
    named: list[FuturePart] = []
    for part in parts:
        if isinstance(part, FutureRef):
            named.append(_part(part))
            settlement_of(job, named[-1], moment)  # raises for a number that was made up
        else:
            named.append(FuturePart(number))
            events += [FutureCreated(number, "value"), FutureResolved(number, _encode(part), None)]
            number += 2
    events.append(FutureCreated(number, shape, parts=tuple(named), deadline_us=deadline_us))
    followed = follow(evolved(job, events), lease, (number,), after(moment, events))
    reply = _answered(lease, message, encoded.future_reference(number), None)
    return _preceded(reply, *events, *followed.events)


def _arguments(message: Call) -> tuple[object, ...]:
    limits = {"max_bytes": ARGUMENTS_BYTES, "max_depth": ARGUMENTS_DEPTH}
    if len(message.arguments) > ARGUMENTS_BYTES:
        size = len(message.arguments)
        raise _Refused("LimitError", f"{message.tool} takes {ARGUMENTS_BYTES} bytes of values; these are {size}")
    try:
        value = decode_value(message.arguments, **limits, crossing=_REFERENCES)
    except MalformedValue as error:
        raise _Refused("TypeError", f"the arguments cannot be read: {error}") from error
    match value:
        case (tuple() as args, {**named}) if not named:
            return args
    raise _Refused("TypeError", f"{message.tool} takes positional arguments only")


def _encode(value: object) -> bytes:
    try:
        return encode_value(value, max_bytes=ARGUMENTS_BYTES, max_depth=ARGUMENTS_DEPTH, crossing=_REFERENCES)
    except ValueRefused as error:
        raise _Refused("TypeError", str(error)) from error


def _deadline_us(timeout: object, moment: Moment) -> int | None:
    if timeout is None:
        return None
    if type(timeout) in (int, float) and 0 <= (seconds := cast(float, timeout)) <= TIMEOUT_SECONDS:  # so no NaN
        return moment.at_us + round(seconds * 1_000_000)
    raise _Refused("ValueError", f"a timeout is a number of seconds from 0 to {TIMEOUT_SECONDS:.0f}, or None")


def _part(future: FutureRef) -> FuturePart:
    return FuturePart(future.number, future.path)


def _answered(lease: Lease, message: Call, value: bytes | None, error: GuestError | None) -> Decision:
    answered = CallAnswered(message.batch, message.number, value, error)
    reply = Send(Reply(message.batch, message.number, value, error))
    return Decision((answered,), (reply,), replace(lease, awaiting=None))


def _preceded(decision: Decision, *events: Event) -> Decision:
    violations = sum(isinstance(event, PolicyViolated) for event in events)
    lease = decision.lease
    lease = lease and replace(lease, violations=lease.violations + violations)
    return replace(decision, events=(*events, *decision.events), lease=lease)
