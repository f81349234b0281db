"""Which tables has a ledger, and how is one of an earlier format brought up to date?"""

from __future__ import annotations

import sqlite3
from typing import Final

from statek.store import (
    agent_table,
    audit_table,
    blob_uses,
    completions,
    forgetting,
    job_indices,
    queue_table,
    segments,
    totals,
)

FORMAT: Final = 3
"""Format of the tables, kept as SQLite's user_version. 1 had no audit log, 2 forgot no job."""
EARLIER: Final = (1, 2)
"""Formats that a writer brings up to date."""
_WITHOUT_AUDIT: Final = 1
_APPLICATION_ID: Final = int.from_bytes(b"STTK", "big")
"""Tells file(1) and us that a SQLite file is a ledger."""

_FIRST: Final = (
    """CREATE TABLE jobs(
        number INTEGER PRIMARY KEY, job TEXT NOT NULL UNIQUE, status TEXT NOT NULL, outcome TEXT,
        state BLOB NOT NULL, checksum INTEGER NOT NULL)""",
    "CREATE INDEX jobs_by_status ON jobs(status)",
    """CREATE TABLE events(
        cursor INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs(number), batch INTEGER, kind TEXT NOT NULL,
        number INTEGER, at_us INTEGER NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL)""",
    "CREATE INDEX events_of_job ON events(job)",
    "CREATE INDEX events_of_batch ON events(job, batch, kind, number)",
    "CREATE TABLE blobs(digest TEXT NOT NULL UNIQUE, data BLOB NOT NULL)",
    """CREATE TABLE submissions(
        key TEXT PRIMARY KEY, job INTEGER NOT NULL REFERENCES jobs(number), first_batch INTEGER NOT NULL,
        cursor INTEGER NOT NULL) WITHOUT ROWID""",
)
_WITH_AUDIT: Final = (segments.TABLE, *completions.TABLES)
_ADDED: Final = (
    "ALTER TABLE jobs ADD COLUMN parent TEXT NOT NULL DEFAULT ''",
    *blob_uses.TABLES,
    *forgetting.TABLES,
    *job_indices.TABLES,
    *totals.TABLES,
    *agent_table.TABLES,
    *queue_table.TABLES,
)
"""What format 3 adds to format 2."""


def make(connection: sqlite3.Connection) -> None:
    """Make an empty ledger in an empty file; freed pages of it can be given back piece by piece."""
    for statement in ("PRAGMA synchronous = FULL", "PRAGMA auto_vacuum = INCREMENTAL", "BEGIN"):
        connection.execute(statement)
    for statement in (*_FIRST, *_WITH_AUDIT, *_ADDED):
        connection.execute(statement)
    audit_table.make(connection, 0)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def is_ledger(connection: sqlite3.Connection) -> bool:
    """Tell whether a file claims to be a ledger."""
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return found == _APPLICATION_ID


def bring_up_to_date(connection: sqlite3.Connection, found: int) -> None:
    """Bring a ledger of that earlier format up to date, whole or not at all.

    Where there was no audit log, its first record says which events have none. Pages that this ledger frees later are
    used again and not given back: only a new file can be told to.
    """
    connection.execute("BEGIN IMMEDIATE")
    for statement in (*(_WITH_AUDIT if found == _WITHOUT_AUDIT else ()), *_ADDED):
        connection.execute(statement)
    if found == _WITHOUT_AUDIT:
        last = connection.execute("SELECT coalesce(max(cursor), 0) FROM events").fetchone()[0]
        audit_table.make(connection, last)
    blob_uses.make_anew(connection)
    totals.make_anew(connection)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")
