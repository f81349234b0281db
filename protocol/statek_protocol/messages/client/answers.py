"""What the scheduler answers a client that wants something done, or follows a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from statek_protocol.messages.base import (
    KIB,
    MIB,
    BatchNumber,
    Count,
    Identifier,
    Message,
    Sentence,
)
from statek_protocol.schema import Bounds, PlainField

JOBS_TOLD: Final = 20
"""Names of jobs that an answer has at most, where they are many."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One durable event of a job: its place in the ledger, its kind, and the plain map of its fields."""

    cursor: Count
    kind: Identifier
    body: PlainField


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
    ended: Annotated[tuple[Identifier, ...], Bounds(0, JOBS_TOLD)]
    """The first of the jobs with such a future that have ended: only tried again do they meet its outcome."""


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
