"""How is a new ledger made of what can still be read of a damaged one? Job by job, and each job whole or not at all.

A job whose events add up, with its variables and its sources, is taken as it is; its state is what its events come to.
Any other would tell a wrong history, or do again what was done: it is left out and named. The audit log is taken as far
as it can be read, and what is missing in it stays visible to whoever verifies it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from statek.core.events import JobForgotten
from statek.store import agent_table, audit_table, blob_uses, completions, database, queue_table, totals
from statek.store.audit_head import HeadFile
from statek.store.audit_reader import AuditReader, last_head
from statek.store.completions import completion
from statek.store.database import open_reader
from statek.store.history import History
from statek.store.ledger_scan import Row, Scan, by_fault, row_of, rows
from statek.store.records import Record, UnreadableRow, checksum, pack, unpack_event

T = TypeVar("T")

_EVENTS: Final = ("events", "cursor", "job, batch, kind, number, at_us, body, checksum")
_SEGMENTS: Final = ("segments", "rowid", "job, number, described, checksum, data")
_BLOBS: Final = ("blobs", "rowid", "digest, data")
_COMPLETIONS: Final = ("completions", "number", "key, value, error, at_us, checksum, taken")
_AGENTS: Final = ("agents", "number", agent_table.COLUMNS)
_QUEUED: Final = ("queue_items", "number", queue_table.COLUMNS)
_AUDIT: Final = ("audit", "sequence", "at_us, kind, job, cursor, event, body, previous, hash")
_SUBMISSIONS: Final = "SELECT key, job, first_batch, cursor FROM submissions"


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was made of a damaged ledger."""

    jobs: int
    left_out: dict[str, list[str]]
    """Jobs that are not in it, with what is wrong with each."""
    lost: list[str]
    """What else is not in it: rows that belong to no job that is known."""


def salvage(damaged: Path, new: Path, found: Scan) -> Salvage:
    """Make a ledger beside the damaged one, which stays as it is; raises a `StoreError`."""
    kept = {number for number, job in found.jobs.items() if not job.faults}
    lost = list(found.lost)
    database.make_empty(new)
    with closing(open_reader(damaged)) as source, closing(_writable(new)) as target, database.writing(new):
        source.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        target.execute("BEGIN")
        _put(target, "jobs", 8, (_job_row(found, number) for number in sorted(kept)))
        _put(target, "blobs", 2, (row for _, row in _of(source, _BLOBS, lost) if row[0] in found.blobs))
        _put(target, "events", 8, ((key, *row) for key, row in _of(source, _EVENTS, []) if row[0] in kept))
        _put(target, "segments", 5, (row for _, row in _of(source, _SEGMENTS, []) if row[0] in kept))
        _put(target, "submissions", 4, (row for row in _submissions(source, lost) if row[1] in kept))
        _put_completions(target, _of(source, _COMPLETIONS, lost), lost)
        agent_table.write(target, _readable(_of(source, _AGENTS, []), agent_table.agent))
        queue_table.write(target, {item.number: item for item in _readable(_of(source, _QUEUED, []), queue_table.item)})
        _index_promises(target)
        blob_uses.make_anew(target)
        _put_totals(target, source, lost)
        _put(target, "erasures", 2, _erasures(target))
        _put_audit(target, source, lost)
        target.execute("COMMIT")
    _check(new)
    return Salvage(len(kept), by_fault(found.damaged), lost)


def _of(source: sqlite3.Connection, table: tuple[str, str, str], lost: list[str]) -> Iterator[tuple[int, Row]]:
    name, key, columns = table
    for place, row in rows(source, name, key, columns):
        if row is None:
            lost.append(f"{row_of(place, name)}: its page cannot be read")
        else:
            yield place, row


def _put(target: sqlite3.Connection, table: str, width: int, values: Iterable[tuple[Any, ...]]) -> None:
    target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", values)  # noqa: S608 - our own names


def _job_row(found: Scan, number: int) -> tuple[Any, ...]:
    job = found.jobs[number].state
    assert job is not None  # it would have a fault
    state = pack(job)
    total = checksum(job.job, job.status, job.outcome, state)
    return number, job.job, job.status, job.outcome, state, total, job.parent, job.agent


def _submissions(source: sqlite3.Connection, lost: list[str]) -> Iterator[Row]:
    try:
        yield from source.execute(_SUBMISSIONS)
    except sqlite3.DatabaseError as error:
        lost.append(f"keys of submissions: a client that submits one again makes another job ({error})")


def _put_completions(target: sqlite3.Connection, found: Iterator[tuple[int, Row]], lost: list[str]) -> None:
    for number, row in found:
        try:
            completion(row)
        except UnreadableRow as error:
            lost.append(f"the completion of {row[0]!r}: {error}")
            continue
        key, value, error_, at_us, total, taken = row
        _put(target, "completions", 7, [(number, key, value, error_, at_us, taken, total)])


def _readable(found: Iterator[tuple[int, Row]], read: Callable[[Row], T]) -> Iterator[T]:
    """Yield what can be read of rows; the scan has named the others."""
    for _, row in found:
        with suppress(UnreadableRow):
            yield read(row)


def _put_totals(target: sqlite3.Connection, source: sqlite3.Connection, lost: list[str]) -> None:
    """Take the sums as they are, since they also count what is forgotten; count anew where they cannot be read."""
    try:
        found = source.execute(totals.FROM, (0,)).fetchall()
        for row in found:
            totals.total(row)
    except (sqlite3.DatabaseError, UnreadableRow) as error:
        lost.append(f"the sums of what jobs used: they are counted anew, without forgotten jobs ({error})")
        totals.make_anew(target)
    else:
        _put(target, "usage_totals", 17, found)


def _index_promises(target: sqlite3.Connection) -> None:
    """Make the index over futures anew, from the events that are there now."""
    sql = "SELECT j.job, e.at_us, e.kind, e.body FROM events AS e JOIN jobs AS j ON j.number = e.job ORDER BY e.cursor"
    for job, at_us, kind, body in target.execute(sql).fetchall():
        if kind.startswith("future_"):
            completions.write(target, [Record(job, at_us, unpack_event(kind, body))], ())


def _erasures(target: sqlite3.Connection) -> list[Row]:
    """Have what is left of forgotten jobs deleted; of most there is nothing left."""
    sql = "SELECT job, max(cursor) FROM events WHERE kind = ? GROUP BY job"
    return target.execute(sql, (JobForgotten.kind,)).fetchall()


def _put_audit(target: sqlite3.Connection, source: sqlite3.Connection, lost: list[str]) -> None:
    target.execute("DELETE FROM audit")
    _put(target, "audit", 9, ((key, *row) for key, row in _of(source, _AUDIT, lost)))
    if target.execute("SELECT 1 FROM audit LIMIT 1").fetchone() is None:
        lost.append("the whole audit log: a new one begins")
        last = target.execute("SELECT coalesce(max(cursor), 0) FROM events").fetchone()[0]
        audit_table.insert_first(target, last)


def _writable(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _check(new: Path) -> None:
    """Read the new ledger through, and note the end of its audit log beside it."""
    with History.read(new) as ledger:
        ledger.verify()
    with closing(AuditReader.read(new)) as audit:
        head = HeadFile(new)
        head.write(last_head(audit))
        head.close()
