"""What can happen to a job: the durable facts of which its whole history consists, in the past tense.

The ledger keeps them in order; `machine.evolve` folds them into a `Job`; dbzero's objects and clients are told the same
ones. An event is written once and read for years, so a field may be added with a default but never change its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek.core.agents import BatchRole, Harness
from statek.core.awaiting import FutureShape, Parts
from statek.core.jobs import Digest, Outcome, Usage
from statek.core.workspaces import StoredSegment
from statek_policies.rules import OnViolation
from statek_protocol.messages.base import (
    ARGUMENTS_LIMIT,
    NAME_LIMIT,
    SEGMENTS_LIMIT,
    SOURCE_LIMIT,
    BatchNumber,
    Count,
    Identifier,
    Sentence,
)
from statek_protocol.messages.interpreter import GuestError, Layer, LimitBreach, TransientValue
from statek_protocol.schema import Bounds

Word = Annotated[str, Bounds(0, NAME_LIMIT)]
Text = Annotated[bytes, Bounds(0, SOURCE_LIMIT)]
Prose = Annotated[str, Bounds(0, SOURCE_LIMIT)]


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
class FutureCreated(Event):
    """The job got a value that is not there yet."""

    kind: ClassVar[str] = "future_created"
    number: Count
    shape: FutureShape
    function: Annotated[str, Bounds(0, 200)] = ""
    """Of a "temporal": the name of the tool whose condition and complement it has."""
    deps: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] = b""
    """Of a "temporal": what its condition looks at, as `futures.dependencies` writes it."""
    state_num: Count | None = None
    parts: Parts = ()
    key: Annotated[str, Bounds(0, 200)] = ""
    deadline_us: Count | None = None


@dataclass(frozen=True, slots=True)
class FutureTroubled(Event):
    """A future's condition or complement raised or hung; it is asked again, less and less often."""

    kind: ClassVar[str] = "future_troubled"
    number: Count
    error: Sentence
    failures: Count
    """How often in a row; not each of many is an event."""


@dataclass(frozen=True, slots=True)
class FutureResolved(Event):
    """A future has its value, or will never have one."""

    kind: ClassVar[str] = "future_resolved"
    number: Count
    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    error: GuestError | None


@dataclass(frozen=True, slots=True)
class JobSuspended(Event):
    """The guest needs the value of a future that is not resolved, and stands still in that call."""

    kind: ClassVar[str] = "job_suspended"
    batch: BatchNumber
    call: Count
    future: Count
    path: Annotated[tuple[Count, ...], Bounds(0, 16)]
    instruction: Count
    since_us: Count
    awaits: Sentence = ""
    """What it is, for people."""


@dataclass(frozen=True, slots=True)
class JobResumed(Event):
    """The call in which the job was suspended has its outcome."""

    kind: ClassVar[str] = "job_resumed"
    batch: BatchNumber
    call: Count


@dataclass(frozen=True, slots=True)
class HandleBound(Event):
    """The job was given an object of the application's under a number, which it keeps for ever."""

    kind: ClassVar[str] = "handle_bound"
    number: Count
    origin: Literal["local", "dbzero", "memory"]
    """How it is found again: by its name among what the application exports, by its uuid, or not at all."""
    reference: Annotated[str, Bounds(0, 2_000)]
    type_name: Identifier
    """The name of its class as the guest sees it."""
    class_name: Sentence


@dataclass(frozen=True, slots=True)
class VariablesOffered(Event):
    """The job was given variables that the application exports."""

    kind: ClassVar[str] = "variables_offered"
    names: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)]
    values: Digest
    """The blob of the encoded dict: values by name, with handles in the places of objects. Empty where none crossed."""
    given: bool = False
    """What the job starts with is among them."""


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


EVENTS: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}
