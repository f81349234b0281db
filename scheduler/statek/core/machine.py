"""The decisions of a job's life: a message in, events and instructions out. Pure: no socket, clock, store or tool.

Whoever calls these functions makes the events durable first, folds them into the job with `evolve`, and only then
carries out the instructions. A message that an honest interpreter cannot send raises `LeaseFault`; the caller counts
it and ends the lease. A replay that takes another way than the first run ends the batch as failed, never by a guess.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import replace
from math import isfinite
from typing import Final, assert_never

from statek.core import calls, reaching, snapshots, transient, violations
from statek.core.decisions import Decision, LeaseFault
from statek.core.endings import at_checkpoint, divergence, end_batch, ending, fail_batch
from statek.core.events import (
    BatchEnded,
    BatchStarted,
    CallAnswered,
    ClockObserved,
    ConsolePrinted,
    Event,
    LeaseEnded,
    LeaseGranted,
    PolicyViolated,
    UsageMetered,
)
from statek.core.evolve import begin
from statek.core.instructions import EndLease, StartBatch
from statek.core.jobs import ATTEMPTS_LIMIT, Job, RunningBatch, Usage
from statek.core.leases import Lease
from statek.core.moment import Moment
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.executor import Lost, Metered
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    GuestError,
    LimitBreach,
    Observed,
    TransientValue,
    Violated,
)

_OfBatch = Console | Call | Observed | Checkpoint | Violated | Finished | Failed | Metered
GuestMessage = _OfBatch | Lost

OBSERVED_LIMIT: Final = 100_000
"""Records of observation that a `Run` can carry, and so the most that may follow a checkpoint."""


def grant(job: Job, lease: Lease, *, host: str, layers: Collection[str] = ()) -> Decision:
    """Give a READY job to an executor: it goes on with the batch in hand, or takes the first that waits."""
    running = job.running
    if running is None:
        running = begin(job.pending[0])
    granted = LeaseGranted(lease.lease, lease.epoch, lease.executor, host, tuple(sorted(layers)), lease.policy.name)
    started = BatchStarted(running.batch, running.attempts, running.instruction)
    return Decision((granted, started), (StartBatch(),), at_checkpoint(lease, running))


def receive(job: Job, lease: Lease, message: GuestMessage, moment: Moment = calls.NOW) -> Decision:
    """Decide upon one message of the interpreter that holds the lease; raises `LeaseFault`."""
    if isinstance(message, Lost):  # it may come between two batches
        return _lost(job, lease, message)
    running = job.running
    if running is None or message.batch != running.batch:
        raise LeaseFault(f"{message.kind} of batch {message.batch}, which is not the one in hand")
    if running.condemned and not isinstance(message, Violated | Metered):
        return violations.receive(job, running, lease, message)
    if lease.awaiting is not None and isinstance(message, Console | Observed | Checkpoint | Finished):
        raise LeaseFault(f"{message.kind} while it waits for a reply")
    return violations.condemn(reaching.condemn(job, _decide(job, running, lease, message, moment)))


def answer(job: Job, lease: Lease | None, event: CallAnswered, made: tuple[Event, ...]) -> Decision:
    """Take the outcome of a call, with the events that it brought (`calls.answer`)."""
    return violations.condemn(reaching.condemn(job, calls.answer(job, lease, event, made)))


def _decide(job: Job, running: RunningBatch, lease: Lease, message: _OfBatch, moment: Moment) -> Decision:
    match message:
        case Console():
            return _console(job, running, lease, message)
        case Call():
            return calls.receive(job, running, lease, message, moment)
        case Observed():
            return _observed(job, running, lease, message)
        case Checkpoint():
            return _checkpoint(running, lease, message)
        case Violated():
            return _violated(running, lease, message)
        case Metered():
            return _metered(lease, message)
        case Failed():
            return fail_batch(job, running, lease, _failure(message))
        case Finished():
            return _finished(job, running, lease, message)
    assert_never(message)


def metered(message: Metered) -> UsageMetered:
    """Return what an attempt used; told after its lease was taken back, it counts for its job all the same."""
    usage = Usage(
        message.cpu_seconds, message.wall_seconds, message.peak_memory_bytes, message.output_bytes, message.calls
    )
    return UsageMetered(message.batch, usage)


def end_lease(job: Job, lease: str, epoch: int, reason: str, *, blamed: bool, cause: str = "") -> Decision:
    """End a lease from our side or because its executor is gone; a batch that was blamed too often is given up.

    A guest that stands still does nothing: whatever becomes of its interpreter meanwhile is not its doing.
    """
    blamed = blamed and not job.stands_still
    ended = LeaseEnded(lease, epoch, reason[:TEXT_LIMIT], blamed, cause)
    if job.running is not None and job.running.condemned:
        return violations.end_lease(job, job.running, ended)
    instructions = (EndLease(reason),)
    if not blamed or job.running is None or job.running.attempts + 1 < ATTEMPTS_LIMIT:
        return Decision((ended,), instructions)
    text = f"given up after {ATTEMPTS_LIMIT} attempts: each time its executor died ({reason})"
    error = GuestError("ExecutorDied", text[:TEXT_LIMIT], None)
    given_up = BatchEnded(job.running.batch, "failed", error, None)
    return Decision((ended, *ending(job, given_up)), instructions)


def abandon(job: Job, error: GuestError) -> Decision:
    """End a READY job's batch as failed because it cannot be run at all."""
    running = job.running
    started: tuple[Event, ...] = ()
    if running is None:
        running = begin(job.pending[0])
        started = (BatchStarted(running.batch, 0, 0),)
        job = replace(job, running=running, pending=job.pending[1:])
    return Decision((*started, *ending(job, BatchEnded(running.batch, "failed", error, None))))


def fail(job: Job, lease: Lease, error: GuestError) -> Decision:
    """End the batch in hand as failed from our side, and with it the lease."""
    running = job.running
    assert running is not None, "a lease in force has a batch in hand"
    return fail_batch(job, running, lease, error)


def _caught_up(running: RunningBatch, lease: Lease) -> bool:
    """Tell whether a replay has repeated everything that is on record."""
    return lease.console_bytes >= running.console_bytes and lease.calls >= len(running.calls)


def _console(job: Job, running: RunningBatch, lease: Lease, message: Console) -> Decision:
    """Record what is new; hold what a replay repeats against the checksum of the record."""
    printed = lease.console_bytes + len(message.data)
    lines = lease.console_lines + message.data.count(b"\n")
    _check_amount(lease, printed, lines)
    behind = max(0, running.console_bytes - lease.console_bytes)
    repeated, new = message.data[:behind], message.data[behind:]
    checksum = zlib.crc32(repeated, lease.console_checksum)
    if repeated and len(repeated) == behind and checksum != running.console_checksum:
        return fail_batch(job, running, lease, divergence("it printed something else"))
    if new and lease.calls < len(running.calls):
        detail = f"it printed where it had called {running.calls[lease.calls].tool}"
        return fail_batch(job, running, lease, divergence(detail))
    lease = replace(
        lease,
        console_bytes=printed,
        console_lines=lines,
        console_checksum=zlib.crc32(new, checksum),
    )
    return Decision((ConsolePrinted(message.batch, "output", new),) if new else (), (), lease)


def _check_amount(lease: Lease, printed: int, lines: int) -> None:
    """Hold the output of all attempts to the policy's limits, which the supervisor has done already."""
    limits = lease.policy.limits
    if printed > limits.output_bytes or lines > limits.output_lines:
        raise LeaseFault(f"{printed} bytes and {lines} lines of output: its supervisor should have passed on fewer")


def _observed(job: Job, running: RunningBatch, lease: Lease, message: Observed) -> Decision:
    """Keep what the guest was told. Whatever came before something on record is on record itself."""
    if not _caught_up(running, lease):
        return fail_batch(job, running, lease, divergence("it asked more of clock or randomness"))
    if running.observed - running.observed_at_checkpoint >= OBSERVED_LIMIT:
        raise LeaseFault(f"more than {OBSERVED_LIMIT} records of observation")
    return Decision((ClockObserved(message.batch, message.data),), (), lease)


def _checkpoint(running: RunningBatch, lease: Lease, message: Checkpoint) -> Decision:
    """Keep the workspace; one that a replay takes on its way to where the record ends would cut that record short."""
    if not _caught_up(running, lease) or lease.violations < running.violations:
        return Decision((), (), lease)
    change = snapshots.take(lease.manifest, message.snapshot, limits=lease.policy.limits, batch=running.batch)
    taken = snapshots.checkpoint(running, message.snapshot, change)
    return Decision((taken,), (), replace(lease, manifest=change.manifest), change)


def _violated(running: RunningBatch, lease: Lease, message: Violated) -> Decision:
    lease = replace(lease, violations=lease.violations + 1)
    if lease.violations <= running.violations:
        return Decision((), (), lease)
    consequence = lease.policy.on_violation
    event = PolicyViolated(message.batch, message.rule, message.detail, message.line, message.layer, consequence)
    return Decision((event,), (), lease)


def _finished(job: Job, running: RunningBatch, lease: Lease, message: Finished) -> Decision:
    if not _caught_up(running, lease):
        return fail_batch(job, running, lease, divergence("it ended before all was repeated"))
    snapshot = message.snapshot
    left = snapshot.transient if snapshot is not None else ()
    if snapshot is None:
        return end_batch(job, lease, _ended(running, lease, message))
    at_end = replace(running, instruction=snapshot.instruction)
    ended = _ended(at_end, lease, message, transient.kept(left))
    change = snapshots.take(lease.manifest, snapshot, limits=lease.policy.limits, batch=running.batch)
    taken = snapshots.checkpoint(running, snapshot, change)
    decision = end_batch(job, replace(lease, manifest=change.manifest), ended)
    events = (taken, *transient.notice(running.batch, left), *decision.events)
    return replace(decision, events=events, workspace=change)


def _ended(running: RunningBatch, lease: Lease, message: Finished, left: tuple[TransientValue, ...] = ()) -> BatchEnded:
    if (message.limit is None) == (message.outcome == "limit"):
        raise LeaseFault(f"it ended as {message.outcome} {'without' if message.limit is None else 'with'} a limit")
    if (message.exited and message.outcome != "ok") or (message.exit_status is not None and not message.exited):
        raise LeaseFault(f"it ended as {message.outcome} with what only exit() says")
    if message.limit is None:
        exit_status = message.exit_status
        return BatchEnded(
            running.batch,
            message.outcome,
            message.error,
            None,
            left,
            exited=message.exited,
            exit_status=exit_status,
        )
    return reaching.at_limit(running, reaching.told(lease, message.limit), message.error, left)


def _lost(job: Job, lease: Lease, message: Lost) -> Decision:
    """The interpreter is gone: a limit or the kernel's wall ends the batch; a death is tried again, up to a number."""
    running = job.running
    blamed = message.cause in ("signal", "exited", "protocol")
    ours = running is not None and message.batch == running.batch and not running.condemned
    if message.limit is not None and not (isfinite(message.limit.allowed) and isfinite(message.limit.used)):
        raise LeaseFault(f"it was lost at a limit that there is not: {message.limit.name!r}")
    if running is not None and ours and message.cause in ("limit", "seccomp"):
        ended = LeaseEnded(lease.lease, lease.epoch, message.detail, blamed=False, cause=message.cause)
        cut = _truncation_mark(running.batch, message.limit)
        over = _killed(running, message)
        return Decision((ended, *cut, *ending(job, over, lease.policy.on_violation)))
    reason = message.detail or message.cause
    decision = end_lease(job, lease.lease, lease.epoch, reason, blamed=blamed, cause=message.cause)
    return replace(decision, instructions=())


def _killed(running: RunningBatch, message: Lost) -> BatchEnded:
    """The end of a batch whose interpreter was killed at a limit, or by the kernel's filter."""
    if message.cause == "limit" and message.limit is not None:
        return reaching.at_limit(running, message.limit)
    return BatchEnded(running.batch, "limit" if message.cause == "limit" else "blocked", None, None)


def _truncation_mark(batch: int, limit: LimitBreach | None) -> tuple[Event, ...]:
    """Mark where the output was cut off. Made here and not by the supervisor, so that no replay meets it half-way."""
    if limit is None or not limit.name.startswith("output_"):
        return ()
    text = f"\n[output ends here: {limit.name} allows {limit.allowed:.0f}]\n"
    return (ConsolePrinted(batch, "output", text.encode()),)


def _metered(lease: Lease, message: Metered) -> Decision:
    """Keep what an attempt used; it is told once, at its end."""
    if lease.metered is not None:
        raise LeaseFault("an attempt that is metered twice")
    event = metered(message)
    return Decision((event,), (), replace(lease, metered=event.usage))


def _failure(message: Failed) -> GuestError:
    if message.code == "diverged":
        return divergence(message.detail)
    return GuestError("WorkspaceUnreadable" if message.code == "workspace" else "InterpreterBug", message.detail, None)
