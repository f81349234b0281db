"""What the log says about jobs: one line for each committed event that people follow jobs by.

To have another kind of event told, add a row to `_ROWS`; one that has none is told by its name at DEBUG. Nothing that a
guest printed or passed, or a model said, stands in a line, but for the text of an error and the name of a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from statek.core import events
from statek.core.events import Event
from statek.core.jobs import Job, Outcome
from statek.logs.agents import agent_of, remember_agent
from statek.logs.configuring import JOBS
from statek.store.records import Record
from statek_protocol.messages.interpreter import GuestError, LimitBreach

log = logging.getLogger(JOBS)

Line = tuple[int, str, Mapping[str, Any]]
"""Level, text, and fields beside those of the job."""

_LEVELS: Final[Mapping[Outcome, int]] = {
    "ok": logging.INFO,
    "cancelled": logging.INFO,
    "error": logging.WARNING,
    "blocked": logging.WARNING,
    "limit": logging.WARNING,
    "failed": logging.ERROR,
}
"""A guest's mistake is worth a warning; what is our side's doing, an error."""


def tell_of(records: Iterable[Record], jobs: Mapping[str, Job]) -> None:
    """Write the lines about events that are durable; `jobs` are those that they changed, as they stand now."""
    for name, job in jobs.items():
        remember_agent(name, job.agent)
    for record in records:
        level, text, fields = line(record.event)
        if log.isEnabledFor(level):
            agent = jobs[record.job].agent if record.job in jobs else agent_of(record.job)
            beside = {"job": record.job, "agent": agent, **_numbers(record.event), **fields}
            log.log(level, "%s", text, extra=beside)


def line(event: Event) -> Line:
    """Return what is said of an event."""
    row = _ROWS.get(type(event))
    return (logging.DEBUG, event.kind.replace("_", " "), {}) if row is None else row(event)


def _numbers(event: Event) -> dict[str, Any]:
    """Return what an event is about, by the names that events have for it."""
    return {name: getattr(event, name) for name in ("batch", "turn") if hasattr(event, name)}


def _at(level: int, text: str, *names: str) -> Callable[[Any], Line]:
    """Say a fixed text, with these attributes of the event beside it."""
    return lambda event: (level, text, {name: getattr(event, name) for name in names})


def _ended(what: str) -> Callable[[Any], Line]:
    def row(event: events.BatchEnded | events.JobEnded) -> Line:
        text = f"{what} ended: {event.outcome}{_because(event.error, event.limit)}"
        return _LEVELS[event.outcome], text, {"outcome": event.outcome}

    return row


def _because(error: GuestError | None, limit: LimitBreach | None) -> str:
    if error is not None:
        where = "" if error.line is None else f" (line {error.line})"
        return f": {error.type}: {error.message}{where}"
    return "" if limit is None else f": {limit}"


def _lease_ended(event: events.LeaseEnded) -> Line:
    level = logging.WARNING if event.blamed else logging.INFO
    return level, f"lease ended: {event.reason}", {"lease": event.lease}


def _batch_started(event: events.BatchStarted) -> Line:
    again = f" again, attempt {event.attempt + 1}" if event.attempt else ""
    return logging.INFO, f"batch started{again}", {"instruction": event.instruction}


def _violated(event: events.PolicyViolated) -> Line:
    where = "" if event.line is None else f" (line {event.line})"
    return logging.WARNING, f"refused: {event.rule}: {event.detail}{where}", {"layer": event.layer}


def _suspended(event: events.JobSuspended) -> Line:
    awaited = event.awaits or f"future {event.future}"
    return logging.INFO, f"suspended: waits for {awaited}", {"instruction": event.instruction}


def _resolved(event: events.FutureResolved) -> Line:
    how = "has its value" if event.error is None else f"failed{_because(event.error, None)}"
    return logging.INFO, f"future {event.number} {how}", {}


def _answered(event: events.TurnAnswered) -> Line:
    level = logging.INFO if event.outcome in ("code", "plain") else logging.WARNING
    return level, f"model answered: {event.outcome}", {**_spent(event), "seconds": round(event.usage.seconds, 3)}


def _spent(event: events.TurnAnswered | events.ReplyLost) -> dict[str, Any]:
    used = event.usage
    tokens = {"input_tokens": used.input_tokens, "cached_tokens": used.cached_tokens}
    return {"model": event.model, **tokens, "output_tokens": used.output_tokens, "cost_micros": used.cost_micros}


_ROWS: Final[Mapping[type[Event], Callable[[Any], Line]]] = {
    events.JobCreated: _at(logging.INFO, "job created", "policy_name", "parent"),
    events.BatchSubmitted: lambda event: (logging.INFO, f"batch submitted: {event.name}", {"role": event.role}),
    events.LeaseGranted: _at(logging.INFO, "given to an executor", "executor", "host", "lease"),
    events.LeaseEnded: _lease_ended,
    events.BatchStarted: _batch_started,
    events.BatchEnded: _ended("batch"),
    events.BatchSkipped: _at(logging.INFO, "batch skipped: one before it was not ok"),
    events.PolicyViolated: _violated,
    events.LimitReached: lambda event: (logging.WARNING, f"limit reached: {event.limit}", {}),
    events.JobSuspended: _suspended,
    events.JobResumed: _at(logging.INFO, "goes on"),
    events.FutureResolved: _resolved,
    events.FutureTroubled: lambda event: (logging.WARNING, f"future {event.number}: {event.error}", {}),
    events.JobHeld: _at(logging.WARNING, "held for a violation, until a person decides"),
    events.HoldDecided: lambda event: (logging.INFO, f"hold decided: {event.choice}", {}),
    events.JobEnded: _ended("job"),
    events.MessagePushed: lambda event: (logging.INFO, f"message {event.number} pushed", {"source": event.source}),
    events.TurnRequested: _at(logging.INFO, "model asked", "model", "provider", "attempt"),
    events.TurnAnswered: _answered,
    events.ReplyLost: lambda event: (logging.WARNING, "an answer of the model came to nothing", _spent(event)),
    events.TurnFailed: lambda event: (logging.ERROR, f"model could not be asked: {event.cause}: {event.detail}", {}),
    events.HarnessReached: lambda event: (logging.WARNING, f"harness: {event.limit}", {}),
    events.JobCancelled: lambda event: (logging.INFO, f"cancelled: {event.reason}", {}),
    events.JobRevived: lambda event: (logging.INFO, f"revived: {event.reason}", {}),
}
