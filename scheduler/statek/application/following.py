"""Waiting for a job to end, from a thread of any process: woken by what happens to it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from statek.application import asking
from statek.core.jobs import OVER, Job
from statek.errors import SchedulerSilent, StatekError
from statek.inspection.shapes import LedgerSource
from statek.settings.sources import store_in_force
from statek.store.directory import StoreDirectory
from statek.store.mirror import THREAD_NAME as APPLICATION_THREAD

Wait: TypeAlias = Callable[[float], None]
"""Waits until something may have happened to the job, so many seconds at most."""

LOOK_SECONDS: Final = 1.0
"""After so much silence it is looked whether the scheduler is still there."""


class NotEnded(StatekError, TimeoutError):
    """The job had not ended when the time was over; it goes on."""

    def __init__(self, job: str, status: str, seconds: float) -> None:
        super().__init__(f"the job {job!r} has not ended within {seconds:g} s: it is {status}, and goes on")
        self.job = job
        self.status = status


def wait_for_end(
    source: LedgerSource, read: Callable[[], Job], name: str, timeout: float | None, store: Path | str | None
) -> Job:
    """Return the job once it is DONE, as `read` gives it; raises `NotEnded` when time is over.

    Neither from the scheduler's own loop nor from dbzero's thread, which the job may need. Where no scheduler runs, one
    is waited for; raises `SchedulerSilent` when the one of this process ends meanwhile.
    """
    here = asking.scheduler_here(store)
    _refuse_where_it_would_wait_for_itself(here)
    until = None if timeout is None else time.monotonic() + timeout
    with _changes_elsewhere(source, name, store) if here is None else _changes_here(here, name) as wait:
        while (job := read()).status not in OVER:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise NotEnded(name, job.status, timeout or 0.0)
            wait(LOOK_SECONDS if left is None else min(left, LOOK_SECONDS))
        return job


def _refuse_where_it_would_wait_for_itself(here: asking.Scheduler | None) -> None:
    if here is not None and threading.get_ident() == here.thread:
        raise RuntimeError("the scheduler's loop cannot wait for a job: use await asyncio.to_thread(job.wait)")
    if here is not None and threading.current_thread().name == APPLICATION_THREAD:
        raise RuntimeError(
            "dbzero's thread cannot wait for a job, which may need it: return create_sub_task(...) from a tool that is "
            "marked with @temporal(), or mark the tool with @tool(thread=True)"
        )


@contextmanager
def _changes_here(here: asking.Scheduler, name: str) -> Iterator[Wait]:
    """Be woken by the commits of a scheduler in this process."""
    happened, listening = threading.Event(), threading.Event()

    def listen(changed: set[str]) -> None:
        if name in changed:
            happened.set()

    def begin() -> None:
        here.loop.listeners.append(listen)
        listening.set()

    def wait(seconds: float) -> None:
        if not happened.wait(seconds) and not here.serves:
            raise SchedulerSilent(f"the scheduler of this process has ended; {name!r} goes on with the next one")
        happened.clear()

    if not _have_done(here, begin) or not listening.wait(asking.GIVE_UP_SECONDS):
        raise SchedulerSilent("the scheduler of this process does not go on")
    try:
        yield wait
    finally:
        _have_done(here, lambda: here.loop.listeners.remove(listen))


def _have_done(here: asking.Scheduler, work: Callable[[], None]) -> bool:
    """Have something done in a scheduler's loop; False where that is closed, and nothing is left to be done."""
    try:
        here.asyncio_loop.call_soon_threadsafe(work)
    except RuntimeError:
        return False
    return True


@contextmanager
def _changes_elsewhere(source: LedgerSource, name: str, store: Path | str | None) -> Iterator[Wait]:
    """Be told by a scheduler of another process, whenever one runs."""
    from statek.client.client import Client  # here, because an application in the scheduler's process needs no sockets

    with source.reading() as ledger:
        cursor = ledger.last_cursor
    path = Path(store) if store is not None else store_in_force(os.environ)
    with Client(StoreDirectory(path).client_socket) as client:

        def wait(seconds: float) -> None:
            nonlocal cursor
            cursor = client.await_news(name, cursor, seconds)

        yield wait
