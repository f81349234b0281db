"""The audit log's table: how it is made, and its rows as records and back."""

from __future__ import annotations

import secrets
import sqlite3
import time
from typing import Any, Final

from statek.audit.chain import EMPTY, seal
from statek.audit.kinds import GENESIS
from statek.audit.records import AuditRecord, Draft, canonical
from statek.store.records import UnreadableRow

COLUMNS: Final = "sequence, at_us, kind, job, cursor, event, body, previous, hash"
_TABLES: Final = (
    """CREATE TABLE audit(
        sequence INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL, job TEXT, cursor INTEGER, event BLOB,
        body TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL)""",
    "CREATE INDEX audit_of_job ON audit(job, sequence) WHERE job IS NOT NULL",
)
_INSERT: Final = f"INSERT INTO audit({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants of ours
_STORE_ID_BYTES: Final = 16
_TYPES: Final = (int, int, str, str | None, int | None, bytes | None, str, bytes, bytes)


def make(connection: sqlite3.Connection, last_cursor: int) -> None:
    """Make the table and its first record, in the caller's transaction; events up to that cursor have no records."""
    for statement in _TABLES:
        connection.execute(statement)
    insert_first(connection, last_cursor)


def insert_first(connection: sqlite3.Connection, last_cursor: int) -> None:
    """Begin a log, in the caller's transaction; events up to that cursor have no records."""
    body = canonical({"store": secrets.token_hex(_STORE_ID_BYTES), "cursor": last_cursor})
    first = Draft(time.time_ns() // 1_000, GENESIS, None, body)
    insert(connection, list(seal(EMPTY, [first], {})))


def insert(connection: sqlite3.Connection, records: list[AuditRecord]) -> None:
    """Write records, within the caller's transaction."""
    connection.executemany(_INSERT, map(_to_row, records))


def to_record(row: tuple[Any, ...]) -> AuditRecord:
    """Read a row; raises `UnreadableRow` when somebody has put other types there."""
    if not all(isinstance(value, expected) for value, expected in zip(row, _TYPES, strict=True)):
        raise UnreadableRow("its columns do not have their types")
    return AuditRecord(*row)


def _to_row(record: AuditRecord) -> tuple[Any, ...]:
    return (
        record.sequence,
        record.at_us,
        record.kind,
        record.job,
        record.cursor,
        record.event,
        record.body,
        record.previous,
        record.hash,
    )
