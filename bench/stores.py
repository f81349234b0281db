"""Stores of many jobs, made quickly: the history of one real job, written for each under a name of its own.

Every row goes through the real ledger; only the guests were not run. What is not written is the audit log's part.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from statek.core.events import Event, FutureCreated, JobCreated, JobSuspended
from statek.core.evolve import evolve
from statek.core.jobs import Job
from statek.core.workspaces import WorkspaceChange
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.ledger import Ledger, Record

Adapt: TypeAlias = Callable[[Event, str], Event]
"""Makes an event of the model into the same event of another job."""

JOBS_AT_ONCE: Final = 500
"""Jobs whose histories are appended in one transaction."""


@dataclass(frozen=True)
class Model:
    """A job that has run: its history, its variables, and the blobs that both name."""

    events: tuple[Event, ...]
    variables: WorkspaceChange
    blobs: Mapping[str, bytes]

    @classmethod
    def of(cls, store: Path, name: str) -> Model:
        """Take a job out of a store."""
        with History.read(StoreDirectory(store).ledger) as history:
            job = history.job(name)
            assert job is not None, f"no job {name}"
            events = tuple(stored.event for stored in history.events(name, 0, 10_000))
            workspace = history.workspace(job)
            parts = tuple((part, workspace.data[number]) for number, part in workspace.manifest.segments.items())
            blobs = {digest: history.blob(digest) for digest in _digests(events)}
        return cls(events, WorkspaceChange(parts, (), workspace.manifest), blobs)


def of_the_job(event: Event, name: str) -> Event:
    """Give an event the name of its job, where it says one."""
    return replace(event, job=name) if isinstance(event, JobCreated) else event


def with_own_keys(event: Event, name: str) -> Event:
    """Let each job wait for a key of its own."""
    if isinstance(event, FutureCreated) and event.key:
        return replace(event, key=name)
    return replace(event, since_us=_now()) if isinstance(event, JobSuspended) else of_the_job(event, name)


def fill(store: Path, model: Model, names: Iterable[str], adapt: Adapt = of_the_job) -> None:
    """Write the model's history for each of the names, into a store that nothing runs on."""
    directory = StoreDirectory.create_or_open(store)
    with directory.lock(), closing(Ledger.open(directory.ledger)) as ledger:
        for some in _chunks(names):
            _append(ledger, model, {name: [adapt(event, name) for event in model.events] for name in some})


def _append(ledger: Ledger, model: Model, histories: Mapping[str, Sequence[Event]]) -> None:
    jobs = [_folded(events) for events in histories.values()]
    records = [Record(name, _now(), event) for name, events in histories.items() for event in events]
    ledger.append(records, jobs, model.blobs, workspaces=[(name, model.variables) for name in histories])


def _folded(events: Sequence[Event]) -> Job:
    job: Job | None = None
    for event in events:
        job = evolve(job, event)
    assert job is not None
    return job


def _digests(events: Sequence[Event]) -> set[str]:
    """List the blobs that the events name and that a replay needs: sources and policies."""
    fields = itertools.product(events, ("source", "policy"))
    return {digest for event, name in fields if (digest := getattr(event, name, ""))}


def _chunks(names: Iterable[str]) -> Iterator[list[str]]:
    left = iter(names)
    while some := list(itertools.islice(left, JOBS_AT_ONCE)):
        yield some


def _now() -> int:
    return time.time_ns() // 1_000
