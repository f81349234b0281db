"""What happened to a job, in order: what was said to it, its turns, batches, calls and waits, and how it ended.

One read gives what the job's logs give one by one. An entry that is still under way tells more when it is read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from statek.core.events import (
    BatchEnded,
    CallRequested,
    Event,
    HoldDecided,
    JobEnded,
    JobHeld,
    JobResumed,
    JobSuspended,
    PolicyViolated,
)
from statek.core.jobs import Outcome
from statek.inspection.chat_log import MAKERS, ChatItem, SteeringLogItem
from statek.inspection.plain import plain
from statek.inspection.tool_log import ToolLogItem, call_item
from statek.store.job_search import JobSearch
from statek.store.records import Stored
from statek_protocol.messages.interpreter import GuestError, LimitBreach


@dataclass(frozen=True, slots=True)
class WaitItem:
    """The job stood still until a future had its value."""

    cursor: int
    at_us: int
    """When that was on record; a wait that keeps its interpreter for its first seconds began before."""
    batch: int
    since_us: int
    awaits: str
    """What it is, for people."""
    outcome: str | None = None
    """None while it stands still, then "resumed", or "ended" where it did not come to that."""
    resumed_us: int | None = None


@dataclass(frozen=True, slots=True)
class ViolationItem:
    """The policy refused something."""

    cursor: int
    at_us: int
    batch: int
    rule: str
    detail: str
    line: int | None
    layer: str
    outcome: str = "refused"


@dataclass(frozen=True, slots=True)
class EndItem:
    """The job ended; a message or a later batch can let it go on."""

    cursor: int
    at_us: int
    outcome: Outcome
    exit_status: str | None
    error: GuestError | None
    """Why, where no batch says it."""
    limit: LimitBreach | None
    closed: bool
    """It was ended for a violation: no further batch is taken."""


StoryItem: TypeAlias = ChatItem | ToolLogItem | WaitItem | ViolationItem | EndItem


def story_page(history: JobSearch, job: str, after: int, limit: int) -> tuple[list[StoryItem], int | None]:
    """Return the entries after a cursor, in order, and the cursor to go on from; None where there was no more."""
    found = history.events(job, after, limit, _KINDS)
    made = (_MAKERS[type(stored.event)](history, stored) for stored in found)
    return [item for item in made if item is not None], found[-1].cursor if len(found) == limit else None


def is_under_way(item: StoryItem) -> bool:
    """Tell whether an entry will tell more when it is read again, as it has not ended."""
    return getattr(item, "outcome", "none") in (None, "pending")


def plain_entry(item: StoryItem) -> dict[str, Any]:
    """Write an entry in a form that JSON has: each with its `kind`, its `cursor`, and when it was, `at`."""
    told: dict[str, Any] = plain(item)
    if isinstance(item, ToolLogItem):
        return {"kind": "call", "at": told["requested"], **told}
    return {"kind": _NAMES[type(item)], **told} if type(item) in _NAMES else told


def _wait(history: JobSearch, stored: Stored) -> WaitItem:
    event = stored.event
    assert isinstance(event, JobSuspended)
    outcome, resumed_us = None, None
    for later in history.events(stored.job, stored.cursor, 1, _ENDS_OF_WAITS):
        resumed = isinstance(later.event, JobResumed)
        outcome, resumed_us = "resumed" if resumed else "ended", later.at_us if resumed else None
    return WaitItem(stored.cursor, stored.at_us, event.batch, event.since_us, event.awaits, outcome, resumed_us)


def _violation(_: JobSearch, stored: Stored) -> ViolationItem:
    event = stored.event
    assert isinstance(event, PolicyViolated)
    return ViolationItem(
        stored.cursor, stored.at_us, event.batch, event.rule, event.detail, event.line, str(event.layer)
    )


def _end(_: JobSearch, stored: Stored) -> EndItem:
    event = stored.event
    assert isinstance(event, JobEnded)
    return EndItem(stored.cursor, stored.at_us, event.outcome, event.exit_status, event.error, event.limit, event.final)


def _hold(_: JobSearch, stored: Stored) -> SteeringLogItem:
    match stored.event:
        case HoldDecided(choice=choice):
            return SteeringLogItem(stored.cursor, stored.at_us, f"hold: {choice}", "")
        case JobHeld(batch=batch):
            return SteeringLogItem(stored.cursor, stored.at_us, "held", f"batch {batch} violated its policy")
    raise AssertionError(stored.event)


_ENDS_OF_WAITS: Final = (JobResumed.kind, JobSuspended.kind, BatchEnded.kind, JobEnded.kind)
_NAMES: Final[dict[type, str]] = {WaitItem: "wait", ViolationItem: "violation", EndItem: "end"}
_MAKERS: Final[dict[type[Event], Callable[[JobSearch, Stored], StoryItem | None]]] = {
    **MAKERS,
    CallRequested: call_item,
    JobSuspended: _wait,
    PolicyViolated: _violation,
    JobHeld: _hold,
    HoldDecided: _hold,
    JobEnded: _end,
}
_KINDS: Final = tuple(cls.kind for cls in _MAKERS)
