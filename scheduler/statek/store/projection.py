"""What an event changes in dbzero's objects: one function per kind, in the mirror's thread.

The rules are those of `core.evolve`, told to the objects that applications see. Nothing is decided here. What
belongs to a conversation with a model is in `projected_talk`, what belongs to futures in `projected_waits`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import singledispatch

import dbzero as db0

from statek.agents.transcript import ModelTurn
from statek.core import events
from statek.core.jobs import total
from statek.errors import BugInScheduler
from statek.store import markers, projected_talk, projected_waits
from statek.store.chat_items import BatchLogItem, WarmupLogItem
from statek.store.objects import Agent, Job, Root, ToolLogItem, Violation, agent_tag, set_status
from statek.store.projected_talk import AT_WORK, WARMUP, error_of, limit_of, newest_first
from statek.store.records import Stored
from statek.store.texts import to_bytes


def apply(root: Root, stored: Stored, reply: Callable[[str, str], ModelTurn]) -> None:
    """Bring the objects from the event before this one to this one; `reply` reads what a model said, by its blob."""
    event, key = stored.event, to_bytes(stored.job)
    if isinstance(event, events.JobCreated):
        root.jobs[key] = _created(root, event, stored.at_us)
        root.job_count += 1
    elif isinstance(event, events.JobForgotten):
        _forget(root, key)
    else:
        job = root.jobs[key]
        job.changed_us = stored.at_us
        if isinstance(event, events.TurnRequested | events.TurnAnswered | events.ReplyLost):
            projected_talk.apply_to_agent(event, root.agents.get(job.agent_utf8))
        if isinstance(event, events.TurnAnswered):
            projected_talk.answered(event, job, stored.at_us, reply(stored.job, event.reply))
        else:
            _apply(event, job, stored.at_us)
    root.cursor, root.checksum = stored.cursor, stored.checksum


def _created(root: Root, event: events.JobCreated, at_us: int) -> Job:
    job = Job(to_bytes(event.job), to_bytes(event.policy_name), event.policy, at_us)
    db0.tags(job).add(job.status)
    job.parent_utf8 = to_bytes(event.parent)
    if job.parent_utf8 in root.jobs:
        root.jobs[job.parent_utf8].children_utf8.append(job.job_utf8)
    job.conversing = event.harness is not None
    if event.agent:
        job.agent_utf8, job.definition = to_bytes(event.agent), event.definition
        db0.tags(job).add(agent_tag(event.agent))
        if job.agent_utf8 not in root.agents:
            root.agents[job.agent_utf8] = Agent(job.agent_utf8)
        agent = root.agents[job.agent_utf8]
        agent.definition = event.definition
        agent.jobs += 1
    return job


def _forget(root: Root, key: bytes) -> None:
    """Delete a job with all that is its own; one that was forgotten before it was made here was never here.

    Its status tells it apart from now on, should somebody hold the object: a kill may then leave it behind.
    """
    job = root.jobs.get(key)
    if job is None:
        return
    for item in job.chat_log:
        if isinstance(item, BatchLogItem) and item.outcome is None:
            markers.forget(job.job, item.batch)
    db0.tags(job).remove(job.status)
    if job.agent_utf8:
        db0.tags(job).remove(agent_tag(job.agent))
        projected_talk.forget_of_agent(root, job)
    job.status = "FORGOTTEN"
    job.awaited_result = None
    if job.parent_utf8 in root.jobs:
        parent = root.jobs[job.parent_utf8]
        parent.children_utf8 = [child for child in parent.children_utf8 if child != key]  # `remove` finds no bytes
    del root.jobs[key]
    root.job_count -= 1


@singledispatch
def _apply(event: events.Event, job: Job, at_us: int) -> None:
    raise BugInScheduler(f"no rule for {event.kind}")


@_apply.register
def _(event: events.PolicyChanged, job: Job, at_us: int) -> None:
    job.policy_name_utf8, job.policy = to_bytes(event.policy_name), event.policy


@_apply.register
def _(event: events.BatchSubmitted, job: Job, at_us: int) -> None:
    item = WarmupLogItem if event.role in WARMUP else BatchLogItem
    job.chat_log.append(item(event.batch, to_bytes(event.name), event.role, event.source, at_us))
    job.batches = event.batch
    job.outcome = None
    if job.status == "DONE":
        job.exit_status_utf8 = None
    idle = job.status == "DONE" or (job.status == "STARTED" and not job.executor_utf8)
    if idle and not job.asking:
        set_status(job, "READY")


@_apply.register
def _(event: events.LeaseGranted, job: Job, at_us: int) -> None:
    job.executor_utf8, job.host_utf8 = to_bytes(event.executor), to_bytes(event.host)
    set_status(job, AT_WORK[_due(job).role])


@_apply.register
def _(event: events.BatchStarted, job: Job, at_us: int) -> None:
    item = _item(job, event.batch)
    if not item.attempts and job.executor_utf8:
        set_status(job, AT_WORK[item.role])
    job.next_instr_num = event.instruction
    item.attempts = event.attempt + 1


@_apply.register
def _(event: events.ConsolePrinted, job: Job, at_us: int) -> None:
    job.py_env.chunks.append((b"n" if event.stream == "notice" else b"o") + event.data)
    job.py_env.batches.append(event.batch)


@_apply.register
def _(event: events.CallRequested, job: Job, at_us: int) -> None:
    job.tool_log.append(ToolLogItem(event.batch, event.number, to_bytes(event.tool), at_us))


@_apply.register
def _(event: events.CallAnswered, job: Job, at_us: int) -> None:
    call = _call(job, event.batch, event.number)
    call.outcome = "ok" if event.error is None else "error"
    call.error = error_of(event.error)
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
    usage.output_bytes = total(usage.output_bytes, more.output_bytes)
    usage.calls = total(usage.calls, more.calls)


@_apply.register
def _(event: events.LeaseEnded, job: Job, at_us: int) -> None:
    job.executor_utf8 = job.host_utf8 = b""
    if job.status in ("STARTED", "WARMING_UP") and not job.asking:
        set_status(job, "READY")


@_apply.register
def _(event: events.JobResumed, job: Job, at_us: int) -> None:
    _awake(job)


def _awake(job: Job) -> None:
    if job.awaited_result is not None:
        job.awaited_result = None
        set_status(job, AT_WORK[_due(job).role] if job.executor_utf8 else "READY")


@_apply.register
def _(event: events.BatchEnded, job: Job, at_us: int) -> None:
    _awake(job)
    job.outcome, job.error, job.limit = event.outcome, error_of(event.error), limit_of(event.limit, event.progress)
    job.next_instr_num = 0
    job.exit_status_utf8 = None if event.exit_status is None else to_bytes(event.exit_status)
    item = _end(job, event.batch, event.outcome, at_us)
    item.error, item.limit = job.error, job.limit
    if item.role == "reply" and event.outcome not in ("ok", "cancelled"):
        job.num_exceptions += 1
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
    set_status(job, "DONE")
    job.outcome = event.outcome
    job.closed = job.closed or event.final
    kept = event.outcome != "ok"
    job.error = error_of(event.error) or (job.error if kept else None)
    job.limit = limit_of(event.limit) or (job.limit if kept else None)
    if event.exit_status is not None:
        job.exit_status_utf8 = to_bytes(event.exit_status)


@_apply.register
def _(event: events.JobHeld, job: Job, at_us: int) -> None:
    set_status(job, "SUSPENDED")
    job.held = event.batch


@_apply.register
def _(event: events.HoldDecided, job: Job, at_us: int) -> None:
    set_status(job, "READY")
    job.held = None


for _rule in (*projected_talk.RULES, *projected_waits.RULES):
    _apply.register(_rule)


def _end(job: Job, batch: int, outcome: str, at_us: int) -> BatchLogItem:
    item = _item(job, batch)
    item.outcome, item.ended_us = outcome, at_us
    return item


def _batches_backwards(job: Job) -> Iterator[BatchLogItem]:
    return (item for item in newest_first(job.chat_log) if isinstance(item, BatchLogItem))


def _due(job: Job) -> BatchLogItem:
    """Find the batch in hand, or the first one that waits: all after the last one that has ended have not begun."""
    due = list(itertools.takewhile(lambda item: item.outcome is None, _batches_backwards(job)))
    if not due:
        raise BugInScheduler(f"job {job.job} has no batch that an executor could run")
    return due[-1]


def _item(job: Job, batch: int) -> BatchLogItem:
    """Find a batch among the newest entries: those that have not ended are at the end."""
    for item in _batches_backwards(job):
        if item.batch == batch:
            return item
    raise BugInScheduler(f"batch {batch} was never submitted")


def _call(job: Job, batch: int, number: int) -> ToolLogItem:
    for call in newest_first(job.tool_log):
        if call.batch == batch and call.number == number:
            return call
    raise BugInScheduler(f"call {number} of batch {batch} was never requested")
