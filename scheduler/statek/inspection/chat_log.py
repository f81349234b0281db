"""What was said to a job, by its model and by its batches: the entries of `chat_log`, made from the ledger's events.

The names are those of dbzero's objects (`store.chat_items`); here every entry also knows its cursor, by which one goes
on reading, and a batch its code and the beginning and end of what it printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from statek.agents.excerpts import excerpt
from statek.agents.replies import unpack
from statek.core.agents import BatchRole
from statek.core.awaiting import OF_SUBTASK as SUBTASK_KEY
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    BatchSubmitted,
    ConsolePrinted,
    Event,
    FutureCreated,
    HarnessReached,
    JobCancelled,
    JobRevived,
    MessagePushed,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
)
from statek.store.history import History
from statek.store.records import Stored
from statek.store.texts import to_text
from statek_protocol.messages.interpreter import GuestError, LimitBreach

CONSOLE_BYTES: Final = 16 * 1024
"""Of what a batch printed that its entry shows; `PyEnvView.console_of` has all of it."""
_WARMUP: Final = ("warmup", "hidden")


@dataclass(frozen=True, slots=True)
class UserLogItem:
    """A message that was pushed to the job."""

    cursor: int
    at_us: int
    number: int
    """1 for the first."""
    text: str
    source: str
    """Who said it."""


@dataclass(frozen=True, slots=True)
class BatchLogItem:
    """An instruction batch and how it ended: what the model observes, where it is the model's."""

    cursor: int
    at_us: int
    """When it was submitted."""
    batch: int
    name: str
    role: BatchRole
    source: str
    """The digest of its code."""
    code: str = ""
    attempts: int = 0
    outcome: str | None = None
    """An `Outcome`, or "skipped"; None while it waits or runs."""
    error: GuestError | None = None
    limit: LimitBreach | None = None
    ended_us: int | None = None
    console: str = ""
    """What it printed, with a mark where the middle is left out."""


@dataclass(frozen=True, slots=True)
class WarmupLogItem(BatchLogItem):
    """A block of the agent's warm-up."""

    @property
    def hidden(self) -> bool:
        """Tell whether the model is not shown it."""
        return self.role == "hidden"


@dataclass(frozen=True, slots=True)
class LLM_LogItem:
    """A turn of the model: what it was asked for, what it replied, and what that used."""

    cursor: int
    at_us: int
    """When it was asked for."""
    turn: int
    model: str
    provider: str
    attempts: int = 1
    outcome: str | None = None
    """None while it is awaited; "code", "plain", "malformed", "refusal"; "failed", "cancelled" without a reply."""
    text: str = ""
    calls: tuple[str, ...] = ()
    """The arguments of its tool calls, as the model wrote them."""
    reply: str = ""
    """The digest of the whole reply."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = None
    """Millionths of the price table's currency; None without a price."""
    estimated: bool = False
    """The provider gave no count of tokens."""
    seconds: float = 0.0
    error: GuestError | None = None
    """Why there is no reply."""
    answered_us: int | None = None
    remark: str = ""
    """What is wrong with a reply that could not be used."""


@dataclass(frozen=True, slots=True)
class SubTaskLogItem:
    """Another job that works for this one; its end resolves a future of this one."""

    cursor: int
    at_us: int
    job: str
    future: int
    outcome: str | None = None
    """None while it is under way, then "ok" or "error"."""
    error: GuestError | None = None


@dataclass(frozen=True, slots=True)
class SteeringLogItem:
    """Something that was decided about the job from outside of its code."""

    cursor: int
    at_us: int
    act: str
    """"cancelled", "revived", or "harness" where a bound of the agent's harness ended it."""
    text: str


ChatItem: TypeAlias = UserLogItem | BatchLogItem | LLM_LogItem | SubTaskLogItem | SteeringLogItem

_TURNS: Final = (TurnRequested.kind, TurnAnswered.kind, TurnFailed.kind, JobCancelled.kind)
_OF_BATCH: Final = (BatchStarted.kind, ConsolePrinted.kind, BatchEnded.kind, BatchSkipped.kind)


def chat_page(history: History, job: str, after: int, limit: int) -> tuple[list[ChatItem], int | None]:
    """Return the entries after a cursor, in order, and the cursor to go on from; None where there was no more."""
    found = history.events(job, after, limit, tuple(cls.kind for cls in MAKERS))
    made = (MAKERS[type(stored.event)](history, stored) for stored in found)
    return [item for item in made if item is not None], found[-1].cursor if len(found) == limit else None


def _message(_: History, stored: Stored) -> ChatItem:
    event = stored.event
    assert isinstance(event, MessagePushed)
    return UserLogItem(stored.cursor, stored.at_us, event.number, to_text(event.text), event.source)


def _batch(history: History, stored: Stored) -> ChatItem:
    event = stored.event
    assert isinstance(event, BatchSubmitted)
    cls = WarmupLogItem if event.role in _WARMUP else BatchLogItem
    item = cls(stored.cursor, stored.at_us, event.batch, event.name, event.role, event.source)
    item = replace(item, code=to_text(history.blob(event.source)))
    printed = bytearray()
    for later in history.batch_events(stored.job, event.batch, _OF_BATCH):
        match later.event:
            case BatchStarted(attempt=attempt):
                item = replace(item, attempts=attempt + 1)
            case ConsolePrinted(data=data):
                printed += data
            case BatchEnded(outcome=outcome, error=error, limit=limit):
                item = replace(item, outcome=outcome, error=error, limit=limit, ended_us=later.at_us)
            case BatchSkipped():
                item = replace(item, outcome="skipped", ended_us=later.at_us)
    return replace(item, console=str(excerpt(bytes(printed), CONSOLE_BYTES)))


def _turn(history: History, stored: Stored) -> ChatItem | None:
    asked = stored.event
    assert isinstance(asked, TurnRequested)
    if asked.attempt:
        return None  # the same turn again, which its first request tells of
    item = LLM_LogItem(stored.cursor, stored.at_us, asked.turn, asked.model, asked.provider)
    for later in _later(history, stored):
        event = later.event
        if isinstance(event, TurnRequested) and event.turn == asked.turn:
            item = replace(item, attempts=event.attempt + 1)
        elif isinstance(event, TurnAnswered):
            return _answered(history, replace(item, answered_us=later.at_us), event)
        elif isinstance(event, TurnFailed):
            error = GuestError(event.cause, event.detail, None)
            return replace(item, outcome="failed", error=error, answered_us=later.at_us)
        elif isinstance(event, JobCancelled):
            return replace(item, outcome="cancelled")
        else:
            return item
    return item


def _later(history: History, stored: Stored) -> Iterator[Stored]:
    """Give the events of turns after this one, which are few until the turn is over."""
    after = stored.cursor
    while page := history.events(stored.job, after, 4, _TURNS):
        yield from page
        after = page[-1].cursor


def _answered(history: History, item: LLM_LogItem, event: TurnAnswered) -> LLM_LogItem:
    reply, used = unpack(history.blob(event.reply)), event.usage
    return replace(
        item,
        outcome=event.outcome,
        model=event.model or item.model,
        text=reply.text,
        calls=tuple(call.arguments for call in reply.calls),
        reply=event.reply,
        input_tokens=used.input_tokens,
        cached_tokens=used.cached_tokens,
        output_tokens=used.output_tokens,
        cost_micros=used.cost_micros,
        estimated=used.estimated,
        seconds=used.seconds,
        remark=event.remark,
    )


def _subtask(history: History, stored: Stored) -> ChatItem | None:
    event = stored.event
    assert isinstance(event, FutureCreated)
    if not event.key.startswith(SUBTASK_KEY):
        return None
    item = SubTaskLogItem(stored.cursor, stored.at_us, event.key.removeprefix(SUBTASK_KEY), event.number)
    resolved = history.future_resolved(stored.job, event.number)
    if resolved is None:
        return item
    return replace(item, outcome="ok" if resolved.error is None else "error", error=resolved.error)


def _steering(_: History, stored: Stored) -> ChatItem | None:
    match stored.event:
        case HarnessReached(limit=limit):
            return SteeringLogItem(stored.cursor, stored.at_us, "harness", str(limit))
        case JobCancelled(reason=reason):
            return SteeringLogItem(stored.cursor, stored.at_us, "cancelled", reason)
        case JobRevived(reason=revived):
            return SteeringLogItem(stored.cursor, stored.at_us, "revived", revived)
    return None


MAKERS: Final[dict[type[Event], Callable[[History, Stored], ChatItem | None]]] = {
    MessagePushed: _message,
    BatchSubmitted: _batch,
    TurnRequested: _turn,
    FutureCreated: _subtask,
    HarnessReached: _steering,
    JobCancelled: _steering,
    JobRevived: _steering,
}
"""What makes an entry of the events that begin one."""
