"""How are jobs' variables kept in the ledger: one row for each segment of each job, replaced when the segment changes?

What was replaced is gone with the same transaction; events keep its digest. Every row's checksum covers what the row
says of the segment, and the segment's digest covers its bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from statek.core.jobs import digest
from statek.core.workspaces import StoredSegment, WorkspaceChange
from statek.store.records import UnreadableRow, checksum, pack, unpack_segment

TABLE: Final = """CREATE TABLE segments(
    job INTEGER NOT NULL REFERENCES jobs(number), number INTEGER NOT NULL, described BLOB NOT NULL,
    checksum INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(job, number))"""

_PUT: Final = """INSERT INTO segments(job, number, described, checksum, data)
    VALUES ((SELECT number FROM jobs WHERE job = ?), ?, ?, ?, ?)
    ON CONFLICT(job, number) DO UPDATE SET
        described = excluded.described, checksum = excluded.checksum, data = excluded.data"""
_DROP: Final = "DELETE FROM segments WHERE job = (SELECT number FROM jobs WHERE job = ?) AND number = ?"
DESCRIBED: Final = """SELECT j.job, s.number, s.described, s.checksum
    FROM segments AS s JOIN jobs AS j ON j.number = s.job WHERE j.job = ? ORDER BY s.number"""
WHOLE: Final = DESCRIBED.replace("s.checksum", "s.checksum, s.data")


def write(connection: sqlite3.Connection, changes: Iterable[tuple[str, WorkspaceChange]]) -> None:
    """Write what changed of jobs' variables, in order, within the caller's transaction."""
    for job, change in changes:
        connection.executemany(_DROP, ((job, number) for number in change.dropped))
        connection.executemany(_PUT, (_row(job, segment, data) for segment, data in change.stored))


def described(job: str, number: int, described: bytes, expected: int) -> StoredSegment:
    """Read a row without its bytes; raises `UnreadableRow`."""
    if checksum(job, number, described) != expected:
        raise UnreadableRow("it does not have its checksum")
    segment = unpack_segment(described)
    if segment.number != number:
        raise UnreadableRow("it describes another segment")
    return segment


def whole(job: str, number: int, about: bytes, expected: int, data: bytes) -> tuple[StoredSegment, bytes]:
    """Read a row; raises `UnreadableRow`."""
    segment = described(job, number, about, expected)
    if digest(data) != segment.digest:
        raise UnreadableRow("it has another content")
    return segment, data


def _row(job: str, segment: StoredSegment, data: bytes) -> tuple[Any, ...]:
    about = pack(segment)
    return job, segment.number, about, checksum(job, segment.number, about), data
