"""Messages between the scheduler and a supervisor, over ZeroMQ (ROUTER at the scheduler, DEALER at the supervisor).

A transport message has one or two frames. One frame is a message between the two processes themselves. Two frames are a
`Stamp` and a message that belongs to that lease: one of `messages.interpreter`, or one of the leased ones here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek_protocol.messages.base import NAME_LIMIT, BatchNumber, Count, Identifier, Message, Sentence
from statek_protocol.messages.interpreter import FROM_INTERPRETER, PASSED_TO_INTERPRETER, LimitBreach
from statek_protocol.schema import Bounds

WORKERS_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Stamp(Message):
    """either way, as the first of two frames: the lease that the second frame belongs to.

    `epoch` grows by one each time a job is leased; a message of an older epoch is dropped (fencing). `sequence` counts
    the messages of one lease in one direction from 1 without a gap; a repeated or skipped number is refused.
    """

    kind: ClassVar[str] = "stamp"
    max_bytes: ClassVar[int] = 1024
    lease: Identifier
    epoch: Count
    sequence: Count


# supervisor to scheduler


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What a probe inside a locked-down child saw of one isolation layer."""

    active: bool
    detail: Sentence


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """supervisor to scheduler: who I am, what I speak, which layers hold here, how many interpreters I run at once."""

    kind: ClassVar[str] = "hello"
    protocol: Count
    release: Identifier
    executor: Identifier
    """Made anew by every supervisor process."""
    host: Identifier
    workers: Annotated[int, Bounds(1, WORKERS_LIMIT)]
    posture: Annotated[dict[str, LayerReport], Bounds(0, 100)]
    parking: Annotated[int, Bounds(0, WORKERS_LIMIT)] = 0
    """How many interpreters I keep beside those that run, while they wait for a future."""


@dataclass(frozen=True, slots=True)
class Pull(Message):
    """supervisor to scheduler: I have taken or will take this many leases in all since my hello (a growing number)."""

    kind: ClassVar[str] = "pull"
    offered: Count


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """supervisor to scheduler: alive, and holding these leases."""

    kind: ClassVar[str] = "heartbeat"
    max_bytes: ClassVar[int] = 1024 * 1024
    leases: Annotated[tuple[Annotated[str, Bounds(1, NAME_LIMIT)], ...], Bounds(0, WORKERS_LIMIT)]


@dataclass(frozen=True, slots=True)
class Goodbye(Message):
    """supervisor to scheduler: I am stopping in good order; every lease of mine has ended."""

    kind: ClassVar[str] = "goodbye"


@dataclass(frozen=True, slots=True)
class Metered(Message):
    """supervisor to scheduler, leased: what the batch used, measured from outside; sent before `Finished` or `Lost`.

    After a `Release` in the middle of a batch it is the last message of the lease, which is not in force any more.
    """

    kind: ClassVar[str] = "metered"
    batch: BatchNumber
    cpu_seconds: Annotated[float, Bounds(0, 1e9)]
    wall_seconds: Annotated[float, Bounds(0, 1e9)]
    peak_memory_bytes: Count
    output_bytes: Count
    calls: Count


@dataclass(frozen=True, slots=True)
class Lost(Message):
    """supervisor to scheduler, leased: the interpreter is gone, and why. The lease has ended.

    limit: the supervisor killed it at that limit. seccomp: the kernel killed it for a forbidden system call. signal
    and exited: it died by itself. protocol: it sent what the protocol does not allow and was killed. stopped: the
    supervisor is stopping or could not start an interpreter; the job is not to blame.
    """

    kind: ClassVar[str] = "lost"
    batch: BatchNumber | None
    cause: Literal["limit", "seccomp", "signal", "exited", "protocol", "stopped"]
    detail: Sentence
    limit: LimitBreach | None


# scheduler to supervisor


@dataclass(frozen=True, slots=True)
class Welcome(Message):
    """scheduler to supervisor: your hello is accepted; be heard from at least this often."""

    kind: ClassVar[str] = "welcome"
    scheduler: Identifier
    heartbeat_seconds: Annotated[float, Bounds(0.01, 3600)]
    lease_seconds: Annotated[float, Bounds(0.01, 3600)]
    """A supervisor that is silent for longer has lost its leases, and ends the interpreters that it still runs."""


@dataclass(frozen=True, slots=True)
class Rejected(Message):
    """scheduler to supervisor: your hello is refused; the sentence says what to change."""

    kind: ClassVar[str] = "rejected"
    code: Identifier
    reason: Sentence


@dataclass(frozen=True, slots=True)
class Unknown(Message):
    """scheduler to supervisor: I do not know you (I may have restarted): end your leases and say hello again."""

    kind: ClassVar[str] = "unknown"


@dataclass(frozen=True, slots=True)
class Pong(Message):
    """scheduler to supervisor: I am here; on a heartbeat and in between, so that each side misses the other soon."""

    kind: ClassVar[str] = "pong"


@dataclass(frozen=True, slots=True)
class Grant(Message):
    """scheduler to supervisor, leased: this job is yours under this lease. `Load` and `Run` follow."""

    kind: ClassVar[str] = "grant"
    job: Identifier


@dataclass(frozen=True, slots=True)
class Credit(Message):
    """scheduler to supervisor, leased: everything up to this sequence number is durable; more may be sent."""

    kind: ClassVar[str] = "credit"
    sequence: Count


@dataclass(frozen=True, slots=True)
class Cancel(Message):
    """scheduler to supervisor, leased: end the running batch now; the interpreter is killed and reported lost."""

    kind: ClassVar[str] = "cancel"
    reason: Sentence


@dataclass(frozen=True, slots=True)
class Release(Message):
    """scheduler to supervisor, leased: the lease has ended; end its interpreter, meter the batch, forget the job."""

    kind: ClassVar[str] = "release"


@dataclass(frozen=True, slots=True)
class Drain(Message):
    """scheduler to supervisor: the scheduler is stopping; end all leases."""

    kind: ClassVar[str] = "drain"


STAMPS: frozenset[type[Message]] = frozenset({Stamp})
FROM_SUPERVISOR: frozenset[type[Message]] = frozenset({Hello, Pull, Heartbeat, Goodbye})
FROM_SUPERVISOR_LEASED: frozenset[type[Message]] = FROM_INTERPRETER | {Metered, Lost}
TO_SUPERVISOR: frozenset[type[Message]] = frozenset({Welcome, Rejected, Unknown, Pong, Drain})
TO_SUPERVISOR_LEASED: frozenset[type[Message]] = PASSED_TO_INTERPRETER | {Grant, Credit, Cancel, Release}

UNACKNOWLEDGED_LIMIT = 256
"""Messages of one lease that a supervisor may have sent beyond the last `Credit`."""
UNACKNOWLEDGED_BYTES = 512 * 1024
"""Bytes likewise; past either number the supervisor stops reading from the interpreter, which then blocks."""
