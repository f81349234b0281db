"""What the events of futures change in dbzero's objects: what a job waits for, and its subtasks.

As in `projection`, which calls this, the rules are those of `core.evolve`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from statek.core import events
from statek.core.awaiting import OF_SUBTASK as KEY
from statek.store.awaited import Future
from statek.store.chat_items import SubTaskLogItem
from statek.store.objects import Job, set_status
from statek.store.projected_talk import error_of, newest_first
from statek.store.texts import to_bytes

_SUBTASK: Final = to_bytes(KEY)


def _created(event: events.FutureCreated, job: Job, at_us: int) -> None:
    future = Future(job.job_utf8, event.number, event.shape, to_bytes(event.function), to_bytes(event.key))
    future.deps_data, future.state_num, future.deadline_us = event.deps, event.state_num, event.deadline_us
    future.parts = [job.futures[part.number] for part in event.parts if part.number in job.futures]
    future.created_us = at_us
    job.futures[event.number] = future
    if future.key_utf8.startswith(_SUBTASK):
        job.chat_log.append(SubTaskLogItem(future.key_utf8.removeprefix(_SUBTASK), event.number, at_us))


def _troubled(event: events.FutureTroubled, job: Job, at_us: int) -> None:
    future = job.futures.get(event.number)
    if future is not None:
        future.trouble_utf8, future.failures = to_bytes(event.error), event.failures


def _resolved(event: events.FutureResolved, job: Job, at_us: int) -> None:
    future = job.futures.pop(event.number, None)
    if future is None:
        return
    future.resolved = True
    if future.key_utf8.startswith(_SUBTASK):
        item = next(
            item
            for item in newest_first(job.chat_log)
            if isinstance(item, SubTaskLogItem) and item.future == event.number
        )
        item.outcome, item.error, item.ended_us = "error" if event.error else "ok", error_of(event.error), at_us


def _suspended(event: events.JobSuspended, job: Job, at_us: int) -> None:
    future = job.futures[event.future]
    future.awaited_since_us = event.since_us
    job.awaited_result, job.next_instr_num = future, event.instruction
    set_status(job, "SUSPENDED")


RULES: Final[tuple[Callable[..., None], ...]] = (_created, _troubled, _resolved, _suspended)
"""One for each kind of event, told apart by their annotations."""
