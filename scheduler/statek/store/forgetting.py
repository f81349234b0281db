"""What of a forgotten job is deleted, in which order, and what stays?

That a job is forgotten is an event (`JobForgotten`), durable before anything is deleted. Its other events go in
portions, each a transaction of its own, the newest first: so what is there of the job at any moment, also after a kill,
is the beginning of its history and then the news that it is forgotten, which everybody can fold who folds events. Then
go its variables, its clients' keys, its futures' keys, and the blobs that no other job names. Its name and that one
event stay.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from statek.audit.chain import HASH_BYTES, event_digest
from statek.core.events import JobForgotten
from statek.core.jobs import Job
from statek.store import blob_uses
from statek.store.records import Record

RawEvent: TypeAlias = tuple[int, str, int, str, bytes, int]
"""An event's row as it lies there: cursor, job, at_us, kind, body, checksum."""

TABLES: Final = (
    "CREATE TABLE erasures(job INTEGER PRIMARY KEY REFERENCES jobs(number), before INTEGER NOT NULL)",
    "CREATE INDEX events_of_ends ON events(at_us) WHERE kind = 'job_ended'",
    "CREATE INDEX jobs_by_parent ON jobs(parent) WHERE parent <> ''",
    "CREATE INDEX submissions_of_job ON submissions(job)",
)
"""Forgotten jobs of which something is left, with the cursor of the event that says so; and what finds rows here."""

_CHAIN: Final = b"statek-forgot-1"
"""BLAKE2b's personalisation of what chains the digests of a job's events."""
_UNDER_WAY: Final = "status NOT IN ('DONE', 'FORGOTTEN')"
DUE: Final = f"""SELECT e.at_us, e.cursor, j.job FROM events AS e JOIN jobs AS j ON j.number = e.job
    WHERE e.kind = 'job_ended' AND e.at_us < :before AND (e.at_us, e.cursor) > (:at_us, :cursor) AND j.status = 'DONE'
    AND (SELECT l.at_us FROM events AS l WHERE l.job = e.job ORDER BY l.cursor DESC LIMIT 1) < :before
    AND NOT EXISTS (SELECT 1 FROM jobs AS p WHERE p.job = j.parent AND p.{_UNDER_WAY})
    AND NOT EXISTS (SELECT 1 FROM jobs AS c WHERE c.parent = j.job AND c.parent <> '' AND c.{_UNDER_WAY})
    AND NOT EXISTS (SELECT 1 FROM queue_items AS q WHERE q.job = j.job AND q.job <> '' AND q.dead_reason IS NULL)
    ORDER BY e.at_us, e.cursor LIMIT :limit"""  # noqa: S608 - constants of ours
"""Jobs that ended before an instant, of whose family nobody is under way, and that no message waits for: by their ends,
after a place among these.

A job that ended several times comes once for each.
"""
RAW_EVENTS: Final = """SELECT cursor, :job, at_us, kind, body, checksum FROM events
    WHERE job = (SELECT number FROM jobs WHERE job = :job) AND cursor > :after ORDER BY cursor LIMIT :limit"""
WEIGHT: Final = """WITH the AS (SELECT number FROM jobs WHERE job = :job) SELECT
    (SELECT count(*) FROM events, the WHERE job = the.number),
    (SELECT coalesce(sum(length(body)), 0) FROM events, the WHERE job = the.number)
    + (SELECT coalesce(sum(length(data)), 0) FROM segments, the WHERE job = the.number)
    + (SELECT coalesce(sum(length(b.data)), 0) FROM the JOIN blob_uses AS u ON u.job = the.number
        JOIN blobs AS b ON b.digest = u.digest
        WHERE NOT EXISTS (SELECT 1 FROM blob_uses AS o WHERE o.digest = u.digest AND o.job <> the.number))"""
"""How many events a job has, and the bytes in them, in its variables, and in blobs that no other job names."""

_BEGIN: Final = "INSERT INTO erasures(job, before) VALUES ((SELECT number FROM jobs WHERE job = ?), ?)"
_NEXT: Final = "SELECT job, before FROM erasures ORDER BY before LIMIT 1"
_DONE: Final = "DELETE FROM erasures WHERE job = ?"
_EVENTS: Final = """DELETE FROM events WHERE cursor IN (
    SELECT cursor FROM events WHERE job = :job AND cursor < :before AND kind <> 'job_forgotten'
    ORDER BY cursor DESC LIMIT :limit)"""
_SEGMENTS: Final = "DELETE FROM segments WHERE rowid IN (SELECT rowid FROM segments WHERE job = :job LIMIT :limit)"
_SUBMISSIONS: Final = "DELETE FROM submissions WHERE key IN (SELECT key FROM submissions WHERE job = :job LIMIT :limit)"
_PROMISES: Final = """DELETE FROM promises WHERE job = :job AND number IN (
    SELECT number FROM promises WHERE job = :job LIMIT :limit)"""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of a job's events once they are gone; grows as they are read in order."""

    events: int = 0
    first: int = 0
    last: int = 0
    last_checksum: int = 0
    ended_us: int = 0
    created_us: int = 0
    chain: bytes = bytes(HASH_BYTES)

    def plus(self, rows: Iterable[RawEvent]) -> Summary:
        """Take the next events, in order."""
        summed = self
        for cursor, job, at_us, kind, body, checksum in rows:
            link = event_digest(cursor, job, at_us, kind, body)
            chain = hashlib.blake2b(summed.chain + link, digest_size=HASH_BYTES, person=_CHAIN).digest()
            count, first, created_us = summed.events + 1, summed.first or cursor, summed.created_us or at_us
            summed = Summary(count, first, cursor, checksum, at_us, created_us, chain)
        return summed

    def tombstone(self, job: Job) -> JobForgotten:
        """Say that the job is forgotten whose events these are."""
        return JobForgotten(
            job.job,
            job.outcome,
            self.events,
            self.first,
            self.last,
            self.last_checksum,
            self.chain.hex(),
            self.ended_us,
            self.created_us,
        )


def write(connection: sqlite3.Connection, records: Iterable[tuple[int, Record]]) -> None:
    """Note of which jobs there is something to delete from now on, within the caller's transaction."""
    for cursor, record in records:
        if isinstance(record.event, JobForgotten):
            connection.execute(_BEGIN, (record.job, cursor))


def erase(connection: sqlite3.Connection, limit: int) -> int:
    """Delete so many rows of forgotten jobs at most, within the caller's transaction; returns how many.

    A job of which nothing is left counts as one.
    """
    left = limit
    while left > 0 and (found := connection.execute(_NEXT).fetchone()) is not None:
        job, before = found
        erased = _erase_job(connection, job, before, left)
        if erased < left:
            connection.execute(_DONE, (job,))
        left -= max(1, erased)
    return limit - left


def _erase_job(connection: sqlite3.Connection, job: int, before: int, limit: int) -> int:
    left = limit
    for sql in (_EVENTS, _SEGMENTS, _SUBMISSIONS, _PROMISES):
        if left > 0:
            left -= connection.execute(sql, {"job": job, "before": before, "limit": left}).rowcount
    if left > 0:
        left -= blob_uses.drop(connection, job, left)
    return limit - left
