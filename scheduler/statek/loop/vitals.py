"""How is a scheduler? Measured while it runs, and told at once from what is in memory and from the sizes of files."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.store.directory import StoreDirectory
from statek.store.mirror import Mirror
from statek_protocol.messages.client import Health
from statek_protocol.version import RELEASE

BEAT_SECONDS: Final = 0.1
"""Between two looks at how late the loop is."""
BEATS_KEPT: Final = 100


class Vitals:
    """What is known of a scheduler's health. In its loop's thread."""

    def __init__(
        self,
        loop: Loop,
        mirror: Mirror,
        directory: StoreDirectory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.forgotten: Callable[[], int] = lambda: 0
        """Tells how many jobs retention has deleted."""
        self._loop = loop
        self._mirror = mirror
        self._directory = directory
        self._clock = clock
        self._started = self._beat = clock()
        self._lags: deque[float] = deque([0.0], BEATS_KEPT)
        self._jobs = Counter(loop.ledger.counts())
        loop.witnesses.append(self._count)

    async def watch(self) -> None:
        """Measure how late the loop comes to things, for ever."""
        self._beat = self._clock()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.beat()

    def beat(self) -> None:
        """Take notice that the loop has come to this."""
        now = self._clock()
        self._lags.append(max(0.0, now - self._beat - BEAT_SECONDS))
        self._beat = now

    def facts(self, request: str) -> Health:
        """Tell how it is; nothing of it waits for anybody."""
        placing, executors, activity = self._loop.placing, self._loop.executors, self._mirror.activity
        return Health(
            request=request,
            release=RELEASE,
            uptime_seconds=self._clock() - self._started,
            lag_seconds=max(*self._lags, self._clock() - self._beat - BEAT_SECONDS),
            backlog=self._loop.backlog,
            jobs={status: jobs for status, jobs in sorted(self._jobs.items()) if jobs and status != "FORGOTTEN"},
            ready=placing.ready,
            active=placing.active,
            parked=placing.parked,
            executors=len(executors),
            workers=sum(executor.workers for executor in executors),
            cursor=self._loop.ledger.last_cursor,
            ledger_bytes=_size(self._directory.ledger),
            log_bytes=_size(self._directory.ledger.with_name(f"{self._directory.ledger.name}-wal")),
            objects_behind=activity.behind,
            objects_waiting=activity.waiting,
            objects_doing=activity.doing,
            objects_busy_seconds=activity.seconds if activity.doing else 0.0,
            copy_seconds=self._mirror.copy_seconds,
            forgotten=self.forgotten(),
        )

    def _count(self, tick: Tick) -> None:
        self._jobs.update(tick.moved)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
