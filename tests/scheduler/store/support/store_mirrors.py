"""Run a mirror for a while, and see whether its objects tell what the ledger tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from store_histories import CALL, REPLY

from statek.agents.replies import pack
from statek.core import events
from statek.core.events import BatchEnded, ConsolePrinted, Event, TurnAnswered, TurnFailed
from statek.core.jobs import Conversation, Job, Usage, digest
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.mirror import Mirror
from statek.store.records import Stored

if TYPE_CHECKING:
    from statek.store.chat_items import ChatItem, ReachedLimit

PATIENCE = 60.0
NOTHING_DONE = events.Progress(0, 0, 0, {}, 0)
REPLIES = {digest(pack(reply)): reply for reply in (REPLY, CALL)}


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
            "chat": [_shown(item) for item in job.chat_log],
            "pushed": job.py_env.push_log,
            "printed": [job.py_env.console_of(batch) for batch in range(1, job.batches + 1)],
            "whose": (job.agent, job.parent, job.definition, job.exit_status, job.asking),
            "counts": (job.num_turns, job.num_completions, job.num_exceptions, job.batches),
            "tokens": (job.usage.input_tokens, job.usage.cached_tokens, job.usage.output_tokens),
            "cost": (job.usage.cost, job.usage.unpriced),
            "usage": (job.usage.cpu_seconds, job.usage.wall_seconds, job.usage.peak_memory_bytes, job.usage.calls),
            "next": job.next_instr_num,
        }

    return {job.job: plain(job) for job in Root().jobs.values()}


def _progress_of(limit: ReachedLimit) -> events.Progress:
    names = {name.decode(): count for name, count in limit.calls_by_name.items()}
    return events.Progress(limit.printed_bytes, limit.printed_lines, limit.calls, names, limit.instruction)


def _shown(item: ChatItem) -> tuple[Any, ...]:
    """What an entry of `chat_log` tells, after the name of its class and its instant."""
    from statek.store import chat_items as items

    head = (type(item).__name__, item.at_us)
    match item:
        case items.UserLogItem():
            return (*head, item.number, item.text, item.source)
        case items.BatchLogItem():
            error = item.error and (item.error.type, item.error.line)
            return (*head, item.batch, item.name, item.role, item.source, item.outcome, error)
        case items.LLM_LogItem():
            said = (item.text, item.calls, item.reply)
            used = (item.input_tokens, item.cached_tokens, item.output_tokens, item.cost_micros, item.estimated)
            error = item.error and (item.error.type, item.error.message)
            return (*head, item.turn, item.model, item.provider, item.attempts, item.outcome, *said, *used, error)
        case items.SubTaskLogItem():
            return (*head, item.job, item.outcome)
        case items.SteeringLogItem():
            return (*head, item.act, item.text)


def _expected(job: Job, told: list[Stored]) -> dict[str, Any]:
    happened = [stored.event for stored in told]
    talk = job.conversation or Conversation()
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
        "progress": next((e.progress for e in happened if isinstance(e, BatchEnded) and e.limit), NOTHING_DONE)
        if job.limit
        else None,
        "console": printed.splitlines(),
        "tools": [(call.number, call.tool, answers.get(call.number, "pending")) for call in calls],
        "violations": [(event.rule, event.line, event.layer) for event in violated],
        "chat": list(filter(None, (_entry(stored, happened, ends) for stored in told))),
        "pushed": _pushed(happened),
        "printed": [_printed_by(happened, event.batch) for event in submitted],
        "whose": (job.agent, job.parent, job.definition, job.exit_status, talk.asking),
        "counts": (talk.turn, talk.completions, talk.exceptions, job.batches),
        "tokens": (talk.input_tokens, talk.cached_tokens, talk.output_tokens),
        "cost": (Decimal(talk.cost_micros) / 1_000_000, talk.unpriced),
        "usage": (usage.cpu_seconds, usage.wall_seconds, usage.peak_memory_bytes, usage.calls),
        "next": job.running.instruction if job.running else 0,
    }


def sum_of(usages: list[Usage]) -> Usage:
    total = Usage()
    for usage in usages:
        total = total.plus(usage)
    return total


def _entry(stored: Stored, happened: Sequence[Event], ends: dict[int, str]) -> tuple[Any, ...] | None:
    """Say which entry of `chat_log` an event makes, knowing all that happened."""
    event, at_us = stored.event, stored.at_us
    match event:
        case events.MessagePushed():
            return ("UserLogItem", at_us, event.number, event.text.decode("utf-8", "surrogatepass"), event.source)
        case events.BatchSubmitted():
            name = "WarmupLogItem" if event.role in ("warmup", "hidden") else "BatchLogItem"
            ended = next((e.error for e in happened if isinstance(e, BatchEnded) and e.batch == event.batch), None)
            error = ended and (ended.type, ended.line)
            return (name, at_us, event.batch, event.name, event.role, event.source, ends.get(event.batch), error)
        case events.TurnRequested() if not event.attempt:
            return ("LLM_LogItem", at_us, event.turn, *_turn(event, happened))
        case events.FutureCreated() if event.key.startswith("job/"):
            resolved = any(isinstance(e, events.FutureResolved) and e.number == event.number for e in happened)
            return ("SubTaskLogItem", at_us, event.key.removeprefix("job/"), "ok" if resolved else None)
        case events.JobCancelled():
            return ("SteeringLogItem", at_us, "cancelled", event.reason)
        case events.JobRevived():
            return ("SteeringLogItem", at_us, "revived", event.reason)
        case events.HarnessReached():
            return ("SteeringLogItem", at_us, "harness", "max_turns: 3 allowed, 3 used")
    return None


def _turn(asked: events.TurnRequested, happened: Sequence[Event]) -> tuple[Any, ...]:
    attempts = sum(isinstance(e, events.TurnRequested) and e.turn == asked.turn for e in happened)
    ended = next((e for e in happened if isinstance(e, TurnAnswered | TurnFailed) and e.turn == asked.turn), None)
    if isinstance(ended, TurnAnswered):
        reply, used = REPLIES[ended.reply], ended.usage
        said = (reply.text, [call.arguments for call in reply.calls], ended.reply)
        count = (used.input_tokens, used.cached_tokens, used.output_tokens, used.cost_micros, used.estimated)
        return (ended.model or asked.model, asked.provider, attempts, ended.outcome, *said, *count, None)
    cancelled = "cancelled" if any(isinstance(e, events.JobCancelled) for e in happened) else None
    error = (ended.cause, ended.detail) if ended is not None else None
    outcome = "failed" if ended is not None else cancelled
    return (asked.model, asked.provider, attempts, outcome, "", [], "", 0, 0, 0, None, False, error)


def _pushed(happened: Sequence[Event]) -> dict[int, list[str]]:
    pushed: dict[int, list[str]] = {}
    for event in happened:
        if isinstance(event, events.MessagePushed):
            pushed.setdefault(event.console_lines, []).append(event.text.decode("utf-8", "surrogatepass"))
    return pushed


def _printed_by(happened: Sequence[Event], batch: int) -> list[str]:
    return (
        b"".join(e.data for e in happened if isinstance(e, ConsolePrinted) and e.batch == batch).decode().splitlines()
    )
