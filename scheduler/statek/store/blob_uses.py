"""Which job needs which blob? A row for each pair, so that a blob goes with the last job that names it.

It is an index over the ledger's events, kept in their transaction, and can be made anew from them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from statek.core.events import BatchSubmitted, Event, JobCreated, PolicyChanged, TurnAnswered, VariablesOffered
from statek.store.records import unpack_event

TABLES: Final = (
    """CREATE TABLE blob_uses(
        job INTEGER NOT NULL REFERENCES jobs(number), digest TEXT NOT NULL, PRIMARY KEY(job, digest)) WITHOUT ROWID""",
    "CREATE INDEX blob_uses_of_blob ON blob_uses(digest)",
)
REFERRING: Final = (
    JobCreated.kind,
    PolicyChanged.kind,
    BatchSubmitted.kind,
    VariablesOffered.kind,
    TurnAnswered.kind,
)
"""Kinds of events that name blobs."""

_PUT: Final = "INSERT OR IGNORE INTO blob_uses(job, digest) VALUES (?, ?)"
_NUMBER: Final = "SELECT number FROM jobs WHERE job = ?"
_REFERRING_ROWS: Final = f"""SELECT cursor, job, kind, body FROM events
    WHERE cursor > ? AND kind IN ({", ".join(f"'{kind}'" for kind in REFERRING)}) ORDER BY cursor LIMIT 500"""  # noqa: S608
_UNUSED: Final = "NOT EXISTS (SELECT 1 FROM blob_uses AS u WHERE u.digest = blobs.digest)"


def blobs_of(event: Event) -> set[str]:
    """Name the blobs that an event names."""
    match event:
        case JobCreated():
            found = {event.policy, event.definition, event.given}
        case PolicyChanged():
            found = {event.policy}
        case BatchSubmitted():
            found = {event.source, event.policy}
        case VariablesOffered():
            found = {event.values}
        case TurnAnswered():
            found = {event.reply}
        case _:
            found = set()
    return found - {""}


def write(connection: sqlite3.Connection, events: Iterable[tuple[str, Event]]) -> None:
    """Note which blobs the events of some jobs name, within the caller's transaction."""
    for job, event in events:
        names = blobs_of(event)
        if names:
            number = connection.execute(_NUMBER, (job,)).fetchone()[0]
            connection.executemany(_PUT, ((number, name) for name in names))


def make_anew(connection: sqlite3.Connection) -> None:
    """Make the index from the events that are there, within the caller's transaction; raises `UnreadableRow`."""
    connection.execute("DELETE FROM blob_uses")
    for number, event in _referring(connection):
        connection.executemany(_PUT, ((number, name) for name in blobs_of(event)))


def drop(connection: sqlite3.Connection, job: int, limit: int) -> int:
    """Let a job have no more use for some of its blobs, and delete those that are no other's; returns how many."""
    names = connection.execute("SELECT digest FROM blob_uses WHERE job = ? LIMIT ?", (job, limit)).fetchall()
    connection.executemany("DELETE FROM blob_uses WHERE job = ? AND digest = ?", ((job, name) for (name,) in names))
    connection.executemany(f"DELETE FROM blobs WHERE digest = ? AND {_UNUSED}", names)  # noqa: S608 - ours
    return len(names)


def drop_unused(connection: sqlite3.Connection) -> int:
    """Delete all blobs that no job has a use for, within the caller's transaction; returns how many there were."""
    return connection.execute(f"DELETE FROM blobs WHERE {_UNUSED}").rowcount  # noqa: S608 - ours


def _referring(connection: sqlite3.Connection) -> Iterator[tuple[int, Event]]:
    after = 0
    while rows := connection.execute(_REFERRING_ROWS, (after,)).fetchall():
        yield from ((job, unpack_event(kind, body)) for _, job, kind, body in rows)
        after = rows[-1][0]
