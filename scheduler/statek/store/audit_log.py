"""The audit log's one writer: it gives each draft its place in the chain, in the transaction of the ledger's events.

So a record is never there without its event nor an event without its record, and no second fsync is needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from statek.audit.chain import Head, head_of, record_hash, seal
from statek.audit.kinds import AUDITED_EVENTS, entries_for
from statek.audit.recorder import Untold
from statek.audit.records import AuditRecord, Draft
from statek.store import audit_table
from statek.store.audit_head import HeadFile, read_head
from statek.store.database import WAY_OUT, reading
from statek.store.errors import StoreDamaged
from statek.store.records import UnreadableRow, unpack_event

_LAST: Final = f"SELECT {audit_table.COLUMNS} FROM audit ORDER BY sequence DESC LIMIT 1"  # noqa: S608
_TOLD: Final = "SELECT cursor FROM audit WHERE job = ? AND cursor IS NOT NULL ORDER BY sequence DESC LIMIT 1"
_UNTOLD: Final = """SELECT cursor, kind, body FROM events
    WHERE job = (SELECT number FROM jobs WHERE job = ?) AND cursor > ? ORDER BY cursor"""


class AuditLog:
    """The log as the ledger's writer sees it."""

    def __init__(self, ledger: Path, connection: sqlite3.Connection) -> None:
        """Find the end of the chain; raises `StoreDamaged` where there is none."""
        self._path = ledger
        self._connection = connection
        self._head = self._find_head()
        self.tail_missing = self._compare_head_file()
        """What is wrong with the end of the chain, if the file beside the ledger names another one."""
        self._head_file = HeadFile(ledger)

    @property
    def head(self) -> Head:
        return self._head

    def write(self, drafts: Iterable[Draft], events: Mapping[int, bytes]) -> Head:
        """Write the drafts within the caller's transaction; returns the head to `advance` to once that is durable."""
        records = list(seal(self._head, drafts, events))
        audit_table.insert(self._connection, records)
        return head_of(records[-1]) if records else self._head

    def advance(self, head: Head) -> None:
        """Go on from there: the transaction is durable. Raises `StoreUncertain`."""
        if head != self._head:
            self._head = head
            self._head_file.write(head)

    def untold(self, job: str) -> Untold | None:
        """Return what a former process had counted of a job's refusals and did not tell."""
        with reading(self._path):
            told = self._connection.execute(_TOLD, (job,)).fetchone()
            rows = self._connection.execute(_UNTOLD, (job, 0 if told is None else told[0])).fetchall()
        found: Untold | None = None
        for cursor, kind, body in rows:
            if kind not in AUDITED_EVENTS:
                continue
            for entry in entries_for(unpack_event(kind, body)):
                found = found or Untold(cursor, cursor)
                found.last = cursor
                found.counts[entry.kind] += 1
        return found

    def close(self) -> None:
        self._head_file.close()

    def _find_head(self) -> Head:
        last = self._record(_LAST, ())
        if last is None:
            raise StoreDamaged(self._path, "its audit log is empty", WAY_OUT)
        if record_hash(last) != last.hash:
            raise StoreDamaged(self._path, f"record {last.sequence} of its audit log was changed", WAY_OUT)
        return head_of(last)

    def _compare_head_file(self) -> str | None:
        """Say what is missing if the chain does not go through the head that the file names."""
        try:
            noted = read_head(self._path)
        except StoreDamaged as error:
            return str(error)
        if noted is None:
            return None
        sql = f"SELECT {audit_table.COLUMNS} FROM audit WHERE sequence = ?"  # noqa: S608 - constants of ours
        record = self._record(sql, (noted.sequence,))
        if record is not None and record.hash == noted.hash:
            return None
        return (
            f"record {noted.sequence} with hash {noted.hash.hex()} was there and is not any more; "
            f"the log ended at record {self._head.sequence}"
        )

    def _record(self, sql: str, parameters: tuple[int, ...]) -> AuditRecord | None:
        with reading(self._path):
            rows = self._connection.execute(sql, parameters).fetchall()
        try:
            return audit_table.to_record(rows[0]) if rows else None
        except UnreadableRow as error:
            raise StoreDamaged(self._path, f"a record of its audit log cannot be read: {error}", WAY_OUT) from error
