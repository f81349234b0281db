"""Messages between a client on the same machine (the statek command) and the scheduler, over a local ZeroMQ socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek_protocol.messages.base import (
    FRAME_LIMIT,
    KIB,
    MIB,
    NAME_LIMIT,
    BatchNumber,
    Count,
    Identifier,
    Message,
    Sentence,
    Source,
)
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.schema import Bounds, PlainField

Word = Annotated[str, Bounds(0, NAME_LIMIT)]
Values = Annotated[bytes, Bounds(0, MIB)]
"""An encoded value without references, or text."""
START_LIMIT = 16 * MIB
"""Bytes of one request for new jobs; more jobs are several requests."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """One instruction batch to run: its name (a file's) and its source."""

    name: Sentence
    source: Source


@dataclass(frozen=True, slots=True)
class NewJob:
    """One job of an agent that is to be started."""

    values: Values | None = None
    """The variables that it starts with: an encoded map of values by name. None for none."""
    message: Values | None = None
    """What the user says to it first, UTF-8 with lone surrogates kept; None for nothing."""
    name: Word = ""
    """What it is to be called; empty for a name that the scheduler chooses."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One durable event of a job: its place in the ledger, its kind, and the plain map of its fields."""

    cursor: Count
    kind: Identifier
    body: PlainField


# client to scheduler


@dataclass(frozen=True, slots=True)
class Submit(Message):
    """client to scheduler: run these batches in order, in a new job or in a known one."""

    kind: ClassVar[str] = "submit"
    max_bytes: ClassVar[int] = FRAME_LIMIT
    request: Identifier
    """The idempotency key: a `Submit` that is sent again gets the same answer and starts nothing twice."""
    job: Identifier | None
    policy: PlainField
    """The wire form of the policy for these and later batches; None leaves a known job's policy as it is."""
    limits: Annotated[dict[str, PlainField], Bounds(0, 100)]
    """Limits to change in that policy, given or known; the policy checks them, and tells whole numbers from others."""
    fields: Annotated[dict[str, PlainField], Bounds(0, 100)]
    """Other fields of that policy to change, likewise."""
    batches: Annotated[tuple[NewBatch, ...], Bounds(1, 1_000)]


@dataclass(frozen=True, slots=True)
class Follow(Message):
    """client to scheduler: send me the job's events after this cursor, now and as they happen."""

    kind: ClassVar[str] = "follow"
    request: Identifier
    job: Identifier
    after: Count


@dataclass(frozen=True, slots=True)
class Decide(Message):
    """client to scheduler: a person has decided about a job that is held for a violation of its policy."""

    kind: ClassVar[str] = "decide"
    request: Identifier
    """The idempotency key: a decision that is sent again gets the same answer and changes nothing twice."""
    job: Identifier
    choice: Literal["release", "end"]
    """Let it go on with the batches that wait in it, or end it for good."""


@dataclass(frozen=True, slots=True)
class Complete(Message):
    """client to scheduler: futures of this key come to this, now and later; a key is completed once."""

    kind: ClassVar[str] = "complete"
    max_bytes: ClassVar[int] = MIB + 64 * KIB
    request: Identifier
    """The idempotency key: asked again, it gets the same answer."""
    key: Identifier
    value: Annotated[bytes, Bounds(0, MIB)] | None
    """An encoded value without references, or None when the futures fail with the error."""
    error: GuestError | None


@dataclass(frozen=True, slots=True)
class CancelWait(Message):
    """client to scheduler: give up the open futures of a key, or what a job waits for; exactly one is named."""

    kind: ClassVar[str] = "cancel_wait"
    request: Identifier
    key: Identifier | None
    job: Identifier | None


@dataclass(frozen=True, slots=True)
class CancelJob(Message):
    """client to scheduler: end this job, whatever it is doing, and its subtasks."""

    kind: ClassVar[str] = "cancel_job"
    request: Identifier
    """The idempotency key: asked again, it gets the same answer."""
    job: Identifier
    reason: Sentence


@dataclass(frozen=True, slots=True)
class RetryJob(Message):
    """client to scheduler: let this job, which did not end as it should, be tried again.

    A job of batches runs those again that failed or were skipped; one of an agent has another turn.
    """

    kind: ClassVar[str] = "retry_job"
    request: Identifier
    """The idempotency key: asked again, it gets the same answer and tries nothing twice."""
    job: Identifier


@dataclass(frozen=True, slots=True)
class StartJobs(Message):
    """client to scheduler: start these jobs of an agent, all of them or none."""

    kind: ClassVar[str] = "start_jobs"
    max_bytes: ClassVar[int] = START_LIMIT
    request: Annotated[str, Bounds(1, 160)]
    """The idempotency key, kept for good: sent again, it gets the same answer and starts nothing twice."""
    agent: Identifier
    jobs: Annotated[tuple[NewJob, ...], Bounds(1, 1_000)]
    parent: Word = ""
    """The job whose subtasks they are; empty for none."""


@dataclass(frozen=True, slots=True)
class Push(Message):
    """client to scheduler: keep this in a queue until it is delivered; a job or an agent is named, and not both."""

    kind: ClassVar[str] = "push"
    max_bytes: ClassVar[int] = MIB + 64 * KIB
    request: Identifier
    queue: Identifier
    job: Identifier | None
    """The job that is told a message."""
    agent: Identifier | None
    """The agent that gets an event, as a new job."""
    body: Values
    """A message: UTF-8 with lone surrogates kept. An event: an encoded value without references."""
    key: Word = ""
    """The idempotency key within the queue; empty for the request's own."""


@dataclass(frozen=True, slots=True)
class ReviseAgent(Message):
    """client to scheduler: let new jobs of an agent have these fields changed, whatever its program says."""

    kind: ClassVar[str] = "revise_agent"
    max_bytes: ClassVar[int] = 9 * MIB
    request: Identifier
    agent: Identifier
    changes: PlainField
    """The fields to change, by name, as a plain map; nil to take back all changes that were made before."""


@dataclass(frozen=True, slots=True)
class Redrive(Message):
    """client to scheduler: put dead letters of a queue back into it, or throw them away."""

    kind: ClassVar[str] = "redrive"
    request: Identifier
    """Asked again, it finds nothing more to do."""
    queue: Identifier
    number: Count | None
    """Which one; nil for all of that queue."""
    act: Literal["redrive", "discard"] = "redrive"


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """client to scheduler: are you there?"""

    kind: ClassVar[str] = "ping"
    request: Identifier


@dataclass(frozen=True, slots=True)
class AskHealth(Message):
    """client to scheduler: how are you?"""

    kind: ClassVar[str] = "ask_health"
    request: Identifier


@dataclass(frozen=True, slots=True)
class AskExecutors(Message):
    """client to scheduler: which executors are connected, and what do they do?"""

    kind: ClassVar[str] = "ask_executors"
    request: Identifier


# scheduler to client


@dataclass(frozen=True, slots=True)
class ConnectedExecutor:
    """One executor that is connected, as the scheduler sees it."""

    executor: Identifier
    host: Identifier
    workers: Count
    """How many interpreters work there at the same time."""
    active: Count
    """Interpreters at work."""
    parked: Count
    """Interpreters whose jobs wait for a future, or for a place to go on in."""
    parking: Count
    """How many of those it keeps beside its workers."""
    layers: Annotated[tuple[Identifier, ...], Bounds(0, 100)]
    """The isolation layers that hold there, by its own probes."""
    heard_seconds: float
    """How long ago it was last heard of."""


@dataclass(frozen=True, slots=True)
class ExecutorList(Message):
    """scheduler to client: the executors that are connected, by their names."""

    kind: ClassVar[str] = "executor_list"
    max_bytes: ClassVar[int] = 4 * MIB
    request: Identifier
    executors: Annotated[tuple[ConnectedExecutor, ...], Bounds(0, 1_000)]


@dataclass(frozen=True, slots=True)
class Accepted(Message):
    """scheduler to client: the batches are durable, numbered from `first_batch`; follow the job from `cursor`."""

    kind: ClassVar[str] = "accepted"
    request: Identifier
    job: Identifier
    first_batch: BatchNumber
    cursor: Count


@dataclass(frozen=True, slots=True)
class Decided(Message):
    """scheduler to client: the decision is durable; so many batches now go on in the job."""

    kind: ClassVar[str] = "decided"
    request: Identifier
    job: Identifier
    batches: Count


@dataclass(frozen=True, slots=True)
class Completed(Message):
    """scheduler to client: what is durable now, and how many futures came to their outcome by it.

    completed: futures were waiting. kept: there is none of that key yet. late: all of that key had given up; kept for
    one that is made later. duplicate: the key was completed before, and nothing was changed. cancelled, nothing: to
    `CancelWait`.
    """

    kind: ClassVar[str] = "completed"
    request: Identifier
    outcome: Literal["completed", "kept", "late", "duplicate", "cancelled", "nothing"]
    futures: Count


@dataclass(frozen=True, slots=True)
class Steered(Message):
    """scheduler to client: what became durable for `CancelJob` or `RetryJob`, and where the job is now.

    nothing: there was nothing to cancel, or to try again.
    """

    kind: ClassVar[str] = "steered"
    request: Identifier
    job: Identifier
    outcome: Literal["cancelled", "retried", "nothing"]
    status: Identifier


@dataclass(frozen=True, slots=True)
class Started(Message):
    """scheduler to client: the jobs are durable, with these names in the order of the request."""

    kind: ClassVar[str] = "started"
    max_bytes: ClassVar[int] = MIB
    request: Identifier
    jobs: Annotated[tuple[Identifier, ...], Bounds(0, 1_000)]


@dataclass(frozen=True, slots=True)
class Pushed(Message):
    """scheduler to client: what was pushed is durable, under this number."""

    kind: ClassVar[str] = "pushed"
    request: Identifier
    number: Count


@dataclass(frozen=True, slots=True)
class Revised(Message):
    """scheduler to client: new jobs of the agent have this definition."""

    kind: ClassVar[str] = "revised"
    request: Identifier
    agent: Identifier
    definition: Identifier
    """The digest of its blob."""


@dataclass(frozen=True, slots=True)
class Redriven(Message):
    """scheduler to client: so many dead letters are back in their queue, or thrown away."""

    kind: ClassVar[str] = "redriven"
    request: Identifier
    items: Count


@dataclass(frozen=True, slots=True)
class Refused(Message):
    """scheduler to client: not done, nothing was changed; the sentence names the thing and the way out."""

    kind: ClassVar[str] = "refused"
    request: Identifier
    code: Identifier
    reason: Sentence


@dataclass(frozen=True, slots=True)
class Events(Message):
    """scheduler to client: events of the followed job, in order."""

    kind: ClassVar[str] = "events"
    max_bytes: ClassVar[int] = 2 * MIB + 64 * KIB
    request: Identifier
    job: Identifier
    events: Annotated[tuple[JobEvent, ...], Bounds(0, 1_000)]


@dataclass(frozen=True, slots=True)
class Alive(Message):
    """scheduler to client: yes; how many executors are connected and how many interpreters they run at most."""

    kind: ClassVar[str] = "alive"
    request: Identifier
    executors: Count
    workers: Count
    passing: bool = False
    """It runs inside a command and ends with it: whoever is left behind may take its place."""


@dataclass(frozen=True, slots=True)
class Health(Message):
    """scheduler to client: what somebody wants to know who watches over it; taken at once, from memory."""

    kind: ClassVar[str] = "health"
    request: Identifier
    release: Identifier
    uptime_seconds: float
    lag_seconds: float
    """How late the scheduler's loop came to anything at most, in the last ten seconds."""
    backlog: Count
    """Messages and outcomes that have arrived and are not decided upon."""
    jobs: Annotated[dict[str, Count], Bounds(0, 10)]
    """How many there are, by status."""
    ready: Count
    """Jobs that wait for an executor."""
    active: Count
    """Jobs whose interpreters are at work."""
    parked: Count
    """Jobs that wait for a future and keep their interpreters."""
    executors: Count
    workers: Count
    cursor: Count
    """The newest event in the ledger."""
    ledger_bytes: Count
    log_bytes: Count
    """The ledger's write-ahead log."""
    objects_behind: Count
    """Events that dbzero's objects do not show yet."""
    objects_waiting: Count
    """Functions that wait for dbzero's thread: ordinary tools, operations on objects, conditions."""
    objects_doing: Word
    """What that thread does: "function", "objects", "commit", or nothing."""
    objects_busy_seconds: float
    """For how long it has been doing that; a function that hangs shows here."""
    copy_seconds: float | None
    """The age of the oldest among the newest copies of the application's prefixes; None where there is none."""
    forgotten: Count = 0
    """Jobs that retention has deleted since the start."""


FROM_CLIENT: frozenset[type[Message]] = frozenset(
    {
        Submit,
        Follow,
        Decide,
        Complete,
        CancelWait,
        CancelJob,
        RetryJob,
        StartJobs,
        Push,
        ReviseAgent,
        Redrive,
        Ping,
        AskExecutors,
        AskHealth,
    }
)
TO_CLIENT: frozenset[type[Message]] = frozenset(
    {
        Accepted,
        Decided,
        Completed,
        Steered,
        Started,
        Pushed,
        Revised,
        Redriven,
        Refused,
        Events,
        Alive,
        Health,
        ExecutorList,
    }
)
