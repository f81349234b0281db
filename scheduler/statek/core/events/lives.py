"""What can happen to a job as a whole, from its making to its being forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from statek.core.agents import Harness, Prose
from statek.core.events.base import Event
from statek.core.jobs import Digest, Outcome
from statek_protocol.messages.base import (
    BatchNumber,
    Count,
    Identifier,
    Sentence,
    Word,
)
from statek_protocol.messages.interpreter import GuestError, LimitBreach


@dataclass(frozen=True, slots=True)
class JobCreated(Event):
    """A client's first batches made the job."""

    kind: ClassVar[str] = "job_created"
    job: Identifier
    policy_name: Identifier
    policy: Digest
    agent: Word = ""
    """The agent whose job it is; empty for a job of a client's own batches."""
    definition: Digest = ""
    """The blob of that agent's definition."""
    parent: Word = ""
    """The job whose subtask it is."""
    given: Digest = ""
    """The blob of the variables that it starts with, with references to objects as `store.given` writes them."""
    harness: Harness | None = None
    """What bounds its conversation; None for a job without an agent."""
    model: Sentence = ""
    """Of the agent's definition, so that no decision has to find that."""
    provider: Word = ""


@dataclass(frozen=True, slots=True)
class PolicyChanged(Event):
    """A client gave the job another policy for its further batches."""

    kind: ClassVar[str] = "policy_changed"
    policy_name: Identifier
    policy: Digest


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """No batch is left; a later one revives the job."""

    kind: ClassVar[str] = "job_ended"
    outcome: Outcome
    final: bool = False
    """It was ended for a violation of its policy: no later batch is taken."""
    exit_status: Prose | None = None
    """What the guest's `exit()`, or the model's last words, ended it with."""
    error: GuestError | None = None
    """Why, where no batch has said it: the model could not be asked, or a bound of the harness was reached."""
    limit: LimitBreach | None = None


@dataclass(frozen=True, slots=True)
class JobHeld(Event):
    """A batch violated its policy, and the job stands still until a person decides."""

    kind: ClassVar[str] = "job_held"
    batch: BatchNumber


@dataclass(frozen=True, slots=True)
class HoldDecided(Event):
    """A person decided about a held job."""

    kind: ClassVar[str] = "hold_decided"
    choice: Literal["release", "end"]
    request: Identifier


@dataclass(frozen=True, slots=True)
class JobCancelled(Event):
    """Somebody wants the job to end; what is under way in it is ended."""

    kind: ClassVar[str] = "job_cancelled"
    reason: Sentence
    request: Word = ""
    """The idempotency key of whoever asked."""


@dataclass(frozen=True, slots=True)
class JobRevived(Event):
    """A job that had ended goes on: because of a message, or because somebody wants it tried again."""

    kind: ClassVar[str] = "job_revived"
    reason: Literal["message", "retry"]
    request: Word = ""
    granted: Count = 0
    """How often its bounds are granted once more: it ended at one of them."""


@dataclass(frozen=True, slots=True)
class JobForgotten(Event):
    """The job ended long ago, and what was on record of it is deleted. Of its events only this one stays."""

    kind: ClassVar[str] = "job_forgotten"
    job: Identifier
    outcome: Outcome | None
    events: Count
    """How many events it had."""
    first: Count
    """The cursor of the first of them."""
    last: Count
    """The cursor of the last of them."""
    last_checksum: Count
    """The checksum of its row in the ledger."""
    history: Digest
    """What chains the digests of all of them (`store.forgetting`)."""
    ended_us: Count
    created_us: Count = 0
    """0 where an earlier release has forgotten it."""
