"""What can happen to a job: the durable facts of which its whole history consists, in the past tense.

The ledger keeps them in order; `machine.evolve` folds them into a `Job`; dbzero's objects and clients are told the same
ones. An event is written once and read for years, so a field may be added with a default but never change its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek.core.jobs import Digest, Outcome, Usage
from statek_protocol.messages.base import ARGUMENTS_LIMIT, SOURCE_LIMIT, BatchNumber, Count, Identifier, Sentence
from statek_protocol.messages.interpreter import GuestError, Layer, LimitBreach, TransientValue
from statek_protocol.schema import Bounds

Text = Annotated[bytes, Bounds(0, SOURCE_LIMIT)]


class Event:
    """One fact about one job; its class attribute `kind` is its name in the ledger."""

    __slots__ = ()
    kind: ClassVar[str]


@dataclass(frozen=True, slots=True)
class JobCreated(Event):
    """A client's first batches made the job."""

    kind: ClassVar[str] = "job_created"
    job: Identifier
    policy_name: Identifier
    policy: Digest


@dataclass(frozen=True, slots=True)
class PolicyChanged(Event):
    """A client gave the job another policy for its further batches."""

    kind: ClassVar[str] = "policy_changed"
    policy_name: Identifier
    policy: Digest


@dataclass(frozen=True, slots=True)
class BatchSubmitted(Event):
    """A batch waits for its turn."""

    kind: ClassVar[str] = "batch_submitted"
    batch: BatchNumber
    name: Sentence
    source: Digest
    group: Count = 0
    """Number of the first batch of the same submission."""
    policy: Digest = ""
    """The policy under which it runs; the job's own where none is named."""


@dataclass(frozen=True, slots=True)
class LeaseGranted(Event):
    """The job was given to an executor."""

    kind: ClassVar[str] = "lease_granted"
    lease: Identifier
    epoch: Count
    executor: Identifier
    host: Identifier


@dataclass(frozen=True, slots=True)
class BatchStarted(Event):
    """A batch was sent to the interpreter, from that instruction on; attempt 0 is the first."""

    kind: ClassVar[str] = "batch_started"
    batch: BatchNumber
    attempt: Count
    instruction: Count


@dataclass(frozen=True, slots=True)
class ConsolePrinted(Event):
    """The guest printed this (a replay's repetition is not recorded again)."""

    kind: ClassVar[str] = "console_printed"
    batch: BatchNumber
    stream: Literal["output", "notice"]
    data: Text
    """UTF-8 with lone surrogates kept."""


@dataclass(frozen=True, slots=True)
class CallRequested(Event):
    """The guest called a tool; durable before the tool runs."""

    kind: ClassVar[str] = "call_requested"
    batch: BatchNumber
    number: Count
    tool: Identifier
    arguments: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)]


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """The tool's outcome; durable before the guest sees it."""

    kind: ClassVar[str] = "call_answered"
    batch: BatchNumber
    number: Count
    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    error: GuestError | None


@dataclass(frozen=True, slots=True)
class ClockObserved(Event):
    """What the guest was told of clock and randomness, in the interpreter's own encoding."""

    kind: ClassVar[str] = "clock_observed"
    batch: BatchNumber
    data: Text


@dataclass(frozen=True, slots=True)
class CheckpointTaken(Event):
    """The variables as they stood before that instruction."""

    kind: ClassVar[str] = "checkpoint_taken"
    batch: BatchNumber
    instruction: Count
    workspace: Digest
    batches: Annotated[tuple[BatchNumber, ...], Bounds(0, 10_000)]
    transient: Annotated[tuple[TransientValue, ...], Bounds(0, 1_000)]


@dataclass(frozen=True, slots=True)
class PolicyViolated(Event):
    """A layer refused something that the guest tried."""

    kind: ClassVar[str] = "policy_violated"
    batch: BatchNumber
    rule: Identifier
    detail: Sentence
    line: Count | None
    layer: Layer


@dataclass(frozen=True, slots=True)
class UsageMetered(Event):
    """What one attempt at a batch used."""

    kind: ClassVar[str] = "usage_metered"
    batch: BatchNumber
    usage: Usage


@dataclass(frozen=True, slots=True)
class LeaseEnded(Event):
    """The executor does not hold the job any more. `blamed`: the interpreter died under the batch."""

    kind: ClassVar[str] = "lease_ended"
    lease: Identifier
    epoch: Count
    reason: Sentence
    blamed: bool


@dataclass(frozen=True, slots=True)
class BatchEnded(Event):
    """A batch came to its end."""

    kind: ClassVar[str] = "batch_ended"
    batch: BatchNumber
    outcome: Outcome
    error: GuestError | None
    limit: LimitBreach | None
    transient: Annotated[tuple[TransientValue, ...], Bounds(0, 1_000)] = ()
    """What the batch left behind and is not kept."""


@dataclass(frozen=True, slots=True)
class BatchSkipped(Event):
    """A batch was not run because one before it was not ok."""

    kind: ClassVar[str] = "batch_skipped"
    batch: BatchNumber


@dataclass(frozen=True, slots=True)
class JobEnded(Event):
    """No batch is left; a later one revives the job."""

    kind: ClassVar[str] = "job_ended"
    outcome: Outcome


EVENTS: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}
