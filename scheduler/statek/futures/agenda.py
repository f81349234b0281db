"""Which futures are due to be looked at, and which deadlines have passed. Pure; the clock comes in, in seconds.

What is to be looked at lies in a heap by its time. What rests on changes in dbzero lies in a set for each prefix; a
change moves the whole set at once, however large, and it is then taken from bit by bit. So nothing here costs more for
what merely waits.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from statek.core.awaiting import FutureEntry
from statek.futures import pacing
from statek.futures.registry import Terms

OVERDUE_SECONDS: Final = 2.0
"""How long after its deadline a future still waits for its last look, when dbzero's thread is busy."""

Key = tuple[str, int]
"""Job and number of a future."""


@dataclass(slots=True)
class Watch:
    """A future that a suspended job waits for."""

    since: float
    terms: Terms
    temporal: bool
    """It has a condition to look at."""
    due: float | None = None
    """When it is looked at next, as far as the clock decides."""
    deadline: float | None = None
    failures: int = 0
    last: bool = False
    """Its deadline has passed: the next look is the last one."""


class Agenda:
    """All futures that are waited for."""

    def __init__(self) -> None:
        self._watches: dict[Key, Watch] = {}
        self._of_job: dict[str, set[int]] = {}
        self._looks: list[tuple[float, int, Key]] = []
        self._deadlines: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._resting: dict[str, set[Key]] = {}
        self._stirred: deque[set[Key]] = deque()
        self._states: dict[str, int] = {}
        self.cost = 0.0
        """Of one look, in seconds: an average that follows slowly."""

    def __len__(self) -> int:
        return len(self._watches)

    def get(self, key: Key) -> Watch | None:
        return self._watches.get(key)

    @property
    def prefixes(self) -> Collection[str]:
        """Return the prefixes of dbzero that futures rest on."""
        return self._resting.keys()

    def set_job(
        self, job: str, entries: Iterable[FutureEntry], terms: Terms, now: float, at_us: int, since_us: int
    ) -> None:
        """Watch exactly these futures of a job; none when it does not wait.

        `at_us` is `now` in µs of Unix time, and `since_us` when the wait began: that may be long ago, at a start.
        """
        wanted = {entry.number: entry for entry in entries}
        for number in self._of_job.pop(job, set()) - wanted.keys():
            del self._watches[job, number]
        if wanted:
            self._of_job[job] = set(wanted)
        for entry in wanted.values():
            if (job, entry.number) not in self._watches:
                self._add((job, entry.number), entry, terms, now, at_us, since_us)

    def _add(self, key: Key, entry: FutureEntry, terms: Terms, now: float, at_us: int, since_us: int) -> None:
        waited = max(0, at_us - since_us) / 1e6
        watch = self._watches[key] = Watch(now - waited, terms, entry.shape == "temporal")
        if watch.temporal:
            self._look_at(key, watch, now + pacing.first(waited, len(self), self.cost))
        if entry.deadline_us is not None:
            self._set_deadline(key, watch, now + max(0, entry.deadline_us - at_us) / 1e6)

    def due(self, now: float) -> Iterator[Key]:
        """Take what is to be looked at now, one by one: first what a change has stirred."""
        while self._stirred:
            keys = self._stirred[0]
            while keys:
                key = keys.pop()
                if key in self._watches:
                    yield key
            self._stirred.popleft()
        while self._looks and self._looks[0][0] <= now:
            due, _, key = heapq.heappop(self._looks)
            watch = self._watches.get(key)
            if watch is not None and watch.due == due:
                yield key

    def expired(self, now: float) -> list[Key]:
        """Take the futures whose time is over. One with a condition has a last look first."""
        over: list[Key] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, _, key = heapq.heappop(self._deadlines)
            watch = self._watches.get(key)
            if watch is None or watch.deadline != deadline:
                continue
            if not watch.temporal or watch.last:
                over.append(key)
            else:
                watch.last = True
                self._look_at(key, watch, now)
                self._set_deadline(key, watch, now + OVERDUE_SECONDS)
        return over

    def wake_at(self, not_before: float) -> float | None:
        """Return when something is due next; looks are not due before a time."""
        first = [self._deadlines[0][0]] if self._deadlines else []
        if any(self._stirred):
            first.append(not_before)
        elif self._looks:
            first.append(max(not_before, self._looks[0][0]))
        return min(first, default=None)

    def again(self, key: Key, now: float, *, failed: bool, before: Mapping[str, int], taken: float = 0.0) -> None:
        """Look at it again some time: it is not there.

        `before` is how the prefixes stood that it looks at, `taken` the seconds that the look took.
        """
        self.cost += 0.05 * (min(taken, pacing.SLOW_SECONDS) - self.cost)
        watch = self._watches.get(key)
        if watch is None:
            return
        watch.failures = watch.failures + 1 if failed else 0
        resting = bool(before) and not failed
        self.stand(before)
        changed = any(self._states[prefix] > number for prefix, number in before.items())
        seconds = pacing.interval(
            now - watch.since,
            watch.failures,
            resting=resting and not changed,
            taken=taken,
            waiting=len(self),
            cost=self.cost,
        )
        self._look_at(key, watch, now + seconds)
        if resting:
            for prefix in before:
                self._resting.setdefault(prefix, set()).add(key)

    def put_back(self, key: Key, now: float) -> None:
        """Look at it as soon as there is time: it was not looked at."""
        watch = self._watches.get(key)
        if watch is not None:
            self._look_at(key, watch, now)

    def stand(self, states: Mapping[str, int]) -> None:
        """Take in how some prefixes stand: what rests on one that has moved is looked at."""
        for prefix, number in states.items():
            known = self._states.setdefault(prefix, number)
            if number > known:
                self._states[prefix] = number
                self.stir((prefix,))

    def stir(self, prefixes: Iterable[str]) -> None:
        """Have whatever rests on these prefixes looked at."""
        for prefix in list(prefixes):
            keys = self._resting.pop(prefix, None)
            if keys:
                self._stirred.append(keys)

    def _look_at(self, key: Key, watch: Watch, due: float) -> None:
        watch.due = due
        heapq.heappush(self._looks, (due, next(self._order), key))

    def _set_deadline(self, key: Key, watch: Watch, deadline: float) -> None:
        watch.deadline = deadline
        heapq.heappush(self._deadlines, (deadline, next(self._order), key))
