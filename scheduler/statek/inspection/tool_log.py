"""Which calls a job's code made and what came of them: the entries of `tool_log`, made from the ledger's events."""

from __future__ import annotations

from dataclasses import dataclass, replace

from statek.core.events import CallAnswered, CallRequested
from statek.inspection.values import shown_arguments, shown_value
from statek.store.job_search import JobSearch
from statek.store.records import Stored
from statek_protocol.messages.interpreter import GuestError


@dataclass(frozen=True, slots=True)
class ToolLogItem:
    """A call and its outcome; arguments and value as short text."""

    cursor: int
    batch: int
    number: int
    tool: str
    arguments: str
    requested_us: int
    outcome: str = "pending"
    """"pending", then "ok" or "error"."""
    value: str | None = None
    error: GuestError | None = None
    refused: str = ""
    """The rule or limit for which no tool was run."""
    answered_us: int | None = None


def tool_page(history: JobSearch, job: str, after: int, limit: int) -> tuple[list[ToolLogItem], int | None]:
    """Return the calls after a cursor, in order, and the cursor to go on from; None where there was no more."""
    found = history.events(job, after, limit, (CallRequested.kind,))
    return [call_item(history, stored) for stored in found], found[-1].cursor if len(found) == limit else None


def call_item(history: JobSearch, stored: Stored) -> ToolLogItem:
    """Return the call that an event began, with what came of it."""
    event = stored.event
    assert isinstance(event, CallRequested)
    arguments = shown_arguments(event.arguments)
    item = ToolLogItem(stored.cursor, event.batch, event.number, event.tool, arguments, stored.at_us)
    item = replace(item, refused=event.refused)
    found = history.call_answered(stored.job, event.batch, event.number)
    return item if found is None else _answered(item, found)


def _answered(item: ToolLogItem, stored: Stored) -> ToolLogItem:
    answer = stored.event
    assert isinstance(answer, CallAnswered)
    value = None if answer.value is None else shown_value(answer.value)
    outcome = "ok" if answer.error is None else "error"
    return replace(item, outcome=outcome, value=value, error=answer.error, answered_us=stored.at_us)
