"""What can happen to a batch: leases, output, calls, checkpoints, limits, its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek.core.agents import BatchRole, Prose
from statek.core.events.base import Event, Text
from statek.core.jobs import Digest, Outcome, Usage
from statek.core.workspaces import StoredSegment
from statek_policies.rules import OnViolation
from statek_protocol.messages.base import (
    ARGUMENTS_LIMIT,
    SEGMENTS_LIMIT,
    BatchNumber,
    Count,
    Identifier,
    Sentence,
    Word,
)
from statek_protocol.messages.interpreter import GuestError, Layer, LimitBreach, TransientValue
from statek_protocol.schema import Bounds


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
    role: BatchRole = "code"


@dataclass(frozen=True, slots=True)
class LeaseGranted(Event):
    """The job was given to an executor."""

    kind: ClassVar[str] = "lease_granted"
    lease: Identifier
    epoch: Count
    executor: Identifier
    host: Identifier
    layers: Annotated[tuple[Identifier, ...], Bounds(0, 100)] = ()
    """The isolation layers that hold there, by the executor's probes."""
    policy_name: Word = ""


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
    refused: Word = ""
    """The rule or limit for which no tool was run."""


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """The tool's outcome; durable before the guest sees it."""

    kind: ClassVar[str] = "call_answered"
    batch: BatchNumber
    number: Count
    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    error: GuestError | None
    refused: Word = ""
    """As in `CallRequested`: the answer is the policy's, not a tool's."""


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
    """Of all segments as they are now (`workspaces.Manifest.root`)."""
    segments: Annotated[tuple[StoredSegment, ...], Bounds(0, SEGMENTS_LIMIT)]
    """Those that are new or changed."""
    dropped: Annotated[tuple[Count, ...], Bounds(0, SEGMENTS_LIMIT)]
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
    consequence: OnViolation = "refuse"
    """What the policy of the batch says that it means for the job."""


@dataclass(frozen=True, slots=True)
class LimitReached(Event):
    """The guest went on calling at a limit that it was told of often enough; its batch ends with that."""

    kind: ClassVar[str] = "limit_reached"
    batch: BatchNumber
    limit: LimitBreach


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
    cause: Word = ""
    """What the interpreter died of, in the words of `messages.executor.Lost`; empty where it was released."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a batch had printed and done when it reached a limit, as far as it is on record."""

    printed_bytes: Count
    printed_lines: Count
    calls: Count
    """Calls made, those included that were refused."""
    calls_by_name: Annotated[dict[str, Count], Bounds(0, 100)]
    """The tools that were called most, and how often each."""
    instruction: Count
    """The first instruction that the last checkpoint has not behind it."""


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
    progress: Progress | None = None
    """Of a batch that ended at a limit."""
    exited: bool = False
    """The guest called `exit()`."""
    exit_status: Prose | None = None
    """What it called it with, as text."""


@dataclass(frozen=True, slots=True)
class BatchSkipped(Event):
    """A batch was not run because one before it was not ok."""

    kind: ClassVar[str] = "batch_skipped"
    batch: BatchNumber
