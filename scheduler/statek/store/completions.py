"""How is it kept which futures can be completed from outside, under which keys, and what was completed?

`promises` is an index over the ledger's events: which futures have a key, and whether they are still open. A completion
is a fact of its own, since it may come before there is any future of its key. It is kept, so that a second one of the
same key is told apart, and a future that is made later has its outcome at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from statek.core.events import FutureCreated, FutureResolved
from statek.store.records import Record, UnreadableRow, checksum, pack, unpack_error
from statek_protocol.messages.interpreter import GuestError

TABLES: Final = (
    """CREATE TABLE promises(
        key TEXT NOT NULL, job INTEGER NOT NULL REFERENCES jobs(number), number INTEGER NOT NULL,
        open INTEGER NOT NULL, PRIMARY KEY(key, job, number)) WITHOUT ROWID""",
    "CREATE INDEX promises_of_job ON promises(job, number)",
    """CREATE TABLE completions(
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB, error BLOB, at_us INTEGER NOT NULL,
        taken INTEGER NOT NULL, checksum INTEGER NOT NULL)""",
    "CREATE INDEX completions_not_taken ON completions(taken) WHERE taken = 0",
)

TAKEN_KEPT: Final = 100_000
"""Completions that some future has taken: the newest are kept, to tell a duplicate. It is not told any more later."""
EARLY_KEPT: Final = 10_000
"""Completions that no future has taken yet: none of them is ever dropped, further ones are refused."""

_OPEN: Final = """INSERT INTO promises(key, job, number, open)
    VALUES (?, (SELECT number FROM jobs WHERE job = ?), ?, 1) ON CONFLICT DO NOTHING"""
_CLOSE: Final = """UPDATE promises SET open = 0
    WHERE job = (SELECT number FROM jobs WHERE job = ?) AND number = ?"""
_PUT: Final = """INSERT INTO completions(key, value, error, at_us, taken, checksum) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT(key) DO UPDATE SET taken = max(taken, excluded.taken)"""
_PRUNE: Final = "DELETE FROM completions WHERE taken = 1 AND number <= (SELECT max(number) FROM completions) - ?"
PROMISES: Final = """SELECT j.job, p.number, p.open FROM promises AS p JOIN jobs AS j ON j.number = p.job
    WHERE p.key = ? ORDER BY p.job, p.number"""
COMPLETION: Final = "SELECT key, value, error, at_us, checksum, taken FROM completions WHERE key = ?"
EARLY: Final = "SELECT count(*) FROM completions WHERE taken = 0"


@dataclass(frozen=True, slots=True)
class Completion:
    """What a future of that key comes to: an encoded value, or an error."""

    key: str
    value: bytes | None
    error: GuestError | None
    at_us: int
    taken: bool
    """Some future has had it, or none may ever want it."""


def write(connection: sqlite3.Connection, records: Iterable[Record], completions: Iterable[Completion]) -> None:
    """Keep the index up to some events, and completions beside it, within the caller's transaction."""
    for record in records:
        event = record.event
        if isinstance(event, FutureCreated) and event.key:
            connection.execute(_OPEN, (event.key, record.job, event.number))
        elif isinstance(event, FutureResolved):
            connection.execute(_CLOSE, (record.job, event.number))
    rows = list(map(_row, completions))
    if rows:
        connection.executemany(_PUT, rows)
        connection.execute(_PRUNE, (TAKEN_KEPT,))


def completion(row: tuple[Any, ...]) -> Completion:
    """Read a row; raises `UnreadableRow`. Whether it was taken may change, and is not part of the checksum."""
    key, value, error, at_us, expected, taken = row
    if checksum(key, value, error, at_us) != expected:
        raise UnreadableRow("it does not have its checksum")
    return Completion(key, value, None if error is None else unpack_error(error), at_us, bool(taken))


def _row(made: Completion) -> tuple[Any, ...]:
    error = None if made.error is None else pack(made.error)
    total = checksum(made.key, made.value, error, made.at_us)
    return made.key, made.value, error, made.at_us, int(made.taken), total
