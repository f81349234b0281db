"""What the scheduler tells of itself: that it is there, how it is, who is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from statek_protocol.messages.base import (
    MIB,
    Count,
    Identifier,
    Message,
    Word,
)
from statek_protocol.schema import Bounds


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
    """Jobs that wait for a future or their model, and keep their interpreters."""
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
    """Interpreters whose jobs wait for a future or their model, or for a place to go on in."""
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
