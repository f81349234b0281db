"""What a job is: the durable state that decisions are made from, and the volatile state of its lease."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from statek.core.agents import BatchRole, Harness
from statek.core.awaiting import AwaitedFuture, FutureEntry
from statek_policies.rules import OnViolation
from statek_protocol.messages.base import BatchNumber, Count, ExitStatus, Identifier, Sentence, Word
from statek_protocol.messages.interpreter import GuestError, LimitBreach, TransientValue
from statek_protocol.schema import Bounds

JobStatus = Literal["READY", "WARMING_UP", "STARTED", "SUSPENDED", "DONE", "FORGOTTEN"]
"""Where a job is in its life: waiting for an executor, in its warm-up, running, waiting for a future, ended.

FORGOTTEN is what retention leaves of one that had ended: its name, so that nothing else ever gets it.
"""

UNDER_WAY: Final[frozenset[JobStatus]] = frozenset({"READY", "WARMING_UP", "STARTED"})
"""Where a job goes on without anything from outside but an executor and its model."""
OVER: Final[frozenset[JobStatus]] = frozenset({"DONE", "FORGOTTEN"})
"""Where nothing more happens to a job unless somebody wants it."""

Outcome = Literal["ok", "error", "blocked", "limit", "failed", "cancelled"]
"""How a batch or a job ended: as it should, by the guest's own exception, by the policy, at a limit, by our side."""

ATTEMPTS_LIMIT: Final = 3
"""A batch that took down its interpreter this many times is given up."""


def digest(data: bytes) -> str:
    """Name a blob by its content: hex BLAKE2b of 256 bits."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def total(one: int, more: int) -> int:
    """Add up what executors and providers claim: no sum is larger than what can be read back (`Count`)."""
    return min(one + more, 2**53)


Digest = Annotated[str, Bounds(0, 128)]
"""Hex digest of a blob."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a batch or a job used, measured from outside the interpreter."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory_bytes: Count = 0
    output_bytes: Count = 0
    calls: Count = 0

    def plus(self, other: Usage) -> Usage:
        """Add up what adds up; the peak is the higher one."""
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            self.wall_seconds + other.wall_seconds,
            max(self.peak_memory_bytes, other.peak_memory_bytes),
            total(self.output_bytes, other.output_bytes),
            total(self.calls, other.calls),
        )


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A submitted batch: its number, name, and the blob that holds its source."""

    batch: BatchNumber
    name: Sentence
    source: Digest
    group: Count = 0
    """Number of the first batch of the same submission: when one of them is not ok, those after it are not run."""
    policy: Digest = ""
    """The blob of the policy under which it runs."""
    role: BatchRole = "code"


@dataclass(frozen=True, slots=True)
class CallEntry:
    """A call that the running batch made: what was asked, and whether its outcome is durable."""

    number: Count
    tool: Identifier
    arguments: Digest
    answered: bool
    console_bytes: Count = 0
    """Console output that came before it, from the start of the batch."""
    violated: bool = False
    """The answer is that it violates the policy, and the violation is on record with it."""


@dataclass(frozen=True, slots=True)
class RunningBatch:
    """The batch in hand and how far its record goes; everything is counted from the start of the batch."""

    batch: BatchNumber
    name: Sentence
    source: Digest
    group: Count = 0
    policy: Digest = ""
    attempts: Count = 0
    """How often an interpreter died under it."""
    instruction: Count = 0
    """The first instruction that the last checkpoint has not behind it (the seeds' next_instr_num)."""
    console_bytes: Count = 0
    """Console output that is recorded."""
    console_checksum: Count = 0
    """CRC-32 of that output, to tell whether a replay prints the same again."""
    console_lines: Count = 0
    """Line ends in that output."""
    console_at_checkpoint: Count = 0
    lines_at_checkpoint: Count = 0
    checksum_at_checkpoint: Count = 0
    calls: Annotated[tuple[CallEntry, ...], Bounds(0, 1_000_000)] = ()
    calls_at_checkpoint: Count = 0
    observed_at_checkpoint: Count = 0
    """Records of observation that lie before the checkpoint and are not told again."""
    observed: Count = 0
    violations: Count = 0
    violations_at_checkpoint: Count = 0
    consequence: OnViolation = "refuse"
    """What its violations mean for the job, once there is one; anything but "refuse" condemns the batch."""
    usage: Usage = Usage()
    refusals: Count = 0
    """Calls that were answered with the error of a limit."""
    reached: LimitBreach | None = None
    """The limit that condemns the batch, because the guest went on at it."""
    role: BatchRole = "code"

    @property
    def condemned(self) -> bool:
        """Tell whether nothing of the batch counts any more but its end."""
        return self.consequence != "refuse" or self.reached is not None


@dataclass(frozen=True, slots=True)
class Conversation:
    """How far a job's conversation with its model is, and what bounds it."""

    harness: Harness = Harness()  # noqa: RUF009 - frozen
    model: Sentence = ""
    """Whom its turns are asked of; empty for the configured default."""
    provider: Word = ""
    turn: Count = 0
    """The number of the last turn that the model was asked for; the first one is 1."""
    asking: bool = False
    """The reply of that turn is awaited."""
    attempts: Count = 0
    """How often it was asked for: again after the scheduler's death."""
    messages: Count = 0
    """How many messages were pushed to the job."""
    unread: Count = 0
    """How many of them came after the last turn was asked for."""
    exceptions: Count = 0
    """Batches of the model's that did not end as they should."""
    consecutive_exceptions: Count = 0
    completions: Count = 0
    """How often the job was revived after its end."""
    granted: Count = 0
    """How often its bounds were granted once more, by somebody who wanted it tried again at one of them."""
    input_tokens: Count = 0
    cached_tokens: Count = 0
    """Those among the input tokens that the provider had cached."""
    output_tokens: Count = 0
    cost_micros: Count = 0
    """Millionths of the price table's currency; replies without a price are not in it."""
    unpriced: Count = 0
    """Replies for which there is no price."""
    tree_tokens: Count = 0
    """What its subtasks and theirs have used, where a bound holds for all of them together."""
    tree_cost_micros: Count = 0
    tree_unpriced: Count = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the ledger keeps it."""

    job: Identifier
    policy: Digest
    """The blob that holds the wire form of the policy for batches that bring none of their own."""
    status: JobStatus = "READY"
    outcome: Outcome | None = None
    epoch: Count = 0
    """Number of leases that were ever granted; the last one's epoch."""
    batches: Count = 0
    """Number of batches that were ever submitted."""
    pending: Annotated[tuple[PendingBatch, ...], Bounds(0, 1_000_000)] = ()
    running: RunningBatch | None = None
    workspace: Digest | None = None
    """Digest of the last checkpoint's variables (`workspaces.Manifest.root`); None before the first."""
    transient: Annotated[tuple[TransientValue, ...], Bounds(0, 1_000)] = ()
    error: GuestError | None = None
    limit: LimitBreach | None = None
    usage: Usage = Usage()
    held: BatchNumber | None = None
    """The batch whose violation the job is held for, SUSPENDED until a person decides."""
    decided: Word = ""
    """The request of the last such decision: asked again, it is answered and not carried out."""
    closed: bool = False
    """It was ended for a violation: no further batch is taken."""
    leased: bool = False
    """An executor holds it. A suspended job may be parked there, or be nothing but rows."""
    futures: Annotated[tuple[FutureEntry, ...], Bounds(0, 1_000_000)] = ()
    """Its futures that are not resolved."""
    futures_registered: Count = 0
    """How many futures of the application's it ever had: these have even numbers, so the next is twice this."""
    futures_combined: Count = 0
    """How many it ever made of others itself: these have odd numbers. So each side numbers without asking the other."""
    awaited: AwaitedFuture | None = None
    handles: Count = 0
    """The number that the next object of the application's will have (`HandleBound`)."""
    offered: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)] = ()
    """Names of the application's variables that it was ever given."""
    offered_values: Annotated[tuple[Digest, ...], Bounds(0, 10_000)] = ()
    """The blobs of those that no checkpoint has behind it."""
    given: Digest = ""
    """The blob of the variables that it starts with, as long as they have not crossed to it."""
    agent: Word = ""
    """The agent whose job it is; empty for a job of a client's own batches."""
    definition: Digest = ""
    """The blob of that agent's definition, as the job keeps it."""
    parent: Word = ""
    """The job whose subtask it is."""
    conversation: Conversation | None = None
    """With the model of its agent; None for a job without one."""
    console_lines: Count = 0
    """Line ends in all that it printed."""
    exit_status: ExitStatus | None = None
    """What the guest, or a reply without code, ended the job with."""

    @property
    def policy_due(self) -> str:
        """The policy of the batch in hand, or of the next one."""
        batch = self.running or (self.pending[0] if self.pending else None)
        return batch.policy if batch is not None else self.policy

    @property
    def has_begun(self) -> bool:
        """Tell whether it is in the middle of a batch or of its conversation."""
        talk = self.conversation
        return self.running is not None or (talk is not None and talk.turn > 0)

    @property
    def stands_still(self) -> bool:
        """Tell whether its interpreter, if it has one, has nothing to do: it waits for a future, or for its model."""
        return self.awaited is not None or (self.conversation is not None and self.conversation.asking)

    def future(self, number: int) -> FutureEntry | None:
        """Return the future of that number unless it is resolved, or there is none."""
        return next((entry for entry in self.futures if entry.number == number), None)

    def wants_answer(self, batch: int, number: int) -> bool:
        """Tell whether that call of the batch in hand has no outcome yet."""
        running = self.running
        return running is not None and running.batch == batch and not running.calls[number].answered
