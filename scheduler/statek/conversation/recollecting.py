"""What was said in a conversation so far, read from the ledger: as much of it as a prompt could show.

The beginning is read from the front, the rest from the back, turn by turn, until it is more than the context can show.
What was read is remembered, and only what is new is read for the next turn. So a turn costs the same however long the
conversation has been; a scheduler that has just started reads that much once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from statek.agents import replies
from statek.agents.observations import describe, observe
from statek.agents.prompts import text_tokens
from statek.agents.transcript import Entry, HarnessNote, ModelTurn, Observation, UserMessage, WarmupShown
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchSubmitted,
    ConsolePrinted,
    JobCreated,
    JobRevived,
    MessagePushed,
    PolicyViolated,
    TurnAnswered,
    TurnRequested,
)
from statek.core.turns import WARM_UP
from statek.store.history import History
from statek.store.ledger import Stored

TOKENS_REMEMBERED: Final = 8_000_000
"""Of all conversations together, by estimate: some 25 MB of text."""
OPENING_EVENTS: Final = 300
"""Of what comes before the first turn; messages beyond it are read from the back."""
PAGE: Final = 64
LEAST_TOKENS: Final = 64
"""An exchange counts for as much at least, so that many tiny ones are not all read."""
TURNS_TOGETHER: Final = 8
"""What is read begins at a turn after a multiple of this, so that the prompt's beginning stays the same for a while."""

WRITE_CODE: Final = "Your reply had no code in it. Write code to go on, or call exit(...) with the result to end."
DECLINED: Final = "You declined. Go on in another way, or say why the task cannot be done with exit(...)."
TRY_AGAIN: Final = "The work had ended here. It is to be tried again."

_OPENING: Final = tuple(event.kind for event in (JobCreated, BatchSubmitted, MessagePushed, TurnRequested))
_LATER: Final = tuple(event.kind for event in (TurnRequested, TurnAnswered, BatchSubmitted, MessagePushed, JobRevived))
_OF_BATCH: Final = tuple(event.kind for event in (ConsolePrinted, PolicyViolated, BatchEnded, BatchSkipped))


@dataclass(frozen=True, slots=True)
class Part:
    """Something that was said: a reply with all that came of it, or a message."""

    entries: tuple[Entry, ...]
    tokens: int
    turn: int = 0
    """Of a reply."""


@dataclass(slots=True)
class Known:
    """What is known of one conversation."""

    given: str = ""
    """The blob of the variables that its job started with."""
    opening: list[Entry] = field(default_factory=list)
    """What came before the first turn."""
    later: list[Part] = field(default_factory=list)
    is_whole: bool = True
    """Whether nothing that was said is left out of it. A turn that failed has no reply, and is not left out."""
    cursor: int = 0
    """Up to which event it is known."""

    @property
    def tokens(self) -> int:
        """Return what remembering it takes."""
        return LEAST_TOKENS * (1 + len(self.opening)) + sum(part.tokens for part in self.later)

    @property
    def entries(self) -> list[Entry]:
        """Return all of it, in order, with a remark in the place of turns that are not there."""
        first = next((part.turn for part in self.later if part.turn), 1)
        missing = [] if self.is_whole or first == 1 else [_unread(first - 1)]
        return [*self.opening, *missing, *(entry for part in self.later for entry in part.entries)]


class Memory:
    """What is known of the conversations that went on last."""

    def __init__(self, ledger: History) -> None:
        self._ledger = ledger
        self._known: OrderedDict[str, Known] = OrderedDict()
        """The one that was asked for last comes last."""
        self._tokens = 0

    def recall(self, job: str, tokens: int, *, asks: bool) -> Known:
        """Return what was said up to the turn that was requested last, as far back as so many tokens reach.

        `asks`: the model is asked for code where it replied without.
        """
        known = self._taken_out(job) or _opening(self._ledger, job)
        reader = _Backwards(self._ledger, job, asks)
        found = reader.read(known.cursor, tokens)
        if found:
            parts = [*known.later, *found]
            begin = _beginning(parts, tokens)
            known.later = parts[begin:]
            known.is_whole = known.is_whole and reader.is_whole and begin == 0
            known.cursor = reader.upto
        self._put_back(job, known)
        return known

    def _taken_out(self, job: str) -> Known | None:
        known = self._known.pop(job, None)
        if known is not None:
            self._tokens -= known.tokens
        return known

    def _put_back(self, job: str, known: Known) -> None:
        self._known[job] = known
        self._tokens += known.tokens
        while self._tokens > TOKENS_REMEMBERED and len(self._known) > 1:
            self._taken_out(next(iter(self._known)))


def _beginning(parts: Sequence[Part], tokens: int) -> int:
    """Return where to begin: at a reply after a multiple of turns, as late as so many tokens allow."""
    for index in range(len(parts) - 1, 0, -1):
        tokens -= parts[index].tokens
        if tokens <= 0 and _may_begin(parts[index]):
            return index
    return 0


def _may_begin(part: Part) -> bool:
    return part.turn % TURNS_TOGETHER == 1


def _opening(ledger: History, job: str) -> Known:
    """Read what comes before the first turn: variables that were given, the warm-up, the first messages."""
    known = Known()
    blocks: dict[str, int] = {}
    """Where each block of the warm-up stands in the opening, by its name: submitted again, it is shown as it ran."""
    for stored in ledger.events(job, limit=OPENING_EVENTS, kinds=_OPENING):
        known.cursor = stored.cursor
        match stored.event:
            case JobCreated():
                known.given = stored.event.given
            case MessagePushed():
                known.opening.append(_message(stored, stored.event))
            case BatchSubmitted() if stored.event.role == "warmup":
                shown = _warm_up(ledger, job, stored.event)
                place = blocks.setdefault(stored.event.name, len(known.opening))
                known.opening[place : place + 1] = [shown]
            case TurnRequested():
                break
    return known


class _Backwards:
    """Puts parts together from events that come newest first."""

    def __init__(self, ledger: History, job: str, asks: bool) -> None:
        self._ledger = ledger
        self._job = job
        self._asks = asks
        self._read: list[Part] = []
        """The newest first."""
        self._batches: list[BatchSubmitted] = []
        """Of the reply that comes next."""
        self._reply: Part | None = None
        """With what came of it. What was said before it, and after it was asked for, is news to the model only then."""
        self.is_whole = True
        """Whether all was read that came after that event."""
        self.upto = 0
        """The cursor of the request of the turn that is due."""

    def read(self, after: int, tokens: int) -> list[Part]:
        """Return what came after an event and up to the last request of a turn, as far back as so many tokens reach."""
        for stored in self._events(after):
            part = self._take(stored)
            if part is None:
                continue
            self._read.append(part)
            tokens -= part.tokens
            if tokens <= 0 and _may_begin(part):
                self.is_whole = False
                return self._read[::-1]
        if self._reply is not None:
            self._read.append(self._reply)
        return self._read[::-1]

    def _events(self, after: int) -> Iterator[Stored]:
        before = self._ledger.last_cursor + 1
        while page := self._ledger.events_before(self._job, before, _LATER, PAGE):
            for stored in page:
                if stored.cursor <= after:
                    return
                if not self.upto and isinstance(stored.event, TurnRequested):
                    self.upto = stored.cursor
                if self.upto:
                    yield stored
            before = page[-1].cursor

    def _take(self, stored: Stored) -> Part | None:
        """Take the event before the last one, and return the part that is whole with it."""
        event = stored.event
        match event:
            case BatchSubmitted() if event.role not in WARM_UP:
                self._batches.insert(0, event)
            case TurnAnswered():
                self._reply = _part(_exchange(self._ledger, self._job, event, self._batches, self._asks), event.turn)
                self._batches = []
            case MessagePushed():
                return _part((_message(stored, event),))
            case JobRevived(reason="retry"):
                return _part((HarnessNote(TRY_AGAIN),))
            case TurnRequested():
                whole, self._reply = self._reply, None
                return whole
        return None


def _part(entries: Iterable[Entry], turn: int = 0) -> Part:
    said = tuple(entries)
    return Part(said, max(LEAST_TOKENS, sum(map(_tokens, said))), turn)


def _exchange(
    ledger: History, job: str, answer: TurnAnswered, batches: Iterable[BatchSubmitted], asks: bool
) -> Iterator[Entry]:
    """Yield a reply with what came of it."""
    turn = replies.unpack(ledger.blob(answer.reply))
    if answer.outcome == "refusal":
        yield ModelTurn(turn.text or answer.remark, turn.calls)
        yield HarnessNote(DECLINED)
        return
    yield turn
    if answer.outcome == "malformed":
        yield HarnessNote(answer.remark)
    elif answer.outcome == "plain" and asks:
        yield HarnessNote(WRITE_CODE)
    elif answer.outcome == "code":
        yield from _observations(ledger, job, turn, batches)


def _observations(
    ledger: History, job: str, turn: ModelTurn, batches: Iterable[BatchSubmitted]
) -> Iterator[Observation]:
    meaning = replies.read_reply(turn)
    blocks = meaning.blocks if isinstance(meaning, replies.Code) else ()
    for block, batch in zip(blocks, batches, strict=False):
        yield _observation(ledger, job, batch.batch, block.source, block.call)


def _observation(ledger: History, job: str, batch: int, source: str, call: str = "") -> Observation:
    events = (stored.event for stored in ledger.batch_events(job, batch, _OF_BATCH))
    return observe(events, batch, source, call=call)


def _warm_up(ledger: History, job: str, batch: BatchSubmitted) -> WarmupShown:
    source = ledger.blob(batch.source).decode("utf-8", "surrogatepass")
    return WarmupShown(source, _observation(ledger, job, batch.batch, source).console)


def _message(stored: Stored, event: MessagePushed) -> UserMessage:
    return UserMessage(event.text.decode("utf-8", "surrogatepass"), event.source, stored.at_us)


def _unread(turns: int) -> Entry:
    return HarnessNote(f"{turns} earlier turns of this conversation are not shown; your variables are all there.")


def _tokens(entry: Entry) -> int:
    """Estimate roughly what an entry takes in a prompt."""
    match entry:
        case ModelTurn():
            return text_tokens(entry.text) + sum(text_tokens(call.arguments) for call in entry.calls)
        case Observation():
            return text_tokens(describe(entry))
        case UserMessage() | HarnessNote():
            return text_tokens(entry.text)
    return 0
