"""How an event changes a job: the fold that turns a history into a state. Total, pure, and without any decision."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from functools import singledispatch

from statek.core.agents import BatchRole
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
    HarnessReached,
    HoldDecided,
    JobCancelled,
    JobCreated,
    JobEnded,
    JobForgotten,
    JobHeld,
    JobResumed,
    JobRevived,
    JobSuspended,
    LeaseEnded,
    LeaseGranted,
    LimitReached,
    MessagePushed,
    PolicyChanged,
    PolicyViolated,
    ReplyLost,
    SubtaskSpent,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    TurnUsage,
    UsageMetered,
    VariablesOffered,
)
from statek.core.jobs import CallEntry, Conversation, Job, JobStatus, PendingBatch, RunningBatch, digest, total
from statek.core.reaching import limit_named_in
from statek.errors import BugInScheduler


def evolve(job: Job | None, event: Event) -> Job:
    """Return the job after the event. Only `JobCreated` may meet no job, and what a forgotten one leaves behind."""
    if isinstance(event, JobForgotten):
        return Job(event.job, "", status="FORGOTTEN", outcome=event.outcome)
    if isinstance(event, JobCreated):
        conversation = None if event.harness is None else Conversation(event.harness, event.model, event.provider)
        return Job(
            event.job,
            event.policy,
            agent=event.agent,
            definition=event.definition,
            parent=event.parent,
            given=event.given,
            conversation=conversation,
        )
    if job is None:
        raise BugInScheduler(f"{event.kind} of a job that was never created")
    return _after(event, job)


def evolved(job: Job, events: Iterable[Event]) -> Job:
    """Return the job after several events."""
    for event in events:
        job = evolve(job, event)
    return job


def begin(batch: PendingBatch) -> RunningBatch:
    """Take a batch that waited into hand."""
    return RunningBatch(batch.batch, batch.name, batch.source, batch.group, batch.policy, role=batch.role)


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
        PendingBatch(event.batch, event.name, event.source, event.group, event.policy or job.policy, event.role),
    )
    idle = job.status == "DONE" or (job.status == "STARTED" and not job.leased)
    status = "READY" if idle and not _asking(job) else job.status
    exit_status = None if job.status == "DONE" else job.exit_status
    return replace(job, batches=event.batch, pending=pending, status=status, outcome=None, exit_status=exit_status)


@_after.register
def _(event: LeaseGranted, job: Job) -> Job:
    due = job.running or job.pending[0]
    return replace(job, epoch=event.epoch, status=_at_work(due.role), leased=True)


@_after.register
def _(event: BatchStarted, job: Job) -> Job:
    if job.running is not None:
        return job
    first, *rest = job.pending
    status = _at_work(first.role) if job.leased else job.status
    return replace(job, running=begin(first), pending=tuple(rest), status=status)


@_after.register
def _(event: ConsolePrinted, job: Job) -> Job:
    if event.stream == "notice":
        return job
    running = _running(job)
    checksum = zlib.crc32(event.data, running.console_checksum)
    size = running.console_bytes + len(event.data)
    lines = running.console_lines + event.data.count(b"\n")
    printed = replace(running, console_bytes=size, console_lines=lines, console_checksum=checksum)
    return replace(job, running=printed, console_lines=job.console_lines + event.data.count(b"\n"))


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
    running = job.running
    if running is None or running.batch != event.batch:  # its lease was taken back, and this comes after its end
        return replace(job, usage=job.usage.plus(event.usage))
    return replace(job, running=replace(running, usage=running.usage.plus(event.usage)))


@_after.register
def _(event: LeaseEnded, job: Job) -> Job:
    running = job.running
    if running is not None and event.blamed:
        running = replace(running, attempts=running.attempts + 1)
    status = "READY" if job.status in ("STARTED", "WARMING_UP") and not _asking(job) else job.status
    return replace(job, running=running, status=status, leased=False)


@_after.register
def _(event: BatchEnded, job: Job) -> Job:
    running = _running(job)
    usage = job.usage.plus(running.usage)
    talk = job.conversation
    if talk is not None and running.role == "reply" and event.outcome != "cancelled":
        talk = _counted(talk, failed=event.outcome != "ok")
    job = _awake(job)
    return replace(
        job,
        running=None,
        outcome=event.outcome,
        error=event.error,
        limit=event.limit,
        usage=usage,
        conversation=talk,
        exit_status=event.exit_status,
    )


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
    status = _at_work(_running(job).role) if job.leased else "READY"
    return replace(job, awaited=None, status=status)


@_after.register
def _(event: BatchSkipped, job: Job) -> Job:
    return replace(job, pending=tuple(batch for batch in job.pending if batch.batch != event.batch))


@_after.register
def _(event: JobEnded, job: Job) -> Job:
    return replace(
        job,
        status="DONE",
        outcome=event.outcome,
        closed=job.closed or event.final,
        error=event.error or (job.error if event.outcome != "ok" else None),
        limit=event.limit or (job.limit if event.outcome != "ok" else None),
        exit_status=job.exit_status if event.exit_status is None else event.exit_status,
    )


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
    given = "" if event.given else job.given
    return replace(job, offered=(*job.offered, *event.names), offered_values=values, given=given)


@_after.register
def _(event: MessagePushed, job: Job) -> Job:
    if job.conversation is None:
        return job
    unread = job.conversation.unread + 1
    return replace(job, conversation=replace(job.conversation, messages=event.number, unread=unread))


@_after.register
def _(event: TurnRequested, job: Job) -> Job:
    talk = replace(talk_of(job), turn=event.turn, asking=True, attempts=event.attempt, unread=0)
    return replace(job, status="STARTED", outcome=None, conversation=talk)


@_after.register
def _(event: TurnAnswered, job: Job) -> Job:
    talk = replace(_spent(talk_of(job), event.usage), asking=False)
    if event.outcome in ("malformed", "refusal"):
        talk = _counted(talk, failed=True)
    return replace(job, conversation=talk)


@_after.register
def _(event: ReplyLost, job: Job) -> Job:
    return replace(job, conversation=_spent(talk_of(job), event.usage))


@_after.register
def _(event: SubtaskSpent, job: Job) -> Job:
    talk, used = talk_of(job), event.usage
    talk = replace(
        talk,
        tree_tokens=total(talk.tree_tokens, used.input_tokens + used.output_tokens),
        tree_cost_micros=total(talk.tree_cost_micros, used.cost_micros or 0),
        tree_unpriced=talk.tree_unpriced + (used.cost_micros is None),
    )
    return replace(job, conversation=talk)


@_after.register
def _(event: TurnFailed, job: Job) -> Job:
    return replace(job, conversation=replace(talk_of(job), asking=False))


@_after.register
def _(event: HarnessReached, job: Job) -> Job:
    return job


@_after.register
def _(event: JobCancelled, job: Job) -> Job:
    talk = None if job.conversation is None else replace(job.conversation, asking=False)
    return replace(job, decided=event.request, conversation=talk, held=None)


@_after.register
def _(event: JobRevived, job: Job) -> Job:
    talk = job.conversation
    if talk is not None:
        granted = talk.granted + event.granted
        talk = replace(talk, completions=talk.completions + 1, consecutive_exceptions=0, granted=granted)
    decided = event.request or job.decided
    return replace(
        job,
        status="STARTED",
        outcome=None,
        exit_status=None,
        error=None,
        limit=None,
        conversation=talk,
        decided=decided,
    )


def talk_of(job: Job) -> Conversation:
    """Return a job's conversation; only those of agents have one."""
    if job.conversation is None:
        raise BugInScheduler(f"job {job.job} has no agent whose model could be asked")
    return job.conversation


def _asking(job: Job) -> bool:
    return job.conversation is not None and job.conversation.asking


def _spent(talk: Conversation, used: TurnUsage) -> Conversation:
    return replace(
        talk,
        input_tokens=total(talk.input_tokens, used.input_tokens),
        cached_tokens=total(talk.cached_tokens, used.cached_tokens),
        output_tokens=total(talk.output_tokens, used.output_tokens),
        cost_micros=total(talk.cost_micros, used.cost_micros or 0),
        unpriced=talk.unpriced + (used.cost_micros is None),
    )


def _counted(talk: Conversation, *, failed: bool) -> Conversation:
    return replace(
        talk,
        exceptions=talk.exceptions + failed,
        consecutive_exceptions=talk.consecutive_exceptions + 1 if failed else 0,
    )


def _at_work(role: BatchRole) -> JobStatus:
    return "WARMING_UP" if role in ("warmup", "hidden") else "STARTED"
