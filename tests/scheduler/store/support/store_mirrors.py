"""Run a mirror for a while, and see whether its objects tell what the ledger tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from statek.core import events
from statek.core.jobs import Job, Usage
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.mirror import Mirror
from statek.store.records import Stored

if TYPE_CHECKING:
    from statek.store.objects import ReachedLimit

PATIENCE = 60.0


@contextmanager
def mirror_of(store: StoreDirectory, commit_seconds: float = 0.0, **options: Any) -> Iterator[Mirror]:
    """Start a mirror, wait until it shows the whole ledger, and stop it at the end."""
    failures: list[BaseException] = []
    mirror = Mirror(store.dbzero, store.ledger, failures.append, commit_seconds=commit_seconds, **options)
    mirror.start()
    try:
        with History.read(store.ledger) as ledger:
            caught_up = mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert caught_up, failures
        yield mirror
    finally:
        assert mirror.stop(PATIENCE)
    assert failures == []


def objects(mirror: Mirror) -> dict[str, Any]:
    """Read what an application can read of every job."""
    return mirror.submit(_read).result(PATIENCE)


def expected(store: StoreDirectory) -> dict[str, Any]:
    """Say what the objects should tell, from the ledger alone."""
    with History.read(store.ledger) as ledger:
        told = ledger.events(None, limit=ledger.last_cursor + 1)
        return {job.job: _expected(job, [stored for stored in told if stored.job == job.job]) for job in ledger.jobs()}


def _read() -> dict[str, Any]:
    from statek.store.objects import Job as MirroredJob
    from statek.store.objects import Root

    def plain(job: MirroredJob) -> dict[str, Any]:
        return {
            "status": job.status,
            "outcome": job.outcome,
            "error": job.error and (job.error.type, job.error.message, job.error.line),
            "limit": job.limit and (job.limit.name, job.limit.allowed, job.limit.used),
            "progress": job.limit and _progress_of(job.limit),
            "console": job.py_env.console,
            "tools": [(call.number, call.tool, call.outcome) for call in job.tool_log],
            "violations": [(item.rule, item.line, item.layer) for item in job.violations],
            "batches": [(item.batch, item.name, item.outcome) for item in job.chat_log],
            "usage": (job.usage.cpu_seconds, job.usage.wall_seconds, job.usage.peak_memory_bytes, job.usage.calls),
            "next": job.next_instr_num,
        }

    return {job.job: plain(job) for job in Root().jobs.values()}


def _progress_of(limit: ReachedLimit) -> events.Progress:
    names = {name.decode(): count for name, count in limit.calls_by_name.items()}
    return events.Progress(limit.printed_bytes, limit.printed_lines, limit.calls, names, limit.instruction)


def _expected(job: Job, told: list[Stored]) -> dict[str, Any]:
    happened = [stored.event for stored in told]
    usage = sum_of([event.usage for event in happened if isinstance(event, events.UsageMetered)])
    printed = b"".join(event.data for event in happened if isinstance(event, events.ConsolePrinted)).decode()
    answers = {e.number: "error" if e.error else "ok" for e in happened if isinstance(e, events.CallAnswered)}
    calls = [event for event in happened if isinstance(event, events.CallRequested)]
    ends: dict[int, str] = {e.batch: e.outcome for e in happened if isinstance(e, events.BatchEnded)}
    ends |= {event.batch: "skipped" for event in happened if isinstance(event, events.BatchSkipped)}
    submitted = [event for event in happened if isinstance(event, events.BatchSubmitted)]
    violated = [event for event in happened if isinstance(event, events.PolicyViolated)]
    return {
        "status": job.status,
        "outcome": job.outcome,
        "error": job.error and (job.error.type, job.error.message, job.error.line),
        "limit": job.limit and (job.limit.name, job.limit.allowed, job.limit.used),
        "progress": next((e.progress for e in happened if isinstance(e, events.BatchEnded) and e.limit), None),
        "console": printed.splitlines(),
        "tools": [(call.number, call.tool, answers.get(call.number, "pending")) for call in calls],
        "violations": [(event.rule, event.line, event.layer) for event in violated],
        "batches": [(event.batch, event.name, ends.get(event.batch)) for event in submitted],
        "usage": (usage.cpu_seconds, usage.wall_seconds, usage.peak_memory_bytes, usage.calls),
        "next": job.running.instruction if job.running else 0,
    }


def sum_of(usages: list[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total = total.plus(usage)
    return total
