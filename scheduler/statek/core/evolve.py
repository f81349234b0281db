"""How an event changes a job: the fold that turns a history into a state. Total, pure, and without any decision."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import singledispatch

from statek.core.awaiting import AwaitedFuture, FutureEntry, FuturePart
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    BatchSubmitted,
    CallAnswered,
    CallRequested,
    CheckpointTaken,
    ClockObserved,
    ConsolePrinted,
    Event,
    FutureCreated,
    FutureResolved,
    FutureTroubled,
    HandleBound,
    HoldDecided,
    JobCreated,
    JobEnded,
    JobHeld,
    JobResumed,
    JobSuspended,
    LeaseEnded,
    LeaseGranted,
    LimitReached,
    PolicyChanged,
    PolicyViolated,
    UsageMetered,
    VariablesOffered,
)
from statek.core.jobs import CallEntry, Job, PendingBatch, RunningBatch, digest
from statek.core.reaching import limit_named_in
from statek.errors import BugInScheduler


def evolve(job: Job | None, event: Event) -> Job:
    """Return the job after the event; only `JobCreated` may meet no job."""
    if isinstance(event, JobCreated):
        return Job(event.job, event.policy)
    if job is None:
        raise BugInScheduler(f"{event.kind} of a job that was never created")
    return _after(event, job)


def begin(batch: PendingBatch) -> RunningBatch:
    """Take a batch that waited into hand."""
    return RunningBatch(batch.batch, batch.name, batch.source, batch.group, batch.policy)


def _running(job: Job) -> RunningBatch:
    if job.running is None:
        raise BugInScheduler(f"job {job.job} has no batch in hand")
    return job.running


@singledispatch
def _after(event: Event, job: Job) -> Job:
    raise BugInScheduler(f"no rule for {event.kind}")


@_after.register
def _(event: PolicyChanged, job: Job) -> Job:
    return replace(job, policy=event.policy)


@_after.register
def _(event: BatchSubmitted, job: Job) -> Job:
    pending = (
        *job.pending,
        PendingBatch(event.batch, event.name, event.source, event.group, event.policy or job.policy),
    )
    status = "READY" if job.status == "DONE" else job.status
    return replace(job, batches=event.batch, pending=pending, status=status, outcome=None)


@_after.register
def _(event: LeaseGranted, job: Job) -> Job:
    return replace(job, epoch=event.epoch, status="STARTED", leased=True)


@_after.register
def _(event: BatchStarted, job: Job) -> Job:
    if job.running is not None:
        return job
    first, *rest = job.pending
    return replace(job, running=begin(first), pending=tuple(rest))


@_after.register
def _(event: ConsolePrinted, job: Job) -> Job:
    if event.stream == "notice":
        return job
    running = _running(job)
    checksum = zlib.crc32(event.data, running.console_checksum)
    size = running.console_bytes + len(event.data)
    lines = running.console_lines + event.data.count(b"\n")
    printed = replace(running, console_bytes=size, console_lines=lines, console_checksum=checksum)
    return replace(job, running=printed)


@_after.register
def _(event: CallRequested, job: Job) -> Job:
    running = _running(job)
    arguments = digest(event.arguments)
    entry = CallEntry(event.number, event.tool, arguments, answered=False, console_bytes=running.console_bytes)
    return replace(job, running=replace(running, calls=(*running.calls, entry)))


@_after.register
def _(event: CallAnswered, job: Job) -> Job:
    running = _running(job)
    calls = list(running.calls)
    violated = event.error is not None and event.error.type == "PolicyViolation"
    calls[event.number] = replace(calls[event.number], answered=True, violated=violated)
    refusals = running.refusals + bool(limit_named_in(event.error))
    return replace(job, running=replace(running, calls=tuple(calls), refusals=refusals))


@_after.register
def _(event: LimitReached, job: Job) -> Job:
    return replace(job, running=replace(_running(job), reached=event.limit))


@_after.register
def _(event: ClockObserved, job: Job) -> Job:
    running = _running(job)
    return replace(job, running=replace(running, observed=running.observed + 1))


@_after.register
def _(event: CheckpointTaken, job: Job) -> Job:
    running = _running(job)
    position = replace(
        running,
        instruction=event.instruction,
        console_at_checkpoint=running.console_bytes,
        lines_at_checkpoint=running.console_lines,
        checksum_at_checkpoint=running.console_checksum,
        calls_at_checkpoint=len(running.calls),
        violations_at_checkpoint=running.violations,
        observed_at_checkpoint=running.observed,
    )
    return replace(
        job,
        running=position,
        workspace=event.workspace,
        transient=event.transient,
        offered_values=(),
    )


@_after.register
def _(event: PolicyViolated, job: Job) -> Job:
    running = _running(job)
    consequence = running.consequence if event.consequence == "refuse" else event.consequence
    return replace(job, running=replace(running, violations=running.violations + 1, consequence=consequence))


@_after.register
def _(event: UsageMetered, job: Job) -> Job:
    running = _running(job)
    return replace(job, running=replace(running, usage=running.usage.plus(event.usage)))


@_after.register
def _(event: LeaseEnded, job: Job) -> Job:
    running = job.running
    if running is not None and event.blamed:
        running = replace(running, attempts=running.attempts + 1)
    status = "READY" if job.status == "STARTED" else job.status
    return replace(job, running=running, status=status, leased=False)


@_after.register
def _(event: BatchEnded, job: Job) -> Job:
    usage = job.usage.plus(_running(job).usage)
    job = _awake(job)
    return replace(job, running=None, outcome=event.outcome, error=event.error, limit=event.limit, usage=usage)


@_after.register
def _(event: FutureCreated, job: Job) -> Job:
    entry = FutureEntry(event.number, event.shape, event.parts, event.key, event.function, event.deadline_us)
    of_its_kind = event.number // 2 + 1
    if event.number % 2:
        job = replace(job, futures_combined=max(job.futures_combined, of_its_kind))
    else:
        job = replace(job, futures_registered=max(job.futures_registered, of_its_kind))
    return replace(job, futures=(*job.futures, entry))


@_after.register
def _(event: FutureTroubled, job: Job) -> Job:
    return job


@_after.register
def _(event: FutureResolved, job: Job) -> Job:
    return replace(job, futures=tuple(entry for entry in job.futures if entry.number != event.number))


@_after.register
def _(event: JobSuspended, job: Job) -> Job:
    future = FuturePart(event.future, event.path)
    awaited = AwaitedFuture(event.batch, event.call, future, event.instruction, event.since_us)
    return replace(job, status="SUSPENDED", awaited=awaited)


@_after.register
def _(event: JobResumed, job: Job) -> Job:
    return _awake(job)


def _awake(job: Job) -> Job:
    """Let a suspended job go on: at once where it is parked, or when it is granted again."""
    if job.awaited is None:
        return job
    return replace(job, awaited=None, status="STARTED" if job.leased else "READY")


@_after.register
def _(event: BatchSkipped, job: Job) -> Job:
    return replace(job, pending=tuple(batch for batch in job.pending if batch.batch != event.batch))


@_after.register
def _(event: JobEnded, job: Job) -> Job:
    return replace(job, status="DONE", outcome=event.outcome, closed=job.closed or event.final)


@_after.register
def _(event: JobHeld, job: Job) -> Job:
    return replace(job, status="SUSPENDED", held=event.batch)


@_after.register
def _(event: HoldDecided, job: Job) -> Job:
    return replace(job, status="READY", held=None, decided=event.request)


@_after.register
def _(event: HandleBound, job: Job) -> Job:
    return replace(job, handles=max(job.handles, event.number + 1))


@_after.register
def _(event: VariablesOffered, job: Job) -> Job:
    values = (*job.offered_values, event.values) if event.values else job.offered_values
    return replace(job, offered=(*job.offered, *event.names), offered_values=values)
