"""Messages between a supervisor and one of its interpreters, over the interpreter's only file descriptor.

The scheduler's end of the conversation uses the same classes: the supervisor checks each message, puts the lease's
stamp in front, and passes the bytes on (`messages.executor.Stamp`). An interpreter cannot name a lease, so it cannot
speak for another job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek_protocol.messages.base import (
    ARGUMENTS_LIMIT,
    CONSOLE_CHUNK_LIMIT,
    FRAME_LIMIT,
    KIB,
    MIB,
    OBSERVATION_LIMIT,
    SEGMENTS_LIMIT,
    WORKSPACE_LIMIT,
    BatchNumber,
    Count,
    ExitStatus,
    Identifier,
    Message,
    SegmentData,
    Sentence,
    Source,
)
from statek_protocol.schema import Bounds, PlainField

Layer = Literal["compile", "runtime", "values", "limits", "kernel", "scheduler"]


@dataclass(frozen=True, slots=True)
class BatchSource:
    """The durable source of one earlier batch, from which the workspace's functions and classes are compiled again."""

    batch: BatchNumber
    name: Sentence
    source: Source


@dataclass(frozen=True, slots=True)
class GuestError:
    """An exception of the guest's own, as data: class name, text, and the guest's line number where it is known."""

    type: Identifier
    message: Sentence
    line: Count | None


@dataclass(frozen=True, slots=True)
class LimitBreach:
    """Which limit was reached, what it allows and how much had been used, in the unit that the limit's name carries."""

    name: Identifier
    allowed: float
    used: float

    def __str__(self) -> str:
        """Say it in the words in which people and models are told."""
        return f"{self.name}: {self.allowed:g} allowed, {self.used:g} used"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a workspace, stored and replaced as a whole: one variable, or several that share objects."""

    number: Count
    data: SegmentData
    batches: Annotated[tuple[BatchNumber, ...], Bounds(0, 10_000)]
    """The batches whose sources are needed to read it."""


@dataclass(frozen=True, slots=True)
class TransientValue:
    """A variable, or a place inside one, whose value is not kept after the batch."""

    name: Sentence
    type: Identifier
    reason: Sentence


# supervisor to interpreter


@dataclass(frozen=True, slots=True)
class Load(Message):
    """scheduler to interpreter: the policy to hold and the workspace to go on from; always the first message."""

    kind: ClassVar[str] = "load"
    max_bytes: ClassVar[int] = FRAME_LIMIT
    policy: PlainField
    workspace: Annotated[tuple[Segment, ...], Bounds(0, SEGMENTS_LIMIT)]
    """Empty for a job that has no variables yet."""
    sources: Annotated[tuple[BatchSource, ...], Bounds(0, 10_000)]
    tools: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)]
    """Names under which the guest finds the scheduler's tools."""
    temporals: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)] = ()
    """Those among them whose result may be a future."""
    exports: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)] = ()
    """Names of the variables that the application exports; their objects may give futures as well."""
    variables: Annotated[tuple[Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)], ...], Bounds(0, 10_000)] = ()
    """Those that the job was given and no checkpoint has yet: encoded dicts of values by name."""


@dataclass(frozen=True, slots=True)
class Run(Message):
    """scheduler to interpreter: an instruction batch, from its first instruction or from where a checkpoint left it."""

    kind: ClassVar[str] = "run"
    max_bytes: ClassVar[int] = FRAME_LIMIT
    batch: BatchNumber
    name: Sentence
    source: Source
    first_instruction: Count
    first_call: Count
    """The number that the next call will have: calls are numbered through the batch, across checkpoints."""
    observed: Annotated[tuple[Annotated[bytes, Bounds(0, OBSERVATION_LIMIT)], ...], Bounds(0, 100_000)]
    """What the guest was told of clock and randomness after that checkpoint, to be told again in the same order."""
    printed_bytes: Count = 0
    """What the batch had printed by that checkpoint: limits of output are the whole batch's, not an attempt's."""
    printed_lines: Count = 0


@dataclass(frozen=True, slots=True)
class Reply(Message):
    """scheduler to interpreter: the answer to the call of that number: a value, or an error to raise in the guest."""

    kind: ClassVar[str] = "reply"
    max_bytes: ClassVar[int] = ARGUMENTS_LIMIT + 64 * KIB
    batch: BatchNumber
    number: Count
    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    """The encoded value (`statek_protocol.values`), or None when the call failed."""
    error: GuestError | None


@dataclass(frozen=True, slots=True)
class Rest(Message):
    """supervisor to interpreter: nothing is expected of you for a while, so give back the memory that you can share.

    May come whenever an interpreter waits for something to read. It has no answer.
    """

    kind: ClassVar[str] = "rest"


# interpreter to supervisor


@dataclass(frozen=True, slots=True)
class Console(Message):
    """interpreter to scheduler: text that the guest printed."""

    kind: ClassVar[str] = "console"
    max_bytes: ClassVar[int] = CONSOLE_CHUNK_LIMIT + KIB
    batch: BatchNumber
    data: Annotated[bytes, Bounds(0, CONSOLE_CHUNK_LIMIT)]
    """UTF-8; lone surrogates are kept (`surrogatepass`)."""


@dataclass(frozen=True, slots=True)
class Call(Message):
    """interpreter to scheduler: run this tool, or do this operation, for me; the guest stands still until the `Reply`.

    `tool` is a tool's name or one of `statek_protocol.operations`. A call for a future's value may take days: the job
    is suspended meanwhile, and the interpreter is kept for a while or ended and made again.
    """

    kind: ClassVar[str] = "call"
    max_bytes: ClassVar[int] = ARGUMENTS_LIMIT + 64 * KIB
    batch: BatchNumber
    number: Count
    tool: Identifier
    arguments: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)]
    """The encoded pair of a tuple of positional and a dict of keyword arguments."""
    instruction: Count = 0
    """The top-level statement that the guest is in, or soon comes to; told to people, believed by nobody."""


@dataclass(frozen=True, slots=True)
class Observed(Message):
    """interpreter to scheduler: what the guest was told of clock and randomness; the scheduler only keeps the bytes."""

    kind: ClassVar[str] = "observed"
    max_bytes: ClassVar[int] = OBSERVATION_LIMIT + KIB
    batch: BatchNumber
    data: Annotated[bytes, Bounds(0, OBSERVATION_LIMIT)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The workspace as it stands before that instruction of the batch (or after its last one).

    It says what differs from the workspace that was there when the batch began; whatever it does not mention is as it
    was. A segment that an earlier snapshot of the same batch mentioned is mentioned again, so that none of them needs
    to have been kept.
    """

    instruction: Count
    segments: Annotated[tuple[Segment, ...], Bounds(0, SEGMENTS_LIMIT)]
    """Those that are new or changed."""
    dropped: Annotated[tuple[Count, ...], Bounds(0, 2 * SEGMENTS_LIMIT)]
    """Numbers of those that are no more; one that the scheduler does not have is none to it either."""
    transient: Annotated[tuple[TransientValue, ...], Bounds(0, 1_000)]


@dataclass(frozen=True, slots=True)
class Checkpoint(Message):
    """interpreter to scheduler: from now on a crash costs only what the batch does after this."""

    kind: ClassVar[str] = "checkpoint"
    max_bytes: ClassVar[int] = WORKSPACE_LIMIT + 4 * MIB
    batch: BatchNumber
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Violated(Message):
    """interpreter to scheduler: the policy refused something; the supervisor sends it for a kernel layer too."""

    kind: ClassVar[str] = "violated"
    batch: BatchNumber
    rule: Identifier
    detail: Sentence
    line: Count | None
    layer: Layer


@dataclass(frozen=True, slots=True)
class Finished(Message):
    """interpreter to scheduler: the batch has ended, and how, and what it left behind.

    The snapshot is part of the message, so that the end and the variables become durable together: a batch that has
    ended is never run on from a place inside it. It is None where the variables could not be encoded; those of the last
    checkpoint then stand.
    """

    kind: ClassVar[str] = "finished"
    max_bytes: ClassVar[int] = WORKSPACE_LIMIT + 4 * MIB
    batch: BatchNumber
    outcome: Literal["ok", "error", "blocked", "limit"]
    error: GuestError | None
    limit: LimitBreach | None
    snapshot: Snapshot | None
    exited: bool = False
    """The guest ended its job: it called `exit()`. Only of a batch that is ok."""
    exit_status: ExitStatus | None = None
    """What it called it with, as text; None where that was nothing."""


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """interpreter to scheduler: the batch cannot go on and the guest is not to blame.

    diverged: the replay asked for less of clock or randomness than the first run. workspace: the stored variables
    cannot be read. bug: our own code in the interpreter raised.
    """

    kind: ClassVar[str] = "failed"
    batch: BatchNumber
    code: Literal["diverged", "workspace", "bug"]
    detail: Sentence


PASSED_TO_INTERPRETER: frozenset[type[Message]] = frozenset({Load, Run, Reply})
"""The scheduler's."""
TO_INTERPRETER: frozenset[type[Message]] = PASSED_TO_INTERPRETER | {Rest}
FROM_INTERPRETER: frozenset[type[Message]] = frozenset(
    {Console, Call, Observed, Checkpoint, Violated, Finished, Failed}
)
