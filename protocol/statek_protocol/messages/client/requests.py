"""What a client asks of the scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek_protocol.messages.base import (
    FRAME_LIMIT,
    KIB,
    MIB,
    Count,
    Identifier,
    Message,
    Sentence,
    Source,
    Word,
)
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.schema import Bounds, PlainField

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
