"""What can happen in the conversation of a job with its model and with people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from statek.core.events.base import Event, Text
from statek.core.jobs import Digest
from statek_protocol.messages.base import (
    Count,
    Identifier,
    Sentence,
    Word,
)
from statek_protocol.messages.interpreter import LimitBreach


@dataclass(frozen=True, slots=True)
class MessagePushed(Event):
    """Somebody said something to the job; the model is told in its next prompt."""

    kind: ClassVar[str] = "message_pushed"
    number: Count
    """1 for the first message of the job."""
    text: Text
    """UTF-8 with lone surrogates kept."""
    source: Sentence
    """Who said it: "application", "user", the name of a queue or of another job."""
    console_lines: Count = 0
    """How many lines the job had printed by then (the seeds' key of `push_log`)."""


@dataclass(frozen=True, slots=True)
class TurnRequested(Event):
    """The model is asked for a reply; durable before it is asked. Attempt 0 is the first."""

    kind: ClassVar[str] = "turn_requested"
    turn: Count
    model: Sentence
    provider: Word
    attempt: Count = 0


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """What one reply used, by the provider's count or, where it gave none, by estimate."""

    input_tokens: Count = 0
    cached_tokens: Count = 0
    output_tokens: Count = 0
    cost_micros: Count | None = None
    """Millionths of the price table's currency; None without a price."""
    estimated: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TurnAnswered(Event):
    """The model replied; durable before any code of the reply runs."""

    kind: ClassVar[str] = "turn_answered"
    turn: Count
    reply: Digest
    """The blob of what it said, in the form of `agents.replies`."""
    outcome: Literal["code", "plain", "malformed", "refusal"]
    usage: TurnUsage
    model: Sentence = ""
    """As the provider names it in the reply."""
    remark: Sentence = ""
    """Of a reply that is of no use: what is wrong with it, in a sentence for the model."""


@dataclass(frozen=True, slots=True)
class ReplyLost(Event):
    """An attempt at a turn was partly answered and came to nothing; this is what its provider counted for it."""

    kind: ClassVar[str] = "reply_lost"
    turn: Count
    usage: TurnUsage
    model: Sentence = ""
    """As the provider names it in the reply."""


@dataclass(frozen=True, slots=True)
class SubtaskSpent(Event):
    """A job that works for this one, or for its subtasks, used this of its model; a bound holds for all together."""

    kind: ClassVar[str] = "subtask_spent"
    job: Identifier
    usage: TurnUsage


@dataclass(frozen=True, slots=True)
class TurnFailed(Event):
    """The model could not be asked, after all attempts that were worth making."""

    kind: ClassVar[str] = "turn_failed"
    turn: Count
    cause: Identifier
    detail: Sentence


@dataclass(frozen=True, slots=True)
class HarnessReached(Event):
    """A bound of the agent's harness ends the job."""

    kind: ClassVar[str] = "harness_reached"
    limit: LimitBreach
