"""Which rows of a damaged ledger can still be read, and what is wrong with the others? Nothing is changed.

SQLite gives up a query at the first page that it cannot read. So rows are asked for by key: many at a time, and one by
one where that fails. Every row has to have its checksum, and a job's events have to add up to its state.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from statek.core.events import Event, JobCreated, JobForgotten
from statek.core.evolve import evolve
from statek.core.jobs import Job, digest
from statek.core.workspaces import EMPTY_ROOT, Manifest, StoredSegment
from statek.store import agent_table, queue_table, segments
from statek.store.blob_uses import blobs_of
from statek.store.database import open_reader
from statek.store.errors import StoreDamaged
from statek.store.records import UnreadableRow, checksum, unpack_event, unpack_job

Row: TypeAlias = tuple[Any, ...]

_PAGE: Final = 200
_EVENT_COLUMNS: Final = "job, batch, kind, number, at_us, body, checksum"
_JOB_COLUMNS: Final = "job, status, outcome, state, checksum"
_SEGMENT_COLUMNS: Final = "job, number, described, checksum, data"
_ENDS: Final = {
    "events": ("SELECT max(cursor) FROM events INDEXED BY events_of_job", "SELECT max(cursor) FROM audit"),
    "jobs": ("SELECT max(number) FROM jobs INDEXED BY jobs_by_status", "SELECT max(job) FROM events"),
}
"""Where the last key of a table is found when the table itself does not tell."""
_NO_WAY_IN: Final = "nothing was changed: restore a backup"
_UNREADABLE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)


@dataclass(slots=True)
class ScannedJob:
    """A job as far as it can be read."""

    number: int
    name: str = ""
    stored: Job | None = None
    folded: Job | None = None
    """What its events add up to."""
    faults: list[str] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    """Blobs without which its history cannot be told or gone on with."""
    segments: dict[int, StoredSegment] = field(default_factory=dict)

    @property
    def state(self) -> Job | None:
        return self.folded


@dataclass(slots=True)
class Scan:
    """What was found in a ledger."""

    jobs: dict[int, ScannedJob]
    blobs: set[str]
    """Those that are what their name says."""
    lost: list[str]
    """What cannot be read and belongs to no job that is known."""

    @property
    def damaged(self) -> list[ScannedJob]:
        return [job for job in self.jobs.values() if job.faults]


def scan(path: Path) -> Scan:
    """Read all that can be read; raises a `StoreError` where not even the tables are found."""
    try:
        connection = open_reader(path)
    except StoreDamaged as damage:
        raise StoreDamaged(path, damage.what, _NO_WAY_IN) from damage
    try:
        _find_tables(connection, path)
        return _Scanner(connection).scan()
    finally:
        connection.close()


def _find_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StoreDamaged` where jobs and events would seem to be none because nobody can find them."""
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except _UNREADABLE as error:
        raise StoreDamaged(path, f"its tables cannot be found ({error})", _NO_WAY_IN) from error
    for table, key in (("jobs", "number"), ("events", "cursor")):
        if _last_key(connection, table, key) is None:
            raise StoreDamaged(path, f"its {table} cannot be found", _NO_WAY_IN)


def rows(connection: sqlite3.Connection, table: str, key: str, columns: str) -> Iterator[tuple[int, Row | None]]:
    """Yield the rows of a table by key, in order; None for one that is on a page that cannot be read.

    A key that is not there any more is passed over like one that never was, where its page can be read. Where it cannot
    be found which rows there are, there is none, with the key 0.
    """
    after, last = 0, _last_key(connection, table, key)
    if last is None:
        yield 0, None
        return
    sql = f"SELECT {key}, {columns} FROM {table} WHERE {key}"  # noqa: S608 - constants of ours
    while after < last:
        try:
            page = connection.execute(f"{sql} > ? ORDER BY {key} LIMIT {_PAGE}", (after,)).fetchall()
        except _UNREADABLE:
            upto = min(after + _PAGE, last)
            for number in range(after + 1, upto + 1):
                yield from _one(connection, f"{sql} = ?", number)
            after = upto
        else:
            yield from ((row[0], row[1:]) for row in page)
            after = page[-1][0] if page else last


def row_of(place: int, table: str) -> str:
    """Name a row that cannot be read, as `rows` gives it."""
    return f"row {place} of {table}" if place else f"each row of {table}"


def _one(connection: sqlite3.Connection, sql: str, number: int) -> Iterator[tuple[int, Row | None]]:
    try:
        found = connection.execute(sql, (number,)).fetchone()
    except _UNREADABLE:
        yield number, None
    else:
        if found is not None:
            yield number, found[1:]


def _last_key(connection: sqlite3.Connection, table: str, key: str) -> int | None:
    """Return the last key of a table, 0 where it is empty; None where nothing tells it."""
    last = None
    for sql in (f"SELECT max({key}) FROM {table}", *_ENDS.get(table, ())):  # noqa: S608 - constants of ours
        try:
            last = max(last or 0, connection.execute(sql).fetchone()[0] or 0)
        except _UNREADABLE:
            continue
    return last


class _Scanner:
    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        self._connection = connection
        self._jobs: dict[int, ScannedJob] = {}
        self._lost: list[str] = []

    def scan(self) -> Scan:
        self._read_jobs()
        self._read_events()
        self._read_segments()
        blobs = self._read_blobs()
        self._read_others("agents", agent_table.COLUMNS, agent_table.agent)
        self._read_others("queue_items", queue_table.COLUMNS, queue_table.item)
        for job in self._jobs.values():
            _judge(job, blobs)
        return Scan(self._jobs, blobs, self._lost)

    def _read_jobs(self) -> None:
        for number, row in rows(self._connection, "jobs", "number", _JOB_COLUMNS):
            job = self._jobs[number] = ScannedJob(number)
            if row is not None and checksum(*row[:-1]) == row[-1]:
                job.name, job.stored = row[0], _job_or_none(row[3])

    def _read_events(self) -> None:
        owners: Mapping[int, int] | None = None
        for cursor, row in rows(self._connection, "events", "cursor", _EVENT_COLUMNS):
            if row is not None:
                self._take_event(cursor, row)
                continue
            owners = self._owners() if owners is None else owners
            self._blame(owners.get(cursor), f"event {cursor}", "its page cannot be read")

    def _take_event(self, cursor: int, row: Row) -> None:
        number, _, kind, _, at_us, body, expected = row
        job = self._jobs.setdefault(number, ScannedJob(number))
        event = _event_or_none(kind, body)
        if isinstance(event, JobCreated | JobForgotten):
            job.name = job.name or event.job  # the checksum below says whether that is true
        if event is None or checksum(cursor, job.name, at_us, kind, body) != expected:
            job.faults.append(f"event {cursor} is not what was written")
            return
        job.needs |= blobs_of(event)
        try:
            job.folded = evolve(job.folded, event)
        except Exception:  # noqa: BLE001 - what is missing may be whatever an event goes on from
            job.faults.append(f"event {cursor} cannot follow what there is before it")

    def _owners(self) -> Mapping[int, int]:
        """Return whose the events are by the index, which lies on other pages than they do."""
        try:
            return dict(self._connection.execute("SELECT cursor, job FROM events INDEXED BY events_of_job"))
        except _UNREADABLE:
            return {}

    def _read_segments(self) -> None:
        for place, row in rows(self._connection, "segments", "rowid", _SEGMENT_COLUMNS):
            if row is None:
                self._blame(None, f"segment {place}", "its page cannot be read")
                continue
            job = self._jobs.setdefault(row[0], ScannedJob(row[0]))
            try:
                job.segments[row[1]] = segments.whole(job.name, *row[1:])[0]
            except UnreadableRow as error:
                job.faults.append(f"segment {row[1]} of its variables: {error}")

    def _read_blobs(self) -> set[str]:
        good: set[str] = set()
        for place, row in rows(self._connection, "blobs", "rowid", "digest, data"):
            if row is not None and type(row[1]) is bytes and digest(row[1]) == row[0]:
                good.add(row[0])
            else:
                self._lost.append(f"blob {row[0] if row else place} is not what was written")
        return good

    def _read_others(self, table: str, columns: str, read: Callable[[Row], object]) -> None:
        """Read what belongs to no job."""
        for place, row in rows(self._connection, table, "number", columns):
            if row is None:
                self._blame(None, row_of(place, table), "its page cannot be read")
                continue
            try:
                read(row)
            except UnreadableRow as error:
                self._blame(None, f"row {place} of {table}", str(error))

    def _blame(self, number: int | None, what: str, why: str) -> None:
        if number is not None and number in self._jobs:
            self._jobs[number].faults.append(f"{what}: {why}")
        else:
            self._lost.append(f"{what}: {why}")


def _judge(job: ScannedJob, blobs: set[str]) -> None:
    """Find what only shows when all of a job is known."""
    if job.folded is None:
        job.faults.append("none of its events can be read")
        return
    if job.stored is not None and job.stored != job.folded and not job.faults:
        job.faults.append("its events do not add up to its state: some are missing")
    if job.folded.status == "FORGOTTEN":
        return  # what is left of it beside its name is about to be deleted
    if Manifest.of(job.segments.values()).root != (job.folded.workspace or EMPTY_ROOT):
        job.faults.append("its variables are not those of its last checkpoint")
    job.faults += [f"blob {name} of it is missing" for name in sorted(job.needs - blobs)]


def _event_or_none(kind: str, body: bytes) -> Event | None:
    try:
        return unpack_event(kind, body)
    except UnreadableRow:
        return None


def _job_or_none(state: bytes) -> Job | None:
    try:
        return unpack_job(state)
    except UnreadableRow:
        return None


def by_fault(jobs: list[ScannedJob]) -> dict[str, list[str]]:
    """Return the names of jobs with what is wrong with each."""
    found: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        found[job.name or f"the job of number {job.number}"] += job.faults
    return dict(found)
