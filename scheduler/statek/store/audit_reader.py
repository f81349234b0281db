"""What the audit log can be asked, beside its writer or on a copy: nothing is changed, and no lock of the store taken.

Everything read here may have been changed by somebody who can write the file, so a row that does not even have its
types is told as such and never trusted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from statek.audit.agreement import AuditedEvent
from statek.audit.chain import EMPTY, Head, event_digest, head_of
from statek.audit.kinds import AUDITED_EVENTS, entries_for
from statek.audit.query import Query
from statek.audit.records import AuditRecord
from statek.core.events import JobForgotten
from statek.store.audit_table import COLUMNS, to_record
from statek.store.database import reading
from statek.store.errors import StoreDamaged
from statek.store.reader import Reader, Row
from statek.store.records import UnreadableRow, unpack_event

_PAGE: Final = 500
_SELECT: Final = f"SELECT {COLUMNS} FROM audit"  # noqa: S608 - constants of ours
_EVENTS: Final = f"""SELECT e.cursor, j.job, e.at_us, e.kind, e.body
    FROM events AS e LEFT JOIN jobs AS j ON j.number = e.job
    WHERE e.cursor > :after AND e.kind IN ({", ".join(f"'{kind}'" for kind in sorted(AUDITED_EVENTS))})
    ORDER BY e.cursor LIMIT :page"""  # noqa: S608 - constants of ours
_TOMBSTONE: Final = """SELECT body FROM events
    WHERE job = (SELECT number FROM jobs WHERE job = :job) AND kind = 'job_forgotten' ORDER BY cursor DESC LIMIT 1"""
_WAY_OUT: Final = "`statek audit --verify` names the first such record"


class AuditReader(Reader):
    """The audit log as a reader sees it; raises a `StoreError` for a ledger that has none."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See one state of the log for the duration of a block, whatever is written meanwhile."""
        with reading(self._path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with reading(self._path):
                self._connection.execute("ROLLBACK")

    @property
    def last_sequence(self) -> int:
        return int(self._rows("SELECT coalesce(max(sequence), 0) FROM audit")[0][0])

    def select(self, query: Query, after: int = 0, limit: int | None = None) -> Iterator[AuditRecord]:
        """Yield the records that are asked for, in order: all that follow a sequence number, or the last ones of them.

        Raises `StoreDamaged` at a row that cannot be a record.
        """
        if limit is None:
            yield from self._forward(query, after)
            return
        sql = f"{_SELECT} WHERE {_condition(query)} ORDER BY sequence DESC LIMIT :page"
        for row in reversed(self._rows(sql, {**_parameters(query), "after": after, "page": limit})):
            yield self._record(row)

    def chain(self) -> Iterator[tuple[int, AuditRecord | None]]:
        """Yield all rows in order by sequence number; None for one that cannot be a record."""
        after = 0
        while rows := self._rows(
            f"{_SELECT} WHERE sequence > :after ORDER BY sequence LIMIT {_PAGE}", {"after": after}
        ):
            for row in rows:
                yield row[0], _record_or_none(row)
            after = rows[-1][0]

    def followers(self, head: Head) -> list[AuditRecord]:
        """Return the records that claim to follow that head, wherever they stand."""
        rows = self._rows(f"{_SELECT} WHERE previous = :hash LIMIT {_PAGE}", {"hash": head.hash})
        return [record for record in map(_record_or_none, rows) if record is not None]

    def events(self, after: int) -> Iterator[AuditedEvent]:
        """Yield the events that have to have records, in order."""
        while rows := self._rows(_EVENTS, {"after": after, "page": _PAGE}):
            yield from (event for event in map(_to_event, rows) if event is not None)
            after = rows[-1][0]

    def forgotten(self, job: str) -> int:
        """Return up to which event those of a job may be missing because it was forgotten; 0 where none may.

        Whether that is true shows in the chain, which has the record of what says so here.
        """
        rows = self._rows(_TOMBSTONE, {"job": job})
        try:
            event = unpack_event(JobForgotten.kind, rows[0][0]) if rows else None
        except (UnreadableRow, TypeError):
            return 0
        return event.last if isinstance(event, JobForgotten) else 0

    def may_have_lease(self, job: str) -> bool:
        """Tell whether the job is under way, so that what is counted of it need not be told yet."""
        return bool(
            self._rows(
                "SELECT 1 FROM jobs WHERE job = :job AND status IN ('WARMING_UP', 'STARTED', 'SUSPENDED')", {"job": job}
            )
        )

    def _forward(self, query: Query, after: int) -> Iterator[AuditRecord]:
        sql = f"{_SELECT} WHERE {_condition(query)} ORDER BY sequence LIMIT :page"
        parameters = {**_parameters(query), "page": _PAGE}
        while rows := self._rows(sql, {**parameters, "after": after}):
            yield from map(self._record, rows)
            after = rows[-1][0]

    def _record(self, row: Row) -> AuditRecord:
        try:
            record = to_record(row)
            record.said  # noqa: B018 - whoever shows it must not meet a body that is none
        except (UnreadableRow, ValueError) as error:
            raise StoreDamaged(self._path, f"audit record {row[0]} cannot be read: {error}", _WAY_OUT) from error
        return record


def last_head(reader: AuditReader) -> Head:
    """Return the head of the chain as it stands, unverified."""
    for record in reader.select(Query(), limit=1):
        return head_of(record)
    return EMPTY


def _condition(query: Query) -> str:
    """Write the condition; every value of the query's is a parameter."""
    parts = ["sequence > :after"]
    parts += ["job = :job"] if query.job is not None else []
    parts += ["kind IN (SELECT value FROM json_each(:kinds))"] if query.kinds else []
    parts += ["at_us >= :since"] if query.since_us is not None else []
    parts += ["at_us <= :until"] if query.until_us is not None else []
    return " AND ".join(parts)


def _parameters(query: Query) -> dict[str, Any]:
    kinds = json.dumps(sorted(query.kinds))
    return {"job": query.job, "kinds": kinds, "since": query.since_us, "until": query.until_us}


def _record_or_none(row: Row) -> AuditRecord | None:
    try:
        return to_record(row)
    except UnreadableRow:
        return None


def _to_event(row: Row) -> AuditedEvent | None:
    """Say which records an event has to have; None where it needs none, no kinds where it cannot be read."""
    cursor, job, at_us, kind, body = row
    try:
        entries = entries_for(unpack_event(kind, body))
    except (UnreadableRow, TypeError):
        return AuditedEvent(cursor, str(job), (), False, b"")
    if not entries:
        return None
    if not (isinstance(job, str) and isinstance(at_us, int)):
        return AuditedEvent(cursor, str(job), (), False, b"")
    digest = event_digest(cursor, job, at_us, kind, body)
    return AuditedEvent(cursor, job, tuple(entry.kind for entry in entries), entries[0].refusal, digest)
