"""What the ledger has of a conversation, put in the order of its replies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    BatchSubmitted,
    CallAnswered,
    ConsolePrinted,
    Event,
    JobEnded,
    LeaseEnded,
    MessagePushed,
    TurnAnswered,
    TurnRequested,
)
from statek.core.jobs import Job
from statek.core.turns import WARM_UP
from statek.store.history import History

UNKNOWN = "ToolOutcomeUnknown"
_ALL = 1_000_000


@dataclass
class Batch:
    """A batch, what it printed, and how it ended, each time that it did."""

    submitted: BatchSubmitted
    console: bytearray = field(default_factory=bytearray)
    outcomes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    starts: int = 0
    deaths: int = 0
    unknown: int = 0
    """Calls whose outcome nobody knows."""


@dataclass
class Reply:
    """A reply of the model, how often it was asked for, and its code's batches."""

    answer: TurnAnswered
    requested: int
    batches: list[Batch] = field(default_factory=list)

    @property
    def console(self) -> str:
        return "".join(batch.console.decode() for batch in self.batches)


@dataclass
class Record:
    """All of it."""

    job: Job
    warmup: list[Batch] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    open_requests: int = 0
    """How often a reply was asked for that is not there."""
    messages: list[MessagePushed] = field(default_factory=list)
    ends: list[JobEnded] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Events by kind."""
    _batches: dict[int, Batch] = field(default_factory=dict)

    @classmethod
    def read(cls, history: History, name: str) -> Record:
        """Read all that is on record of a job that there is."""
        job = history.job(name)
        assert job is not None, "it was created"
        record = cls(job)
        for stored in history.events(name, 0, _ALL):
            record.take(stored.event)
        return record

    @property
    def batches(self) -> list[Batch]:
        return [*self.warmup, *(batch for reply in self.replies for batch in reply.batches)]

    @property
    def texts(self) -> list[str]:
        """Return the messages, in order."""
        return [message.text.decode() for message in self.messages]

    def take(self, event: Event) -> None:
        """Add what happened next."""
        self.counts[event.kind] += 1
        match event:
            case TurnRequested():
                self.open_requests += 1
            case TurnAnswered():
                self.replies.append(Reply(event, self.open_requests))
                self.open_requests = 0
            case MessagePushed():
                self.messages.append(event)
            case JobEnded():
                self.ends.append(event)
            case BatchSubmitted():
                batch = self._batches[event.batch] = Batch(event)
                (self.warmup if event.role in WARM_UP else self.replies[-1].batches).append(batch)
            case LeaseEnded(blamed=True):
                for batch in self._batches.values():
                    batch.deaths += bool(batch.starts and not batch.outcomes)
            case _:
                self._of_batch(event)

    def _of_batch(self, event: Event) -> None:
        match event:
            case BatchStarted():
                self._batches[event.batch].starts += 1
            case ConsolePrinted(stream="output"):
                self._batches[event.batch].console += event.data
            case CallAnswered():
                unknown = event.error is not None and event.error.type == UNKNOWN
                self._batches[event.batch].unknown += unknown
            case BatchEnded():
                self._batches[event.batch].outcomes.append(event.outcome)
                self._batches[event.batch].errors += [event.error.type] if event.error is not None else []
            case BatchSkipped():
                self._batches[event.batch].outcomes.append("skipped")
