"""Looking at jobs, from any process on the machine of the store: by name, by what they are, or summed up.

It reads the ledger, beside a running scheduler or without one, and sees what is durable. In an application:

    job = get_job(job_uuid)
    print(job.status, job.py_env.console, job.usage.cost)
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, get_args

from statek.core.jobs import Job, JobStatus, Outcome
from statek.errors import StatekError
from statek.inspection.shapes import LedgerSource
from statek.inspection.views import JobView
from statek.settings.sources import store_in_force
from statek.store.directory import StoreDirectory
from statek.store.job_search import Counted, JobSearch, Wanted
from statek.store.totals import UsageTotal

PAGE: Final = 100
_NEAR: Final = 3
_LOOKED_THROUGH: Final = 200
"""Names that are compared with one that nobody knows."""


class UnknownJob(StatekError):
    """There is no job of that name in the store."""

    def __init__(self, job: str, near: Collection[str]) -> None:
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"there is no job {job!r} in this store{hint}")
        self.job = job
        self.near = tuple(near)


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs of those that were asked for, in order."""

    jobs: tuple[JobView, ...]
    after: int | None
    """What to pass to go on; None where there were no more."""


class StoreView:
    """A store as those see it who only look. From any thread; it holds nothing open between two calls."""

    def __init__(self, store: Path | str | None = None) -> None:
        """Without `store` the scheduler of this process is meant, or the store that `statek` commands use.

        Nothing is read yet, so nothing is raised.
        """
        self.source = LedgerSource(StoreDirectory(_store(store)).ledger)

    @classmethod
    def of(cls, ledger: Path) -> StoreView:
        """Look at the ledger at that very path, as a copy of one can have."""
        view = cls.__new__(cls)
        view.source = LedgerSource(ledger)
        return view

    def reading(self) -> AbstractContextManager[JobSearch]:
        """Keep one connection for all that this thread asks within a block; raises a `StoreError`."""
        return self.source.reading()

    def job(self, name: str) -> JobView:
        """Return a job; raises `UnknownJob` or a `StoreError`."""
        return JobView(self.source, self.state(name))

    def state(self, name: str) -> Job:
        """Return what decisions about a job are made from; raises `UnknownJob` or a `StoreError`."""
        with self.source.reading() as ledger:
            found = ledger.job(name)
            if found is None:
                raise UnknownJob(name, _near(name, ledger))
        return found

    def find(
        self,
        *,
        status: str | Collection[str] | None = None,
        agent: str | None = None,
        outcome: str | None = None,
        parent: str | None = None,
        since_us: int | None = None,
        newest: bool = False,
        after: int | None = None,
        limit: int = PAGE,
    ) -> JobPage:
        """Return jobs in the order in which they were made, or the newest first.

        Raises ValueError for a status or an outcome that no job can have, or a `StoreError`.
        `since_us` asks for those made since that instant, by their order: a clock that was set back can blur it.
        Jobs that retention forgot are only among them where the status FORGOTTEN is asked for.
        """
        statuses = (status,) if isinstance(status, str) else status
        _check(statuses, outcome, limit)
        with self.source.reading() as ledger:
            found = ledger.find(Wanted(statuses, agent, outcome, parent, since_us), after, limit, newest=newest)
        views = tuple(JobView(self.source, job) for _, job in found)
        return JobPage(views, found[-1][0] if len(found) == limit else None)

    def counts(self) -> tuple[Counted, ...]:
        """Count the jobs by agent and status; raises a `StoreError`."""
        with self.source.reading() as ledger:
            return tuple(ledger.counted())

    def usage(self, since: date | None = None) -> tuple[UsageTotal, ...]:
        """Return what all jobs used by day, agent and model, those too that are forgotten; raises a `StoreError`."""
        with self.source.reading() as ledger:
            return tuple(ledger.usage(since))


def get_job(name: str, *, store: Path | str | None = None) -> JobView:
    """Return a job by its name, its uuid; raises `UnknownJob` or a `StoreError`."""
    return StoreView(store).job(name)


def find_jobs(
    *,
    status: str | Collection[str] | None = None,
    agent: str | None = None,
    outcome: str | None = None,
    parent: str | None = None,
    newest: bool = False,
    after: int | None = None,
    limit: int = PAGE,
    store: Path | str | None = None,
) -> JobPage:
    """Return jobs by what they are, as `StoreView.find` does."""
    return StoreView(store).find(
        status=status, agent=agent, outcome=outcome, parent=parent, newest=newest, after=after, limit=limit
    )


def _check(statuses: Collection[str] | None, outcome: str | None, limit: int) -> None:
    unknown = [*set(statuses or ()).difference(get_args(JobStatus))]
    if unknown:
        raise ValueError(f"no job has the status {unknown[0]!r}; there are: {', '.join(get_args(JobStatus))}")
    if outcome is not None and outcome not in get_args(Outcome):
        raise ValueError(f"no job has the outcome {outcome!r}; there are: {', '.join(get_args(Outcome))}")
    if limit < 1:
        raise ValueError(f"limit is at least 1, not {limit}")


def _store(store: Path | str | None) -> Path:
    if store is not None:
        return Path(store)
    asking = sys.modules.get("statek.application.asking")  # without it there is no scheduler in this process
    here = asking.scheduler_here(None) if asking is not None else None
    return here.directory if here is not None else store_in_force(os.environ)


def _near(name: str, ledger: JobSearch) -> list[str]:
    """Name some jobs that may have been meant."""
    known = ledger.named_like(name[: len(name) // 2], _LOOKED_THROUGH)
    return [near for near in known if near.startswith(name)][:_NEAR] or difflib.get_close_matches(name, known, _NEAR)
