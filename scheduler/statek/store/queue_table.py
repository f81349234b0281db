"""How is it kept what waits to be delivered, to jobs and to agents, and what could not be?

An item leaves the table in the transaction in which it becomes a fact of its job. One that cannot be delivered stays,
with the reason, until somebody puts it back or throws it away. Keys of items are kept for longer than the items, so
that what is pushed twice is told apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from statek.store.records import UnreadableRow, checksum

TABLES: Final = (
    """CREATE TABLE queue_items(
        number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, agent TEXT NOT NULL, job TEXT NOT NULL,
        body BLOB NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, pushed_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL, dead_reason TEXT, checksum INTEGER NOT NULL)""",
    "CREATE INDEX queue_items_in_line ON queue_items(queue, agent, number) WHERE dead_reason IS NULL",
    "CREATE INDEX queue_items_of_job ON queue_items(job) WHERE job <> ''",
    "CREATE INDEX queue_items_dead ON queue_items(queue, number) WHERE dead_reason IS NOT NULL",
    """CREATE TABLE queue_keys(
        queue TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(queue, key)) WITHOUT ROWID""",
    "CREATE INDEX queue_keys_by_number ON queue_keys(number)",
)
KEYS_KEPT: Final = 100_000
"""Items after which the key of one that was delivered is forgotten."""

COLUMNS: Final = "number, queue, agent, job, body, key, source, pushed_us, attempts, dead_reason, checksum"
_ITEMS: Final = f"SELECT {COLUMNS} FROM queue_items"  # noqa: S608 - ours
IN_LINE: Final = f"""{_ITEMS} WHERE queue = :queue AND agent = :agent AND dead_reason IS NULL AND number > :after
    ORDER BY number LIMIT :limit"""
DEAD: Final = f"""{_ITEMS} WHERE queue = :queue AND dead_reason IS NOT NULL AND number > :after
    ORDER BY number LIMIT :limit"""
ITEM: Final = f"{_ITEMS} WHERE number = ?"
KEY: Final = "SELECT number FROM queue_keys WHERE queue = ? AND key = ?"
KEY_FROM: Final = "SELECT key FROM queue_keys WHERE queue = ? AND key >= ? ORDER BY key LIMIT 1"
LAST: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'queue_items'), 0)"
DEPTHS: Final = """SELECT queue, agent, sum(dead_reason IS NULL), sum(dead_reason IS NOT NULL),
    min(CASE WHEN dead_reason IS NULL THEN pushed_us END)
    FROM queue_items GROUP BY queue, agent ORDER BY queue, agent"""
HAS_JOB: Final = "SELECT 1 FROM queue_items WHERE job = ? AND queue = ? AND dead_reason IS NULL LIMIT 1"

_PUT: Final = f"INSERT OR REPLACE INTO queue_items({COLUMNS}) VALUES ({', '.join('?' * 11)})"  # noqa: S608 - ours
_REMOVE: Final = "DELETE FROM queue_items WHERE number = ?"
_PUT_KEY: Final = "INSERT OR IGNORE INTO queue_keys(queue, key, number) VALUES (?, ?, ?)"
_FORGET_KEYS: Final = """DELETE FROM queue_keys WHERE number <= ?
    AND NOT EXISTS (SELECT 1 FROM queue_items AS i WHERE i.number = queue_keys.number)"""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """Something that was pushed: a message for a job, or an event for an agent."""

    number: int
    """In the order in which items were pushed, over all queues."""
    queue: str
    agent: str
    """The agent that gets it as an event; empty for a message."""
    job: str
    """The job that is told it as a message; empty for an event."""
    body: bytes
    """Of a message: UTF-8 with lone surrogates kept. Of an event: a value as `store.given` writes it."""
    key: str
    """Its idempotency key in the queue; empty for none."""
    source: str
    """Who pushed it."""
    pushed_us: int
    attempts: int = 0
    """How often it was put back after it could not be delivered."""
    dead_reason: str | None = None
    """Why it could not be delivered; None while it waits."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much waits in a queue for one agent, or for jobs."""

    queue: str
    agent: str
    """Empty for messages to jobs."""
    waiting: int
    dead: int
    oldest_us: int | None
    """When the first that waits was pushed."""


def write(connection: sqlite3.Connection, items: Mapping[int, QueueItem | None]) -> None:
    """Keep items as they are now and delete those that are None, within the caller's transaction."""
    for number, item in items.items():
        if item is None:
            connection.execute(_REMOVE, (number,))
            continue
        connection.execute(_PUT, _row(item))
        if item.key:
            connection.execute(_PUT_KEY, (item.queue, item.key, number))
            connection.execute(_FORGET_KEYS, (number - KEYS_KEPT,))


def item(row: tuple[Any, ...]) -> QueueItem:
    """Read a row; raises `UnreadableRow`."""
    *columns, expected = row
    if checksum(*columns) != expected:
        raise UnreadableRow("it does not have its checksum")
    return QueueItem(*columns)


def _row(item: QueueItem) -> tuple[Any, ...]:
    columns = (
        *(item.number, item.queue, item.agent, item.job, item.body, item.key, item.source),
        *(item.pushed_us, item.attempts, item.dead_reason),
    )
    return (*columns, checksum(*columns))
