"""What a conversation between a job and its model consists of, in the order in which it happened. Pure values.

A prompt is made of these entries and of nothing else; they are put together from the ledger whenever one is due.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, TypeAlias

from statek.agents.excerpts import Excerpt
from statek.core.agents import Prose
from statek.core.events import Progress
from statek.core.jobs import Outcome
from statek_protocol.messages.base import Word
from statek_protocol.messages.interpreter import GuestError, Layer, LimitBreach, TransientValue
from statek_protocol.schema import Bounds

Style: TypeAlias = Literal["fenced", "tool"]
"""Where a model writes its code: in fenced blocks of its text, or in calls of a tool `python`."""

CALLS_LIMIT: Final = 32
"""Tool calls of one reply."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the agent is for, in its author's words."""

    text: str


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What somebody said to the job."""

    text: str
    source: str = ""
    """Who said it; empty where it goes without saying."""
    at_us: int = 0
    """When, in microseconds since 1970 UTC; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class WarmupShown:
    """A block of the warm-up, and what it printed. Hidden blocks are no entries."""

    source: str
    console: Excerpt


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made in its reply, unread: what it says may be anything."""

    id: Word
    name: Word
    arguments: Prose
    """JSON, if the model did as it was told."""


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """One reply of the model, as it came."""

    text: Prose
    calls: Annotated[tuple[ToolCall, ...], Bounds(0, CALLS_LIMIT)] = ()

    def __post_init__(self) -> None:
        """Give each call an id of its own, where the endpoint gave none, or the same to two."""
        ids = [call.id for call in self.calls]
        if not all(ids) or len(set(ids)) < len(ids):
            own = tuple(replace(call, id=f"call_{number}") for number, call in enumerate(self.calls, 1))
            object.__setattr__(self, "calls", own)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that a layer refused."""

    rule: str
    detail: str
    line: int | None
    layer: Layer


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of one batch."""

    console: Excerpt
    outcome: Outcome
    source: str = ""
    """The batch's code, of which single lines are quoted."""
    call: str = ""
    """The id of the tool call that the batch came from; empty for code in a fenced block."""
    error: GuestError | None = None
    limit: LimitBreach | None = None
    progress: Progress | None = None
    violations: tuple[Violation, ...] = ()
    transient: tuple[TransientValue, ...] = ()
    """What it left behind and is not kept."""
    skipped: bool = False
    """It did not run, because one before it in the same reply was not ok."""


@dataclass(frozen=True, slots=True)
class HarnessNote:
    """What the runtime itself says to the model: of a reply that could not be used, of a bound that comes near."""

    text: str


Entry: TypeAlias = Instructions | UserMessage | WarmupShown | ModelTurn | Observation | HarnessNote
