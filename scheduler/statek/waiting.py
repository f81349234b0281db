"""The loop's part about futures: who waits for what, what is to be watched for them, and what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from statek.core import futures, waits
from statek.core.awaiting import FutureEntry
from statek.core.decisions import Decision
from statek.core.events import Event, FutureCreated, FutureResolved, FutureTroubled
from statek.core.futures import Settlement
from statek.core.instructions import CheckFuture
from statek.core.jobs import Job
from statek.core.moment import Moment
from statek.tick import Tick
from statek_policies import Limits
from statek_protocol.messages.base import TEXT_LIMIT

if TYPE_CHECKING:
    from statek.loop import Loop

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Looks at futures; see `futures.watcher`."""

    def watch(self, job: str, entries: Iterable[FutureEntry], limits: Limits) -> None:
        """Watch exactly these futures of a job."""

    def look(self, job: str, entries: Iterable[FutureEntry], limits: Limits, answer: Callable[[], None]) -> None:
        """Look at these now, then call back."""


class Waiting:
    """Keeps no job: those that only wait are rows in the ledger."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.watcher: Watcher | None = None
        self.max_suspended: int | None = None
        self.suspended = 0
        """Jobs that wait for a future, parked ones among them."""

    def moment(self, tick: Tick, job: str) -> Moment:
        """Say what a decision about the job may need to know."""
        return Moment(tick.at_us, partial(self._resolved, tick, job), self.suspended, self.max_suspended)

    def has_to_go_on(self, job: Job) -> bool:
        """Take up the wait of a job that is suspended at the start; tell whether there is more to do about it."""
        if job.awaited is None:
            return job.status != "SUSPENDED"
        self.suspended += 1
        self._watch(job)
        return job.leased

    def follow(self, tick: Tick, before: Job | None, job: Job) -> None:
        """Watch what a job waits for from now on, if that has changed, once it is durable."""
        was = before.awaited if before is not None else None
        self.suspended += (job.awaited is not None) - (was is not None)
        if job.awaited != was or (job.awaited is not None and before is not None and job.futures != before.futures):
            tick.then(partial(self._watch, job))

    def take_in(self, tick: Tick, name: str, made: tuple[Event, ...]) -> None:
        """Resolve what a tool brought and what is there already: combinations of futures that are."""
        if any(isinstance(event, FutureCreated) for event in made):
            self._loop.decide(tick, name, lambda job, lease: futures.follow(job, lease, self.moment(tick, name)))

    def look(self, name: str, check: CheckFuture) -> None:
        """Have somebody look whether a future is there, and answer the call that asks."""
        job = self._loop.job(name)
        if job is None or self.watcher is None:
            return
        answer = partial(self._loop.do, partial(self._checked, name, check))
        self.watcher.look(name, futures.sources(job, check.future), self._limits(job), answer)

    # what the watcher finds

    def future_created(self, job: str, number: int) -> FutureCreated | None:
        """Return the event that made the future."""
        return self._loop.ledger.future_created(job, number)

    def on_future_settled(self, job: str, number: int, settlement: Settlement, events: tuple[Event, ...] = ()) -> None:
        """Take the outcome of a future, and what else the job has to record for it."""
        self._loop.do(partial(self._settled, job, number, settlement, events))

    def on_future_troubled(self, job: str, number: int, error: str, failures: int) -> None:
        """Take notice that a future's condition failed."""
        troubled = FutureTroubled(number, error[:TEXT_LIMIT], failures)
        self._loop.do(partial(self._record, job, (troubled,)))

    def _record(self, name: str, events: tuple[Event, ...], tick: Tick) -> None:
        self._loop.decide(tick, name, lambda _, lease: Decision(events, (), lease))

    def _settled(self, name: str, number: int, settlement: Settlement, events: tuple[Event, ...], tick: Tick) -> None:
        if events:
            self._record(name, events, tick)
            self.take_in(tick, name, events)
        moment = self.moment(tick, name)
        self._loop.decide(tick, name, lambda job, lease: futures.resolve(job, lease, number, settlement, moment))

    def _checked(self, name: str, check: CheckFuture, tick: Tick) -> None:
        moment = self.moment(tick, name)
        self._loop.decide(tick, name, lambda job, lease: waits.checked(job, lease, check, moment))

    def _resolved(self, tick: Tick, job: str, number: int) -> FutureResolved | None:
        return tick.resolved.get((job, number)) or self._loop.ledger.future_resolved(job, number)

    def _watch(self, job: Job) -> None:
        if self.watcher is not None:
            entries = futures.sources(job, job.awaited.future.number) if job.awaited is not None else ()
            self.watcher.watch(job.job, entries, self._limits(job))

    def _limits(self, job: Job) -> Limits:
        return self._loop.policy(job.policy_due).limits
