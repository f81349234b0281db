"""Has futures looked at when that is due, and tells the loop what was found. In the scheduler's asyncio loop.

There is one timer, for whatever is due first. Looking happens in dbzero's thread, one portion at a time, and takes at
most a tenth of it. A condition that takes too long is interrupted; one that cannot be is reported, and what waits for
dbzero's thread waits with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future as ConcurrentFuture
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from statek.core.awaiting import FutureEntry
from statek.core.events import Event, FutureCreated
from statek.core.futures import WAIT_TIMEOUT, Settlement
from statek.futures import pacing
from statek.futures.agenda import Agenda, Key
from statek.futures.inspector import Finding, Inspector, Subject, states
from statek.futures.registry import Terms
from statek.store.errors import MirrorStopped

log = logging.getLogger(__name__)

BUDGET_SECONDS: Final = 1.0
"""What a condition or complement may take before it is interrupted."""
PORTION: Final = 100
"""Futures that are looked at together at most."""
FOREIGN_SECONDS: Final = 0.1
"""Between two looks at the state numbers of prefixes that futures rest on: another process may have changed them."""
CREATED_KEPT: Final = 10_000


class DbzeroThread(Protocol):
    """The thread that owns dbzero."""

    def submit(self, run: Callable[[], Any], *, quiet: bool = False) -> ConcurrentFuture[Any]:
        """Run a function there; quiet when it changes nothing that a future could be resting on."""


class Jobs(Protocol):
    """The loop, as far as it is told what was found."""

    def future_created(self, job: str, number: int) -> FutureCreated | None:
        """Return the event that made the future."""

    def on_future_settled(self, job: str, number: int, settlement: Settlement, events: tuple[Event, ...] = ()) -> None:
        """Take the outcome of a future."""

    def on_future_troubled(self, job: str, number: int, error: str, failures: int) -> None:
        """Take notice that a future's condition failed."""


@dataclass(slots=True)
class _Question:
    """Somebody wants to know now: these futures are looked at before all others."""

    subjects: list[Subject]
    answer: Callable[[], None]


class Watcher:
    """Watches over all futures that a job waits for."""

    def __init__(
        self, inspector: Inspector, thread: DbzeroThread, jobs: Jobs, *, budget_seconds: float = BUDGET_SECONDS
    ) -> None:
        self._inspector = inspector
        self._thread = thread
        self._jobs = jobs
        self._budget_seconds = budget_seconds
        self._loop = asyncio.get_running_loop()
        self._agenda = Agenda()
        self._questions: deque[_Question] = deque()
        self._created: OrderedDict[Key, FutureCreated] = OrderedDict()
        self._looking = False
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._foreign: asyncio.TimerHandle | None = None
        self._overrun: int | None = None
        """The run that was interrupted and has not come back."""
        self._closed = False

    @property
    def watching(self) -> int:
        """Return how many futures are watched."""
        return len(self._agenda)

    def watch(self, job: str, entries: Iterable[FutureEntry], terms: Terms, since_us: int) -> None:
        """Watch exactly these unresolved futures of a job, which waits since then; none when it does not wait."""
        self._agenda.set_job(job, entries, terms, time.monotonic(), time.time_ns() // 1_000, since_us)
        self._pump()

    def look(self, job: str, entries: Iterable[FutureEntry], terms: Terms, answer: Callable[[], None]) -> None:
        """Look at some futures now, and call back when what was found has been told."""
        wanted = (self._subject((job, entry.number), terms) for entry in entries if entry.shape == "temporal")
        subjects = [subject for subject in wanted if subject is not None]
        if not subjects or self._closed:
            answer()
            return
        self._questions.append(_Question(subjects, answer))
        self._pump()

    def stir(self) -> None:
        """Say that the application ran in dbzero's thread: it may have changed anything there. From any thread."""
        if not self._closed:
            self._loop.call_soon_threadsafe(self._stir)

    def close(self) -> None:
        """Look at nothing any more; what is under way is not waited for."""
        self._closed = True
        for timer in (self._timer, self._watchdog, self._foreign):
            if timer is not None:
                timer.cancel()

    def _stir(self) -> None:
        self._agenda.stir(self._agenda.prefixes)
        self._pump()

    def _pump(self) -> None:
        """Look at what is due, or sleep until something is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return
        now = time.monotonic()
        for job, number in self._agenda.expired(now):
            timeout = Settlement.failed(WAIT_TIMEOUT, "the value was not there in time")
            self._jobs.on_future_settled(job, number, timeout)
        subjects = [] if self._looking else self._take_due(now)
        if subjects:
            self._start(subjects)
        wake = self._agenda.wake_at(float("inf") if self._looking else self._not_before)
        if wake is not None and wake < float("inf"):
            self._timer = self._loop.call_later(max(0.0, wake - now), self._pump)

    def _take_due(self, now: float) -> list[Subject]:
        if self._questions:
            return self._questions[0].subjects
        subjects: list[Subject] = []
        keys = self._agenda.due(now) if now >= self._not_before else iter(())
        for key in keys:
            watch = self._agenda.get(key)
            subject = self._subject(key, watch.terms) if watch is not None else None
            if subject is not None:
                subjects.append(subject)
            if len(subjects) >= PORTION:
                break
        return subjects

    def _subject(self, key: Key, terms: Terms) -> Subject | None:
        created = self._created.get(key) or self._jobs.future_created(*key)
        if created is None:
            log.error("future %d of %s is waited for, and nothing says what it is", key[1], key[0])
            return None
        self._created[key] = created
        if len(self._created) > CREATED_KEPT:
            self._created.popitem(last=False)
        return Subject(key[0], created, terms)

    def _start(self, subjects: list[Subject]) -> None:
        try:
            future = self._thread.submit(partial(self._inspector.inspect, subjects), quiet=True)
        except MirrorStopped:
            self.close()
            return
        self._looking = True
        self._watchdog = self._loop.call_later(self._budget_seconds, self._watch_budget)
        future.add_done_callback(lambda done: self._tell_loop(self._finish, subjects, done))

    def _tell_loop(self, function: Callable[..., None], *args: Any) -> None:
        """Have something done in the asyncio loop; one that has ended has nobody left to tell."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    def _finish(self, subjects: list[Subject], done: ConcurrentFuture[tuple[Finding, ...]]) -> None:
        """Take what came of a portion."""
        self._looking = False
        self._overrun = None
        if self._watchdog is not None:
            self._watchdog.cancel()
        if self._closed or done.cancelled():
            return
        if isinstance(done.exception(), MirrorStopped):
            self.close()
            return
        findings = done.result()
        now = time.monotonic()
        for finding in findings:
            self._take(finding, now)
        self._not_before = now + pacing.pause(finding.seconds for finding in findings)
        self._answer(subjects, findings)
        self._ask_for_states()
        self._pump()

    def _answer(self, subjects: list[Subject], findings: tuple[Finding, ...]) -> None:
        """Answer whoever asked for this portion; what there was no time for is looked at next."""
        if not self._questions or self._questions[0].subjects is not subjects:
            return
        left = [
            subject for subject, finding in zip(subjects, findings, strict=True) if finding.state == "not looked at"
        ]
        if left:
            self._questions[0].subjects = left
        else:
            self._questions.popleft().answer()

    def _take(self, finding: Finding, now: float) -> None:
        key = (finding.job, finding.number)
        watch = self._agenda.get(key)
        if finding.state == "settled" and finding.settlement is not None:
            self._jobs.on_future_settled(*key, finding.settlement, finding.events)
        elif watch is None:
            return
        elif finding.state == "not looked at":
            self._agenda.put_back(key, now)
        elif watch.last:
            timeout = Settlement.failed(WAIT_TIMEOUT, "the value was not there in time")
            self._jobs.on_future_settled(*key, timeout)
        else:
            failed = finding.state == "troubled"
            self._agenda.again(key, now, failed=failed, before=finding.states, taken=finding.seconds)
            if failed:
                self._tell_trouble(key, finding.trouble, watch.failures)

    def _tell_trouble(self, key: Key, trouble: str, failures: int) -> None:
        if pacing.worth_telling(failures):
            log.warning("the condition of future %d of %s: %s", key[1], key[0], trouble)
            self._jobs.on_future_troubled(*key, trouble, failures)

    # what takes too long

    def _watch_budget(self) -> None:
        """Interrupt a condition that has used up its time; report one that does not come back from that."""
        running = self._inspector.budget.running()
        seconds = self._budget_seconds
        if running is not None:
            run, taken = running
            if run == self._overrun:
                self._report_hang(taken)
                return
            seconds -= taken
            if seconds <= 0:
                self._inspector.budget.interrupt(run)
                self._overrun, seconds = run, self._budget_seconds
        self._watchdog = self._loop.call_later(max(seconds, 0.001), self._watch_budget)

    def _report_hang(self, taken: float) -> None:
        key = self._inspector.current
        if key is not None:
            text = f"hangs for {taken:.1f} s and cannot be interrupted; everything in dbzero's thread waits for it"
            log.error("the condition of future %d of %s %s", key[1], key[0], text)
            self._jobs.on_future_troubled(*key, text, 1)

    # what other processes change

    def _ask_for_states(self) -> None:
        """While futures rest on changes, ask from time to time whether another process has made one."""
        if self._agenda.prefixes and self._foreign is None and not self._closed:
            self._foreign = self._loop.call_later(FOREIGN_SECONDS, self._read_states)

    def _read_states(self) -> None:
        self._foreign = None
        if self._closed or not self._agenda.prefixes:
            return
        try:
            future = self._thread.submit(partial(states, list(self._agenda.prefixes)), quiet=True)
        except MirrorStopped:
            return
        future.add_done_callback(lambda done: self._tell_loop(self._take_states, done))

    def _take_states(self, done: ConcurrentFuture[Mapping[str, int]]) -> None:
        if self._closed or done.cancelled() or done.exception() is not None:
            return
        self._agenda.stand(done.result())
        self._ask_for_states()
        self._pump()
