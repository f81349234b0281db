"""What the ledger can be asked: jobs, events, blobs and submissions.

Any thread or process may ask, with a connection of its own. Every row is checked when it is read; one that is not what
was written raises `StoreDamaged` with its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from statek.core.events import (
    BatchSubmitted,
    CallAnswered,
    Event,
    FutureCreated,
    FutureResolved,
    FutureTroubled,
    HandleBound,
    JobForgotten,
)
from statek.core.jobs import Job, digest
from statek.core.workspaces import EMPTY_ROOT, Manifest, Workspace
from statek.store import agent_table, completions, forgetting, queue_table, segments
from statek.store.agent_table import KnownAgent
from statek.store.completions import Completion
from statek.store.database import WAY_OUT, check_everything
from statek.store.errors import StoreDamaged
from statek.store.queue_table import QueueDepth, QueueItem
from statek.store.reader import Reader, Row
from statek.store.records import Stored, Submission, UnreadableRow, checksum, unpack_event, unpack_job

T = TypeVar("T")

_PAGE: Final = 500
"""Jobs fetched at a time, so that a walk over all of them neither holds them all nor keeps a read transaction open."""
_EVENTS: Final = """SELECT e.cursor, j.job, e.at_us, e.kind, e.body, e.checksum
    FROM events AS e JOIN jobs AS j ON j.number = e.job"""
_OF_JOB: Final = "e.job = (SELECT number FROM jobs WHERE job = :job)"
_OF_KINDS: Final = "e.kind IN (SELECT value FROM json_each(:kinds))"
_CHILDREN: Final = "SELECT job FROM jobs WHERE parent = ? AND parent <> '' ORDER BY number"
_JOBS: Final = "SELECT number, job, status, outcome, state, checksum FROM jobs"


class History(Reader):
    """The ledger as a reader sees it."""

    @property
    def last_cursor(self) -> int:
        """Return the cursor of the newest event, 0 in an empty ledger."""
        return int(self._row("SELECT coalesce(max(cursor), 0) FROM events")[0])

    def job(self, job: str) -> Job | None:
        """Return the job as the last append left it."""
        rows = self._rows(f"{_JOBS} WHERE job = ?", (job,))
        return self._to_job(rows[0]) if rows else None

    def jobs(self, statuses: Collection[str] | None = None) -> Iterator[Job]:
        """Walk over the jobs, oldest first within each status; a job is as it stands when the walk comes by.

        Those that are forgotten are only among them where their status is asked for. A job whose status changes during
        a walk over several statuses can be met twice or not at all.
        """
        if statuses is None:
            sql = f"{_JOBS} WHERE number > :after AND status <> 'FORGOTTEN' ORDER BY number LIMIT :page"
            yield from self._walk(sql, None)
        for status in statuses or ():
            sql = f"{_JOBS} WHERE status = :status AND number > :after ORDER BY number LIMIT :page"
            yield from self._walk(sql, status)

    def children(self, job: str) -> list[str]:
        """Return the names of a job's subtasks, in the order in which they were made."""
        return [name for (name,) in self._rows(_CHILDREN, (job,))]

    def counts(self) -> dict[str, int]:
        """Count the jobs by status; a status that no job has is left out, and so are jobs that are forgotten."""
        counted: dict[str, int] = dict(self._rows("SELECT status, count(*) FROM jobs GROUP BY status ORDER BY status"))
        counted.pop("FORGOTTEN", None)
        return counted

    def event_count(self) -> int:
        """Count the events that there are, which takes a while where there are millions."""
        return int(self._row("SELECT count(*) FROM events")[0])

    def missing_events(self) -> int:
        """Count the events that are gone although nobody deleted them; their cursors are in a row otherwise.

        What a salvage left out is known already: it put that on the audit log, and nothing is counted then.
        """
        if self._rows("SELECT 1 FROM audit WHERE kind = 'store_salvaged' LIMIT 1"):
            return 0
        gone, after = self.last_cursor - self.event_count(), 0
        while page := self.events(None, after, kinds=(JobForgotten.kind,)):
            gone -= sum(stored.event.events for stored in page if isinstance(stored.event, JobForgotten))
            after = page[-1].cursor
        return max(gone, 0)

    def due_to_forget(self, before_us: int, after: tuple[int, int], limit: int) -> list[tuple[int, int, str]]:
        """Return jobs that may be forgotten by an instant, by the instant and the cursor of an end of theirs.

        A job that ended several times can come once for each.
        """
        at_us, cursor = after
        return self._rows(forgetting.DUE, {"before": before_us, "at_us": at_us, "cursor": cursor, "limit": limit})

    def weight(self, job: str) -> tuple[int, int]:
        """Return how many events a job has, and the bytes in them, in its variables and in blobs of its own."""
        events, size = self._rows(forgetting.WEIGHT, {"job": job})[0]
        return int(events), int(size)

    def raw_events(self, job: str, after: int, limit: int) -> list[forgetting.RawEvent]:
        """Return the rows of a job's next events as they are; each has its checksum."""
        rows = self._rows(forgetting.RAW_EVENTS, {"job": job, "after": after, "limit": limit})
        for cursor, *columns, expected in rows:
            self._checked(f"event {cursor}", (cursor, *columns), expected, lambda: None)
        return rows

    def events(
        self, job: str | None, after: int = 0, limit: int = 1000, kinds: Collection[str] | None = None
    ) -> list[Stored]:
        """Return the next events after a cursor, in order: of one job or of all, of some kinds or of all."""
        conditions = ["e.cursor > :after"]
        conditions += [_OF_JOB] if job is not None else []
        conditions += [_OF_KINDS] if kinds is not None else []
        sql = " ".join((_EVENTS, "WHERE", " AND ".join(conditions), "ORDER BY e.cursor LIMIT :limit"))
        return self._stored(sql, {"job": job, "after": after, "limit": limit, "kinds": _json(kinds)})

    def events_before(self, job: str, before: int, kinds: Collection[str], limit: int = 100) -> list[Stored]:
        """Return the last events of a job before a cursor, of some kinds, the newest first."""
        sql = f"{_EVENTS} WHERE {_OF_JOB} AND e.cursor < :before AND {_OF_KINDS} ORDER BY e.cursor DESC LIMIT :limit"
        return self._stored(sql, {"job": job, "before": before, "kinds": _json(kinds), "limit": limit})

    def batch_events(self, job: str, batch: int, kinds: Collection[str] | None = None) -> list[Stored]:
        """Return what happened under one batch, in order."""
        conditions = [_OF_JOB, "e.batch = :batch", *([_OF_KINDS] if kinds is not None else [])]
        sql = " ".join((_EVENTS, "WHERE", " AND ".join(conditions), "ORDER BY e.cursor"))
        return self._stored(sql, {"job": job, "batch": batch, "kinds": _json(kinds)})

    def handles(self, job: str) -> list[HandleBound]:
        """Return what the numbers of a job's objects stand for, in order."""
        sql = f"{_EVENTS} WHERE {_OF_JOB} AND e.batch IS NULL AND e.kind = :kind ORDER BY e.cursor"
        found = self._stored(sql, {"job": job, "kind": HandleBound.kind})
        return [stored.event for stored in found if isinstance(stored.event, HandleBound)]

    def answer(self, job: str, batch: int, number: int) -> CallAnswered | None:
        """Return the recorded outcome of a call, or None when none is durable."""
        sql = f"{_EVENTS} WHERE {_OF_JOB} AND e.batch = :batch AND e.kind = :kind AND e.number = :number LIMIT 1"
        found = self._stored(sql, {"job": job, "batch": batch, "kind": CallAnswered.kind, "number": number})
        return found[0].event if found and isinstance(found[0].event, CallAnswered) else None

    def future_created(self, job: str, number: int) -> FutureCreated | None:
        """Return what made a future of the job, or None when there is none of that number."""
        event = self._of_future(job, FutureCreated.kind, number)
        return event if isinstance(event, FutureCreated) else None

    def future_resolved(self, job: str, number: int) -> FutureResolved | None:
        """Return what became of a future, or None when nothing is durable."""
        event = self._of_future(job, FutureResolved.kind, number)
        return event if isinstance(event, FutureResolved) else None

    def future_troubled(self, job: str, number: int) -> FutureTroubled | None:
        """Return the newest trouble with a future's condition, or None when there was none."""
        event = self._of_future(job, FutureTroubled.kind, number)
        return event if isinstance(event, FutureTroubled) else None

    def _of_future(self, job: str, kind: str, number: int) -> Event | None:
        sql = f"{_EVENTS} WHERE {_OF_JOB} AND e.batch IS NULL AND e.kind = :kind AND e.number = :number"
        sql = f"{sql} ORDER BY e.cursor DESC LIMIT 1"
        found = self._stored(sql, {"job": job, "kind": kind, "number": number})
        return found[0].event if found else None

    def promises(self, key: str) -> list[tuple[str, int, bool]]:
        """Return the futures with a key: job, number, and whether it is still open."""
        return [(job, number, bool(open_)) for job, number, open_ in self._rows(completions.PROMISES, (key,))]

    def completion(self, key: str) -> Completion | None:
        """Return what futures of that key come to, or None when nobody has completed it."""
        rows = self._rows(completions.COMPLETION, (key,))
        return self._read(f"the completion of {key!r}", partial(completions.completion, rows[0])) if rows else None

    def early_completions(self) -> int:
        """Count the completions that no future has taken yet."""
        return int(self._row(completions.EARLY)[0])

    def agents(self) -> list[KnownAgent]:
        """Return all agents that any program ever defined, by name."""
        return [
            self._read(f"the agent {row[0]!r}", partial(agent_table.agent, row)) for row in self._rows(agent_table.ALL)
        ]

    def agent(self, name: str) -> KnownAgent | None:
        """Return an agent, or None when no program ever defined it."""
        rows = self._rows(agent_table.ONE, (name,))
        return self._read(f"the agent {name!r}", partial(agent_table.agent, rows[0])) if rows else None

    def queue_depths(self) -> list[QueueDepth]:
        """Count what waits in queues, and what could not be delivered, for each queue and agent."""
        return [QueueDepth(*row) for row in self._rows(queue_table.DEPTHS)]

    def queue_item(self, number: int) -> QueueItem | None:
        """Return what waits under that number, or could not be delivered."""
        found = self._items(queue_table.ITEM, (number,))
        return found[0] if found else None

    def queue_items(self, queue: str, agent: str, after: int = 0, limit: int = 100) -> list[QueueItem]:
        """Return the next items that wait for an agent, or for jobs where that is empty, in order."""
        return self._items(queue_table.IN_LINE, {"queue": queue, "agent": agent, "after": after, "limit": limit})

    def dead_letters(self, queue: str, after: int = 0, limit: int = 100) -> list[QueueItem]:
        """Return the next items that could not be delivered, in order."""
        return self._items(queue_table.DEAD, {"queue": queue, "after": after, "limit": limit})

    def queue_number(self, queue: str, key: str) -> int | None:
        """Return the number of what was pushed with a key, also where it was delivered; None for a new key."""
        rows = self._rows(queue_table.KEY, (queue, key))
        return int(rows[0][0]) if rows else None

    def queue_key(self, queue: str, beginning: str) -> str | None:
        """Return a key with that beginning with which something was pushed; None where there is none."""
        rows = self._rows(queue_table.KEY_FROM, (queue, beginning))
        return str(rows[0][0]) if rows and rows[0][0].startswith(beginning) else None

    def queue_has_job(self, queue: str, job: str) -> bool:
        """Tell whether a message for the job waits in the queue."""
        return bool(self._rows(queue_table.HAS_JOB, (job, queue)))

    def last_queue_number(self) -> int:
        """Return the number of the item that was pushed last, 0 before the first."""
        return int(self._row(queue_table.LAST)[0])

    def _items(self, sql: str, parameters: Any) -> list[QueueItem]:
        return [
            self._read(f"item {row[0]} of a queue", partial(queue_table.item, row))
            for row in self._rows(sql, parameters)
        ]

    def source(self, job: str, batch: int) -> tuple[str, bytes]:
        """Return the name and the source of a batch; raises KeyError when there is no such batch."""
        for stored in self.batch_events(job, batch, (BatchSubmitted.kind,)):
            if isinstance(stored.event, BatchSubmitted):
                return stored.event.name, self.blob(stored.event.source)
        raise KeyError(f"{job} has no batch {batch}")

    def blob(self, name: str) -> bytes:
        """Return a blob by its digest; raises KeyError when there is none."""
        rows = self._rows("SELECT data FROM blobs WHERE digest = ?", (name,))
        if not rows:
            raise KeyError(name)
        data: bytes = rows[0][0]
        if digest(data) != name:
            raise self._damaged(f"blob {name} has another content")
        return data

    def manifest(self, job: str) -> Manifest:
        """Return what there is of a job's variables, without the variables."""
        rows = self._rows(segments.DESCRIBED, (job,))
        return Manifest.of(self._read(f"a segment of {job}", partial(segments.described, *row)) for row in rows)

    def workspace(self, job: Job) -> Workspace:
        """Return a job's variables as its last checkpoint left them."""
        rows = self._rows(segments.WHOLE, (job.job,))
        found = [self._read(f"a segment of {job.job}", partial(segments.whole, *row)) for row in rows]
        manifest = Manifest.of(segment for segment, _ in found)
        if manifest.root != (job.workspace or EMPTY_ROOT):
            raise self._damaged(f"the variables of {job.job} are not those of its last checkpoint")
        return Workspace(manifest, {segment.number: data for segment, data in found})

    def submission(self, key: str) -> Submission | None:
        """Return what a submission with that key became, or None when the key is new."""
        sql = """SELECT s.key, j.job, s.first_batch, s.cursor
            FROM submissions AS s JOIN jobs AS j ON j.number = s.job WHERE s.key = ?"""
        rows = self._rows(sql, (key,))
        return Submission(*rows[0]) if rows else None

    def verify(self) -> None:
        """Read and check everything there is; takes as long as reading the file. Raises `StoreDamaged`."""
        check_everything(self._path, self._connection)
        for job in self.jobs():
            self.workspace(job)
        after = 0
        while page := self.events(None, after):
            after = page[-1].cursor
        self.agents()
        for (number,) in self._rows("SELECT number FROM queue_items"):
            self.queue_item(number)
        for (name,) in self._rows("SELECT digest FROM blobs"):
            self.blob(name)

    def _walk(self, sql: str, status: str | None) -> Iterator[Job]:
        after = 0
        while rows := self._rows(sql, {"status": status, "after": after, "page": _PAGE}):
            yield from map(self._to_job, rows)
            after = rows[-1][0]

    def _row(self, sql: str) -> Row:
        return self._rows(sql)[0]

    def _stored(self, sql: str, parameters: dict[str, Any]) -> list[Stored]:
        return [self._to_stored(row) for row in self._rows(sql, parameters)]

    def _to_stored(self, row: Row) -> Stored:
        cursor, job, at_us, kind, body, expected = row
        event = self._checked(f"event {cursor}", row[:-1], expected, lambda: unpack_event(kind, body))
        return Stored(cursor, job, at_us, event, expected)

    def _to_job(self, row: Row) -> Job:
        _, job, status, outcome, state, expected = row
        return self._checked(f"job {job}", (job, status, outcome, state), expected, lambda: unpack_job(state))

    def _checked(self, place: str, columns: Row, expected: int, unpack: Callable[[], T]) -> T:
        if checksum(*columns) != expected:
            raise self._damaged(f"{place} does not have its checksum")
        return self._read(place, unpack)

    def _read(self, place: str, unpack: Callable[[], T]) -> T:
        try:
            return unpack()
        except UnreadableRow as error:
            raise self._damaged(f"{place} cannot be read: {error}") from error

    def _damaged(self, what: str) -> StoreDamaged:
        return StoreDamaged(self._path, what, WAY_OUT)


def _json(kinds: Collection[str] | None) -> str | None:
    return None if kinds is None else json.dumps(list(kinds))
