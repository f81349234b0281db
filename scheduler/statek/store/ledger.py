"""The truth about every job: an append-only record of what happened, durable before anybody hears of it.

The scheduler's loop is its one writer and appends once per tick: all events of the tick, the states they add up to, and
the blobs they name, in one transaction with one fsync. What `append` returned from survives kill -9 and a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from statek.audit.chain import event_digest
from statek.audit.records import Draft
from statek.core.jobs import Job, digest
from statek.core.workspaces import WorkspaceChange
from statek.store import agent_table, blob_uses, completions, forgetting, queue_table, segments, totals
from statek.store.agent_table import KnownAgent
from statek.store.audit_log import AuditLog
from statek.store.completions import Completion
from statek.store.database import open_writer, writing
from statek.store.errors import StoreUncertain
from statek.store.history import History
from statek.store.log_keeping import LogKeeper
from statek.store.queue_table import QueueItem
from statek.store.records import Record, Stored, Submission, UnreadableRow, checksum, pack_event, pack_job

__all__ = ["Ledger", "Record", "Stored", "Submission", "digest"]

EventRow: TypeAlias = tuple[int, str, int | None, str, int | None, int, bytes, int]

_PUT_BLOB: Final = "INSERT INTO blobs(digest, data) VALUES (?, ?) ON CONFLICT(digest) DO NOTHING"
_PUT_JOB: Final = """INSERT INTO jobs(job, status, outcome, state, checksum, parent, agent) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT(job) DO UPDATE SET status = excluded.status, outcome = excluded.outcome, state = excluded.state,
        checksum = excluded.checksum, parent = excluded.parent, agent = excluded.agent"""
_PUT_EVENT: Final = """INSERT INTO events(cursor, job, batch, kind, number, at_us, body, checksum)
    VALUES (?, (SELECT number FROM jobs WHERE job = ?), ?, ?, ?, ?, ?, ?)"""
_PUT_SUBMISSION: Final = """INSERT INTO submissions(key, job, first_batch, cursor)
    VALUES (?, (SELECT number FROM jobs WHERE job = ?), ?, ?)"""

_INCREMENTAL: Final = 2
"""SQLite's number of the mode in which a file gives free pages back when it is told to."""
_FREE_PAGES_KEPT: Final = 1_000
"""Four megabytes that the next events go into."""


class Ledger(History):
    """The ledger as its one writer sees it; the store's lock is what makes it the only one."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._last = super().last_cursor
        self.audit = AuditLog(path, connection)
        self._uncertain: StoreUncertain | None = None
        self._log_keeper: LogKeeper | None = None

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open the ledger, making an empty one where there is none; raises a `StoreError`."""
        connection = open_writer(path)
        try:
            ledger = cls(path, connection)
        except BaseException:
            connection.close()
            raise
        try:
            ledger.events(None, after=ledger.last_cursor - 1)
        except BaseException:
            ledger.close()
            raise
        return ledger

    @property
    def last_cursor(self) -> int:
        """Return the cursor of the newest event, 0 in an empty ledger."""
        return self._last

    def keep_log_beside(self) -> None:
        """Have the write-ahead log kept short in a thread beside this one, until `close`; for one that writes for long.

        Call it before anything is appended. Raises a `StoreError`.
        """
        with writing(self._path):
            self._log_keeper = LogKeeper(self._path, self._connection)

    def append(
        self,
        records: Sequence[Record],
        jobs: Iterable[Job],
        blobs: Mapping[str, bytes],
        submissions: Iterable[Submission] = (),
        drafts: Sequence[Draft] = (),
        workspaces: Iterable[tuple[str, WorkspaceChange]] = (),
        completed: Iterable[Completion] = (),
        agents: Iterable[KnownAgent] = (),
        queued: Mapping[int, QueueItem | None] = MappingProxyType({}),
    ) -> range:
        """Write all of it or nothing, and return the events' cursors; durable on return.

        Every job that a record, submission or workspace names is in `jobs` or known already. Blobs that are there stay
        as they are. Drafts become records of the audit log; they speak of these events by their cursors. Raises
        `StoreUnwritable` having changed nothing, so the same append may be tried again later.
        """
        cursors = range(self._last + 1, self._last + 1 + len(records))
        changes = list(workspaces)
        with self._transaction() as connection:
            connection.executemany(_PUT_BLOB, blobs.items())
            connection.executemany(_PUT_JOB, map(_job_row, jobs))
            rows = list(map(_event_row, cursors, records))
            connection.executemany(_PUT_EVENT, rows)
            connection.executemany(_PUT_SUBMISSION, ((s.key, s.job, s.first_batch, s.cursor) for s in submissions))
            segments.write(connection, changes)
            completions.write(connection, records, completed)
            agent_table.write(connection, agents)
            queue_table.write(connection, queued)
            blob_uses.write(connection, ((record.job, record.event) for record in records))
            forgetting.write(connection, zip(cursors, records, strict=True))
            self._count(connection, records)
            head = self.audit.write(drafts, _event_digests(rows, drafts))
        self._last += len(records)
        self.audit.advance(head)
        if self._log_keeper is not None:
            self._log_keeper.committed(len(records), _data_bytes(blobs, changes))
        return cursors

    def _count(self, connection: sqlite3.Connection, records: Sequence[Record]) -> None:
        try:
            totals.write(connection, records)
        except UnreadableRow as error:
            raise self._damaged(f"a sum of what was used cannot be read: {error}") from error

    def erase(self, rows: int) -> int:
        """Delete so many rows at most of jobs that are forgotten, in one transaction; returns how many there were."""
        with self._transaction() as connection:
            return forgetting.erase(connection, rows)

    def give_back(self, pages: int) -> int:
        """Give free pages back to the file system, so many at most, in one transaction; returns how many.

        A ledger that was made by an earlier release keeps its free pages, and uses them again.
        """
        before = self._free_pages()
        if before <= _FREE_PAGES_KEPT:
            return 0
        with self._transaction() as connection:
            connection.execute(f"PRAGMA incremental_vacuum({min(pages, before - _FREE_PAGES_KEPT)})").fetchall()
        return before - self._free_pages()

    def make_shrinkable(self) -> bool:
        """Write the file anew if its free pages cannot be given back, which takes long; tell whether that was so."""
        if self._rows("PRAGMA auto_vacuum")[0][0] == _INCREMENTAL:
            return False
        with writing(self._path):
            self._connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            self._connection.execute("VACUUM")
        return True

    def _free_pages(self) -> int:
        return int(self._rows("PRAGMA freelist_count")[0][0])

    def close(self) -> None:
        """Close the ledger; a second time does nothing."""
        if self._log_keeper is not None:
            self._log_keeper.close()
            self._log_keeper = None
        self.audit.close()
        super().close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._uncertain is not None:
            raise self._uncertain
        try:
            with writing(self._path):
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException as error:
            self._uncertain = error if isinstance(error, StoreUncertain) else None
            if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                with writing(self._path):
                    self._connection.execute("ROLLBACK")
            raise


def _data_bytes(blobs: Mapping[str, bytes], workspaces: Iterable[tuple[str, WorkspaceChange]]) -> int:
    variables = sum(len(data) for _, change in workspaces for _, data in change.stored)
    return variables + sum(map(len, blobs.values()))


def _job_row(job: Job) -> tuple[str, str, str | None, bytes, int, str, str]:
    state = pack_job(job)
    total = checksum(job.job, job.status, job.outcome, state)
    return job.job, job.status, job.outcome, state, total, job.parent, job.agent


def _event_row(cursor: int, record: Record) -> EventRow:
    event, body = record.event, pack_event(record.event)
    total = checksum(cursor, record.job, record.at_us, event.kind, body)
    batch, number = getattr(event, "batch", None), getattr(event, "number", None)
    return cursor, record.job, batch, event.kind, number, record.at_us, body, total


def _event_digests(rows: Iterable[EventRow], drafts: Iterable[Draft]) -> dict[int, bytes]:
    """Name the events that the drafts speak of."""
    spoken_of = {draft.cursor for draft in drafts}
    if not spoken_of:
        return {}
    return {
        cursor: event_digest(cursor, job, at_us, kind, body)
        for cursor, job, _, kind, _, at_us, body, _ in rows
        if cursor in spoken_of
    }
