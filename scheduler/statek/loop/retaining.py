"""How long are jobs kept that have ended? Those beyond their time are forgotten, a portion in each turn.

Forgetting one is a fact like any other: an event, with its record on the audit log, durable before anything is
deleted. What the job had is deleted afterwards (`store.forgetting`), so a kill at any moment leaves either a job or a
forgotten one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from statek.core.jobs import Job
from statek.loop.tick import Tick
from statek.store.errors import StoreDamaged
from statek.store.forgetting import Summary
from statek.store.ledger import Ledger

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)

EVENTS_AT_ONCE: Final = 500
"""Events that are summed up in a turn before the jobs that they belong to are forgotten."""
ROWS_AT_ONCE: Final = 500
PAGES_AT_ONCE: Final = 250
"""One megabyte, moved to the front of the file."""
DUE_AT_ONCE: Final = 100
LOOK_SECONDS: Final = 60.0
"""Between two looks for jobs that have been kept for long enough."""
PORTION_SECONDS: Final = 0.05
"""Between two portions: a turn with one takes some ten milliseconds, so others have most of the time."""


class Forgetter:
    """Forgets, in portions, the jobs that ended before an instant. Belongs to whoever writes the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.forgotten = 0
        """Jobs that were forgotten here."""
        self.events = 0
        """How many events these had."""
        self._ledger = ledger
        self._due: deque[str] = deque()
        self._place = (0, 0)
        """How far the walk over the jobs by their ends has come."""
        self._summing: tuple[str, Summary] | None = None
        """The job whose events are being read, and what is known of them."""

    def look(self) -> None:
        """Begin a walk over all jobs that have ended."""
        self._place = (0, 0)

    def decide(self, tick: Tick, before_us: int) -> bool:
        """Decide about a portion of them, as a part of a turn; tell whether that was all."""
        left = EVENTS_AT_ONCE
        while left > 0:
            if self._summing is None and not self._next(tick, before_us):
                return True
            left -= self._sum_up(tick, left, before_us)
        return False

    def carry_out(self) -> bool:
        """Delete a portion of what forgotten jobs had, and give free space back; tell whether nothing is left."""
        if self._ledger.erase(ROWS_AT_ONCE):
            return False
        return not self._ledger.give_back(PAGES_AT_ONCE)

    def _next(self, tick: Tick, before_us: int) -> bool:
        """Take the next job into hand; False when there is none any more."""
        if not self._due:
            found = self._ledger.due_to_forget(before_us, self._place, DUE_AT_ONCE)
            self._due.extend(dict.fromkeys(name for _, _, name in found))
            self._place = found[-1][:2] if found else self._place
        if not self._due:
            return False
        self._summing = (self._due.popleft(), Summary())
        return True

    def _sum_up(self, tick: Tick, limit: int, before_us: int) -> int:
        """Read more of the job in hand, and forget it when all is read; returns how many events that were, or 1."""
        assert self._summing is not None, "a job is in hand"
        name, summary = self._summing
        self._summing = None
        try:
            rows = self._ledger.raw_events(name, summary.last, limit)
        except StoreDamaged as error:
            log.warning("job %s is kept as it is, because its record is damaged: %s", name, error)
            return 1
        if len(rows) == limit:
            self._summing = (name, summary.plus(rows))
        else:
            self._forget(tick, name, summary.plus(rows), before_us)
        return max(1, len(rows))

    def _forget(self, tick: Tick, name: str, summary: Summary, before_us: int) -> None:
        """Forget a job unless something has happened to it, or to its family, since it was found."""
        job = self._ledger.job(name)
        if job is None or job.status != "DONE" or summary.ended_us >= before_us or _is_stirred(tick, job):
            return
        tick.record(name, job, (summary.tombstone(job),))
        self.forgotten += 1
        self.events += summary.events


class Retention:
    """Forgets the jobs of a running scheduler."""

    def __init__(self, loop: Loop, seconds: float, clock: Callable[[], float] = time.time) -> None:
        """`seconds` is how long a job is kept after its end; `clock` tells the time in seconds of Unix time."""
        self._loop = loop
        self._seconds = seconds
        self._clock = clock
        self._forgetter = Forgetter(loop.ledger)
        self._began, self._began_at = clock(), time.monotonic()

    @property
    def forgotten(self) -> int:
        """Return how many jobs were forgotten since the start."""
        return self._forgetter.forgotten

    async def run(self) -> None:
        """Look for jobs to forget, for ever."""
        while True:
            self._forgetter.look()
            at_rest = False
            while not at_rest:
                turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                self._loop.do(partial(self.portion, turn.set_result))
                at_rest = await turn
                await asyncio.sleep(PORTION_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    def portion(self, on_done: Callable[[bool], object], tick: Tick) -> None:
        """Decide about some jobs in this turn; once that is durable, delete something of what forgotten ones had.

        Then `on_done` is told whether nothing is left to do.
        """
        before_us = int((self._now() - self._seconds) * 1e6)
        decided = self._forgetter.decide(tick, before_us)
        tick.then(lambda: on_done(self._forgetter.carry_out() and decided))

    def _now(self) -> float:
        """Return the time; a clock that is set forward while the scheduler runs lets no job end earlier."""
        return min(self._clock(), self._began + time.monotonic() - self._began_at)


def _is_stirred(tick: Tick, job: Job) -> bool:
    """Tell whether something of this very turn concerns a job or its family."""
    stirred = [other for other in tick.changed.values() if other.status != "FORGOTTEN"]
    return any(other.job in (job.job, job.parent) or other.parent == job.job for other in stirred)
