"""What the ledger keeps, as values and as the bytes of its rows.

A row's bytes are the msgpack of a dataclass's plain map, read back by the one strict path that messages take, and every
row has a CRC-32 over what it says: SQLite's main file has no checksums, so a flipped bit would otherwise be told as a
job's history.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgpack

from statek.core.events import EVENTS, Event
from statek.core.jobs import Job
from statek.core.workspaces import StoredSegment
from statek.errors import BugInScheduler
from statek_protocol import schema
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.interpreter import GuestError

T = TypeVar("T")

_SURROGATES: Final = "surrogatepass"
"""A tool's error text may hold lone surrogates; a history must never be what cannot be written."""


@dataclass(frozen=True, slots=True)
class Record:
    """An event that is to be appended: whose it is, and when it happened by the caller's clock, in µs of Unix time."""

    job: str
    at_us: int
    event: Event


@dataclass(frozen=True, slots=True)
class Stored:
    """An event of the ledger with its place in it."""

    cursor: int
    job: str
    at_us: int
    event: Event
    checksum: int = field(default=0, compare=False)
    """The row's own, by which the same cursor in another ledger can be told apart."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A client's submission under its idempotency key: which job and batch it became, and where to follow from."""

    key: str
    job: str
    first_batch: int
    cursor: int


class UnreadableRow(Exception):
    """A row's bytes are not what we wrote; whoever knows the file and the row turns this into `StoreDamaged`."""


def pack(value: Any) -> bytes:
    """Encode a dataclass for a row, without its class attributes: an event's `kind` has a column of its own."""
    data: bytes = msgpack.packb(schema.dump(value), unicode_errors=_SURROGATES)
    return data


def pack_event(event: Event) -> bytes:
    """Encode an event for its row; raises `BugInScheduler` for one that could not be read back: a text is too long.

    That ends the scheduler before anything is written. Once it is in the ledger, it would be damage for good.
    """
    return _pack_checked(event, f"an event {event.kind}")


def pack_job(job: Job) -> bytes:
    """Encode a job's state for its row; raises `BugInScheduler` as `pack_event` does."""
    return _pack_checked(job, f"the state of job {job.job!r}")


def _pack_checked(value: Event | Job, what: str) -> bytes:
    plain = schema.dump(value)
    try:
        schema.load(type(value), plain)
    except ProtocolError as error:
        raise BugInScheduler(f"{what} cannot be put on record: {error}") from error
    data: bytes = msgpack.packb(plain, unicode_errors=_SURROGATES)
    return data


def unpack_event(kind: str, data: bytes) -> Event:
    """Read an event back; raises `UnreadableRow`."""
    cls = EVENTS.get(kind)
    if cls is None:
        raise UnreadableRow(f"unknown kind of event {kind[:64]!r}")
    return _unpack(cls, data)


def unpack_job(data: bytes) -> Job:
    """Read a job's state back; raises `UnreadableRow`."""
    return _unpack(Job, data)


def unpack_segment(data: bytes) -> StoredSegment:
    """Read back what describes a segment of a workspace; raises `UnreadableRow`."""
    return _unpack(StoredSegment, data)


def unpack_error(data: bytes) -> GuestError:
    """Read an error that is data back; raises `UnreadableRow`."""
    return _unpack(GuestError, data)


def _unpack(cls: type[T], data: bytes) -> T:
    try:
        value = msgpack.unpackb(data, use_list=True, unicode_errors=_SURROGATES)
        return schema.load(cls, value)
    except (ValueError, msgpack.UnpackException, ProtocolError) as error:
        raise UnreadableRow(str(error)) from error


def checksum(*columns: int | str | bytes | None) -> int:
    """Compute the CRC-32 of a row's columns, each with its length so that no two rows run into one another."""
    total = 0
    for column in columns:
        data = column if isinstance(column, bytes) else repr(column).encode()
        total = zlib.crc32(data, zlib.crc32(b"%d:" % len(data), total))
    return total
