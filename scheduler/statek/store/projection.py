"""What an event changes in dbzero's objects: one function per kind, in the mirror's thread.

The rules are those of `core.evolve`, told to the objects that applications see. Nothing is decided here.
"""

from __future__ import annotations

from functools import singledispatch

from statek.core import events
from statek.errors import BugInScheduler
from statek.store import markers
from statek.store.awaited import Future
from statek.store.objects import (
    BatchLogItem,
    Job,
    JobError,
    ReachedLimit,
    Root,
    ToolLogItem,
    Violation,
    to_bytes,
)
from statek.store.records import Stored
from statek_protocol.messages.interpreter import GuestError


def apply(root: Root, stored: Stored) -> None:
    """Bring the objects from the event before this one to this one."""
    event, key = stored.event, to_bytes(stored.job)
    if isinstance(event, events.JobCreated):
        root.jobs[key] = Job(key, to_bytes(event.policy_name), event.policy, stored.at_us)
        root.job_count += 1
    else:
        job = root.jobs[key]
        job.changed_us = stored.at_us
        _apply(event, job, stored.at_us)
    root.cursor, root.checksum = stored.cursor, stored.checksum


@singledispatch
def _apply(event: events.Event, job: Job, at_us: int) -> None:
    raise BugInScheduler(f"no rule for {event.kind}")


@_apply.register
def _(event: events.PolicyChanged, job: Job, at_us: int) -> None:
    job.policy_name_utf8, job.policy = to_bytes(event.policy_name), event.policy


@_apply.register
def _(event: events.BatchSubmitted, job: Job, at_us: int) -> None:
    job.chat_log.append(BatchLogItem(event.batch, to_bytes(event.name), event.source, at_us))
    job.batches = event.batch
    job.outcome = None
    if job.status == "DONE":
        job.status = "READY"


@_apply.register
def _(event: events.LeaseGranted, job: Job, at_us: int) -> None:
    job.executor_utf8, job.host_utf8 = to_bytes(event.executor), to_bytes(event.host)
    job.status = "STARTED"


@_apply.register
def _(event: events.BatchStarted, job: Job, at_us: int) -> None:
    job.next_instr_num = event.instruction
    _item(job, event.batch).attempts = event.attempt + 1


@_apply.register
def _(event: events.ConsolePrinted, job: Job, at_us: int) -> None:
    job.py_env.chunks.append((b"n" if event.stream == "notice" else b"o") + event.data)


@_apply.register
def _(event: events.CallRequested, job: Job, at_us: int) -> None:
    job.tool_log.append(ToolLogItem(event.batch, event.number, to_bytes(event.tool), at_us))


@_apply.register
def _(event: events.CallAnswered, job: Job, at_us: int) -> None:
    call = _call(job, event.batch, event.number)
    call.outcome = "ok" if event.error is None else "error"
    call.error = _error(event.error)
    call.answered_us = at_us


@_apply.register
def _(event: events.ClockObserved, job: Job, at_us: int) -> None:
    """Nothing that an application sees."""


@_apply.register
def _(event: events.CheckpointTaken, job: Job, at_us: int) -> None:
    job.next_instr_num = event.instruction
    job.workspace = event.workspace
    job.transient = [to_bytes(value.name) for value in event.transient]


@_apply.register
def _(event: events.PolicyViolated, job: Job, at_us: int) -> None:
    violation = Violation(event.batch, to_bytes(event.rule), to_bytes(event.detail), event.line, event.layer)
    job.violations.append(violation)


@_apply.register
def _(event: events.LimitReached, job: Job, at_us: int) -> None:
    """Told with the end of the batch."""


@_apply.register
def _(event: events.UsageMetered, job: Job, at_us: int) -> None:
    usage, more = job.usage, event.usage
    usage.cpu_seconds += more.cpu_seconds
    usage.wall_seconds += more.wall_seconds
    usage.peak_memory_bytes = max(usage.peak_memory_bytes, more.peak_memory_bytes)
    usage.output_bytes += more.output_bytes
    usage.calls += more.calls


@_apply.register
def _(event: events.LeaseEnded, job: Job, at_us: int) -> None:
    job.executor_utf8 = job.host_utf8 = b""
    if job.status == "STARTED":
        job.status = "READY"


@_apply.register
def _(event: events.FutureCreated, job: Job, at_us: int) -> None:
    future = Future(job.job_utf8, event.number, event.shape, to_bytes(event.function), to_bytes(event.key))
    future.deps_data, future.state_num, future.deadline_us = event.deps, event.state_num, event.deadline_us
    future.parts = [job.futures[part.number] for part in event.parts if part.number in job.futures]
    future.created_us = at_us
    job.futures[event.number] = future


@_apply.register
def _(event: events.FutureTroubled, job: Job, at_us: int) -> None:
    future = job.futures.get(event.number)
    if future is not None:
        future.trouble_utf8, future.failures = to_bytes(event.error), event.failures


@_apply.register
def _(event: events.FutureResolved, job: Job, at_us: int) -> None:
    future = job.futures.pop(event.number, None)
    if future is not None:
        future.resolved = True


@_apply.register
def _(event: events.JobSuspended, job: Job, at_us: int) -> None:
    future = job.futures[event.future]
    future.awaited_since_us = event.since_us
    job.awaited_result, job.next_instr_num = future, event.instruction
    job.status = "SUSPENDED"


@_apply.register
def _(event: events.JobResumed, job: Job, at_us: int) -> None:
    _awake(job)


def _awake(job: Job) -> None:
    if job.awaited_result is not None:
        job.awaited_result = None
        job.status = "STARTED" if job.executor_utf8 else "READY"


@_apply.register
def _(event: events.BatchEnded, job: Job, at_us: int) -> None:
    _awake(job)
    job.outcome, job.error, job.limit = event.outcome, _error(event.error), _limit(event)
    job.next_instr_num = 0
    _end(job, event.batch, event.outcome, at_us)
    markers.forget(job.job, event.batch)


@_apply.register
def _(event: events.HandleBound, job: Job, at_us: int) -> None:
    """Nothing that an application sees: it has the object itself."""


@_apply.register
def _(event: events.VariablesOffered, job: Job, at_us: int) -> None:
    """Nothing that an application sees: the variables are its own."""


@_apply.register
def _(event: events.BatchSkipped, job: Job, at_us: int) -> None:
    _end(job, event.batch, "skipped", at_us)


@_apply.register
def _(event: events.JobEnded, job: Job, at_us: int) -> None:
    job.status, job.outcome = "DONE", event.outcome
    job.closed = job.closed or event.final


@_apply.register
def _(event: events.JobHeld, job: Job, at_us: int) -> None:
    job.status, job.held = "SUSPENDED", event.batch


@_apply.register
def _(event: events.HoldDecided, job: Job, at_us: int) -> None:
    job.status, job.held = "READY", None


def _end(job: Job, batch: int, outcome: str, at_us: int) -> None:
    item = _item(job, batch)
    item.outcome, item.ended_us = outcome, at_us


def _item(job: Job, batch: int) -> BatchLogItem:
    """Find a batch among the newest entries: those that have not ended are at the end."""
    for position in range(len(job.chat_log) - 1, -1, -1):
        item = job.chat_log[position]
        if item.batch == batch:
            return item
    raise BugInScheduler(f"batch {batch} was never submitted")


def _call(job: Job, batch: int, number: int) -> ToolLogItem:
    for position in range(len(job.tool_log) - 1, -1, -1):
        call = job.tool_log[position]
        if call.batch == batch and call.number == number:
            return call
    raise BugInScheduler(f"call {number} of batch {batch} was never requested")


def _error(error: GuestError | None) -> JobError | None:
    return None if error is None else JobError(to_bytes(error.type), to_bytes(error.message), error.line)


def _limit(event: events.BatchEnded) -> ReachedLimit | None:
    if event.limit is None:
        return None
    reached = ReachedLimit(to_bytes(event.limit.name), event.limit.allowed, event.limit.used)
    if event.progress is not None:
        reached.printed_bytes, reached.printed_lines = event.progress.printed_bytes, event.progress.printed_lines
        reached.calls, reached.instruction = event.progress.calls, event.progress.instruction
        reached.calls_by_name = {to_bytes(name): count for name, count in event.progress.calls_by_name.items()}
    return reached
