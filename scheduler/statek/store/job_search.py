"""Which jobs are there of some kind, and how many? Found by indices; nobody walks over all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

from statek.core.events import CallAnswered, JobForgotten
from statek.core.jobs import Job
from statek.store import totals
from statek.store.history import _EVENTS, _OF_KINDS, History, _json
from statek.store.history import _OF_JOB as _OF_THE_JOB
from statek.store.records import Stored
from statek.store.totals import UsageTotal

_NOT_FORGOTTEN: Final = "status <> 'FORGOTTEN'"
_COLUMNS: Final = "SELECT number, job, status, outcome, state, checksum FROM jobs"
_COUNTS: Final = "SELECT agent, status, count(*) FROM jobs GROUP BY agent, status ORDER BY agent, status"
_OF_JOB: Final = "job = (SELECT number FROM jobs WHERE job = ?)"
_FIRST: Final = f"{_EVENTS} WHERE {_OF_THE_JOB} ORDER BY e.cursor LIMIT 1"
_LAST: Final = f"SELECT at_us FROM events WHERE {_OF_JOB} ORDER BY cursor DESC LIMIT 1"  # noqa: S608 - constants of ours
_MADE: Final = f"""SELECT j.number, (SELECT at_us FROM events WHERE job = j.number ORDER BY cursor LIMIT 1)
    FROM jobs AS j WHERE j.number >= ? AND j.number < ? AND j.{_NOT_FORGOTTEN} ORDER BY j.number LIMIT 1"""  # noqa: S608
_ANSWER: Final = f"{_EVENTS} WHERE {_OF_THE_JOB} AND e.batch = :batch AND e.kind = :kind AND e.number = :number LIMIT 1"
_NEWEST: Final = f"{_EVENTS} WHERE {_OF_THE_JOB} AND {_OF_KINDS} ORDER BY e.cursor DESC LIMIT 1"
_IN_STATUSES: Final = "status IN (SELECT value FROM json_each(:statuses))"
_LIKE_IT: Final = "SELECT job FROM jobs WHERE job >= ? AND job < ? AND status <> 'FORGOTTEN' ORDER BY job LIMIT ?"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What jobs are looked for; None where it does not matter."""

    statuses: Collection[str] | None = None
    """None for all but those that are forgotten."""
    agent: str | None = None
    """Empty for jobs without one."""
    outcome: str | None = None
    parent: str | None = None
    since_us: int | None = None
    """Made since this instant, as far as the order of jobs tells."""

    @property
    def conditions(self) -> list[str]:
        found = [_NOT_FORGOTTEN if self.statuses is None else _IN_STATUSES]
        found += ["agent = :agent", "agent <> ''"] if self.agent else []
        found += ["agent = ''"] if self.agent == "" else []
        found += ["outcome = :outcome"] if self.outcome is not None else []
        found += ["parent = :parent", "parent <> ''"] if self.parent is not None else []
        found += ["number >= :first"] if self.since_us is not None else []
        return found


@dataclass(frozen=True, slots=True)
class Counted:
    """How many jobs an agent has in a status."""

    agent: str
    """Empty for jobs without one."""
    status: str
    jobs: int


class JobSearch(History):
    """The ledger as those see it who look for jobs and sums."""

    def find(self, wanted: Wanted, after: int | None, limit: int, *, newest: bool = False) -> list[tuple[int, Job]]:
        """Return the next jobs in the order in which they were made, or the other way round, each with its place.

        `after` is the place of the last one that is known, None to begin.
        """
        order, beyond = ("DESC", "<") if newest else ("ASC", ">")
        conditions = [*wanted.conditions, *([f"number {beyond} :after"] if after is not None else [])]
        sql = f"{_COLUMNS} WHERE {' AND '.join(conditions)} ORDER BY number {order} LIMIT :limit"
        parameters = {
            "statuses": _json(wanted.statuses),
            "agent": wanted.agent,
            "outcome": wanted.outcome,
            "parent": wanted.parent,
            "after": after,
            "first": None if wanted.since_us is None else self._first_since(wanted.since_us),
            "limit": limit,
        }
        return [(row[0], self._to_job(row)) for row in self._rows(sql, parameters)]

    def _first_since(self, at_us: int) -> int:
        """Return the place of the first job that was made since an instant, found by halving: places are in order."""
        low, high = 0, 1 + int(self._row("SELECT coalesce(max(number), 0) FROM jobs")[0])
        while low < high:
            middle = (low + high) // 2
            rows = self._rows(_MADE, (middle, high))
            if not rows or rows[0][1] >= at_us:
                high = middle
            else:
                low = rows[0][0] + 1
        return low

    def counted(self) -> list[Counted]:
        """Count the jobs by agent and status; those that are forgotten are left out."""
        return [Counted(*row) for row in self._rows(_COUNTS) if row[1] != "FORGOTTEN"]

    def begun_us(self, job: str) -> int:
        """Return when a job was made; of one that an earlier release has forgotten, when it had ended."""
        found = self._stored(_FIRST, {"job": job})
        if not found:
            raise KeyError(job)
        event = found[0].event
        return (event.created_us or event.ended_us) if isinstance(event, JobForgotten) else found[0].at_us

    def changed_us(self, job: str) -> int:
        """Return when the last event of a job happened."""
        rows = self._rows(_LAST, (job,))
        if not rows:
            raise KeyError(job)
        return int(rows[0][0])

    def named_like(self, beginning: str, limit: int) -> list[str]:
        """Return names of jobs that begin so."""
        return [name for (name,) in self._rows(_LIKE_IT, (beginning, beginning + "\U0010ffff", limit))]

    def last_event(self, job: str, kinds: Collection[str]) -> Stored | None:
        """Return the newest event of some kinds of a job, or None when there is none."""
        found = self._stored(_NEWEST, {"job": job, "kinds": _json(kinds)})
        return found[0] if found else None

    def call_answered(self, job: str, batch: int, number: int) -> Stored | None:
        """Return the event of a call's outcome, or None when none is durable."""
        parameters = {"job": job, "batch": batch, "kind": CallAnswered.kind, "number": number}
        found = self._stored(_ANSWER, parameters)
        return found[0] if found else None

    def usage(self, since: date | None = None) -> list[UsageTotal]:
        """Return what was used by day, agent and model, from a day on."""
        rows: list[Any] = self._rows(totals.FROM, (totals.first_day(since),))
        return [self._read(f"the usage of day {row[0]}", partial(totals.total, row)) for row in rows]
