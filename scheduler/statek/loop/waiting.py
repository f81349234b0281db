"""The loop's part about futures: who waits for what, what is to be watched for them, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, Protocol

from statek.core import futures, subtasks, waits
from statek.core.awaiting import OF_SUBTASK, FutureEntry
from statek.core.decisions import Decision
from statek.core.events import Event, FutureCreated, FutureResolved, FutureTroubled, JobEnded
from statek.core.futures import FUTURE_FAILED, WAIT_CANCELLED, Settlement
from statek.core.instructions import CheckFuture
from statek.core.jobs import OVER, Job, digest
from statek.core.moment import Moment
from statek.errors import StatekError
from statek.futures.registry import Terms
from statek.loop.tick import Tick
from statek.store.completions import EARLY_KEPT, Completion
from statek_policies import Limits
from statek_protocol.messages.base import ARGUMENTS_LIMIT, TEXT_LIMIT
from statek_protocol.messages.client.answers import JOBS_TOLD

if TYPE_CHECKING:
    from statek.loop.loop import Loop

CANCELLED: Final = Settlement.failed(WAIT_CANCELLED, "the wait was given up from outside")
TAKEN_UP_AT_ONCE: Final = 200
TAKE_UP_SECONDS: Final = 0.01
CompletionOutcome = Literal["completed", "kept", "late", "duplicate"]


class TooManyCompletions(StatekError):
    """No more completions are kept that no future has taken; complete a key once a job waits for it."""

    def __init__(self) -> None:
        super().__init__(
            f"{EARLY_KEPT} completions wait for a future of their key already, and no more are kept: "
            "complete a key once a job has a future of it"
        )


class Watcher(Protocol):
    """Looks at futures; see `futures.watcher`."""

    def watch(self, job: str, entries: Iterable[FutureEntry], terms: Terms, since_us: int) -> None:
        """Watch exactly these futures of a job, which waits since then."""

    def look(self, job: str, entries: Iterable[FutureEntry], terms: Terms, answer: Callable[[], None]) -> None:
        """Look at these now, then call back."""


class Waiting:
    """Keeps no job: those that only wait are rows in the ledger."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.watcher: Watcher | None = None
        self.max_suspended: int | None = None
        self.on_completed: Callable[[str, int, Settlement], object] = lambda *_: None
        """Told of a future, by job and number, that was completed from outside."""
        self.suspended = 0
        """Jobs that wait for a future, parked ones among them."""
        self._left: Iterator[Job] | None = None
        """Suspended jobs of the ledger whose waits are not taken up yet."""
        self._moved: set[str] = set()
        """Jobs to which something has happened while waits are taken up: what was read of them may be old."""

    def moment(self, tick: Tick, job: str) -> Moment:
        """Say what a decision about the job may need to know."""
        known = self._loop.job_in_turn(tick, job)
        limit = ARGUMENTS_LIMIT if known is None else self._limits(known, tick).argument_bytes
        return Moment(tick.at_us, partial(self._resolved, tick, job), limit, self.suspended, self.max_suspended)

    def begin(self) -> None:
        """Begin to take up the waits that the ledger has; `take_up` goes on with it."""
        self.suspended = self._loop.ledger.counts().get("SUSPENDED", 0)
        self._left = self._loop.ledger.jobs(("SUSPENDED",))

    def take_up(self, tick: Tick) -> None:
        """Take up some more waits: many take a while to read, and a scheduler with many is to start at once."""
        jobs = list(islice(self._left or (), TAKEN_UP_AT_ONCE))
        for job in jobs:
            if job.awaited is None:
                self.suspended -= 1  # it is held for a person's decision, and waits for no future
            elif job.job not in self._moved:
                self._watch(self._loop.end_former_lease(tick, job) if job.leased else job)
                self._loop.steering.take_up_messages(job)
        if len(jobs) < TAKEN_UP_AT_ONCE:
            self._left = None
            self._moved.clear()

    async def take_up_all(self) -> None:
        """Take up all that is left, a portion in each turn."""
        while self._left is not None:
            self._loop.do(self.take_up)
            await asyncio.sleep(TAKE_UP_SECONDS)

    def follow(self, tick: Tick, before: Job | None, job: Job) -> None:
        """Watch what a job waits for from now on, if that has changed, once it is durable."""
        if self._left is not None:
            self._moved.add(job.job)
        was = before.awaited if before is not None else None
        self.suspended += (job.awaited is not None) - (was is not None)
        if job.awaited != was or (job.awaited is not None and before is not None and job.futures != before.futures):
            tick.then(partial(self._watch, job))

    def take_in(self, tick: Tick, name: str, made: tuple[Event, ...]) -> None:
        """Resolve what a tool brought and what is there already: combinations of futures that are."""
        created = [event for event in made if isinstance(event, FutureCreated)]
        if created:
            numbers = {event.number for event in created}
            moment = self.moment(tick, name)
            self._loop.decide(tick, name, lambda job, lease: futures.follow(job, lease, numbers, moment))
        for event in created:
            completion = self._completion(tick, event.key) if event.key else None
            if completion is not None:
                tick.completed[event.key] = replace(completion, taken=True)
                self._settled(name, event.number, Settlement(completion.value, completion.error), (), tick)

    def look(self, name: str, check: CheckFuture) -> None:
        """Have somebody look whether a future is there, and answer the call that asks."""
        job = self._loop.job(name)
        if job is None or self.watcher is None:
            return
        answer = partial(self._loop.do, partial(self._checked, name, check))
        self.watcher.look(name, futures.sources(job, check.future), self._terms(job), answer)

    # what comes from outside

    def complete(
        self, tick: Tick, key: str, settlement: Settlement, *, for_ever: bool = True
    ) -> tuple[CompletionOutcome, int, tuple[str, ...]]:
        """Complete a key, once: its open futures now, and those that are made later; raises `TooManyCompletions`.

        Returns also how many were open, and the first of their jobs that have ended: only tried again do they go on.
        What no future has taken yet is kept `for_ever`, of which there is room for so much; or else among the newest.
        """
        if self._completion(tick, key) is not None:
            return "duplicate", 0, ()
        promises = self._promises(tick, key)
        waiting = [future for future, is_open in promises.items() if is_open]
        taken = bool(waiting) or not for_ever
        if not taken and self._loop.ledger.early_completions() + len(tick.completed) >= EARLY_KEPT:
            raise TooManyCompletions
        tick.completed[key] = Completion(key, settlement.value, settlement.error, tick.at_us, taken)
        for job, number in waiting:
            self._settled(job, number, settlement, (), tick)
            tick.then(partial(self.on_completed, job, number, settlement))
        outcome: CompletionOutcome = "completed" if waiting else "late" if promises else "kept"
        tick.note("future_completed", {"key": key, "outcome": outcome, "futures": len(waiting), **_told(settlement)})
        return outcome, len(waiting), tuple(islice(self._ended(tick, waiting), JOBS_TOLD))

    def _ended(self, tick: Tick, waiting: Iterable[tuple[str, int]]) -> Iterator[str]:
        """Yield, of the jobs that futures are of, those that have ended."""
        for name in dict.fromkeys(name for name, _ in waiting):
            job = self._loop.job_in_turn(tick, name)
            if job is not None and job.status in OVER:
                yield name

    def cancel_key(self, tick: Tick, key: str) -> int:
        """Give up the open futures of a key; returns how many there were."""
        waiting = [future for future, is_open in self._promises(tick, key).items() if is_open]
        for job, number in waiting:
            self._settled(job, number, CANCELLED, (), tick)
        if waiting:
            tick.note("future_cancelled", {"key": key, "futures": len(waiting)})
        return len(waiting)

    def cancel_job(self, tick: Tick, name: str, reason: str = "") -> int:
        """Give up what a job waits for; returns how many futures that are, 0 or 1."""
        job = self._loop.job_in_turn(tick, name)
        if job is None or job.awaited is None:
            return 0
        tick.note("future_cancelled", {"waiting_job": name, "future": job.awaited.future.number})
        cancelled = Settlement.failed(WAIT_CANCELLED, reason) if reason else CANCELLED
        self._settled(name, job.awaited.future.number, cancelled, (), tick)
        return 1

    def complete_subtask(self, tick: Tick, job: Job, end: JobEnded) -> None:
        """Let whoever waits for a subtask know how it ended: its first end counts.

        Not every subtask has a future, now or ever, so none of them takes the room of what applications complete early.
        Of one that has none, the model of its parent is told by a message, as of anything else that happens outside.
        """
        key = f"{OF_SUBTASK}{job.job}"
        outcome, *_ = self.complete(tick, key, subtasks.settlement(job, end), for_ever=False)
        parent = self._loop.job_in_turn(tick, job.parent)
        if outcome == "kept" and parent is not None and subtasks.wants_notice(parent):
            self._loop.steering.push(tick, parent.job, subtasks.notice(job, end), job.job)

    def _completion(self, tick: Tick, key: str) -> Completion | None:
        return tick.completed.get(key) or self._loop.ledger.completion(key)

    def _promises(self, tick: Tick, key: str) -> dict[tuple[str, int], bool]:
        """Return the futures of a key, and whether each is open, as of this moment in the turn."""
        known = {(job, number): is_open for job, number, is_open in self._loop.ledger.promises(key)}
        known |= dict.fromkeys(tick.promised.get(key, ()), True)
        return {future: is_open and future not in tick.resolved for future, is_open in known.items()}

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
        self._loop.do(partial(self._take_trouble, job, troubled))

    def _take_trouble(self, name: str, troubled: FutureTroubled, tick: Tick) -> None:
        job = self._loop.job_in_turn(tick, name)
        if job is not None and job.future(troubled.number) is not None:
            self._record(name, (troubled,), tick)

    def _record(self, name: str, events: tuple[Event, ...], tick: Tick) -> None:
        self._loop.decide(tick, name, lambda _, lease: Decision(events, (), lease))

    def _settled(self, name: str, number: int, settlement: Settlement, events: tuple[Event, ...], tick: Tick) -> None:
        if events:
            self._record(name, events, tick)
            self.take_in(tick, name, events)
        moment = self.moment(tick, name)
        self._loop.decide(
            tick,
            name,
            lambda job, lease: futures.resolve(job, lease, number, self._fitting(job, settlement, tick), moment),
        )

    def _fitting(self, job: Job, settlement: Settlement, tick: Tick) -> Settlement:
        """Let no value cross to a job that is larger than its policy allows; it came from outside."""
        limit, size = self._limits(job, tick).argument_bytes, len(settlement.value or b"")
        if size <= limit:
            return settlement
        text = f"its value cannot cross to the guest: argument_bytes: {size} bytes; {limit} are allowed"
        return Settlement.failed(FUTURE_FAILED, text)

    def _checked(self, name: str, check: CheckFuture, tick: Tick) -> None:
        moment = self.moment(tick, name)
        self._loop.decide(tick, name, lambda job, lease: waits.checked(job, lease, check, moment))

    def _resolved(self, tick: Tick, job: str, number: int) -> FutureResolved | None:
        return tick.resolved.get((job, number)) or self._loop.ledger.future_resolved(job, number)

    def _watch(self, job: Job) -> None:
        if self.watcher is not None:
            awaited = job.awaited
            entries = futures.sources(job, awaited.future.number) if awaited is not None else ()
            self.watcher.watch(job.job, entries, self._terms(job), awaited.since_us if awaited is not None else 0)

    def _terms(self, job: Job) -> Terms:
        limits = self._limits(job)
        return Terms(limits, job.futures_registered, limits.pending_waits - len(job.futures))

    def _limits(self, job: Job, tick: Tick | None = None) -> Limits:
        """Return the limits that hold for a job; its policy may have come in this very turn."""
        if tick is not None:
            return self._loop.policy_in_turn(tick, job.policy_due).limits
        return self._loop.policy(job.policy_due).limits


def _told(settlement: Settlement) -> dict[str, str | None]:
    """Say for the audit log what a key was completed with: a digest of the value, or the error's type."""
    value, error = settlement.value, settlement.error
    return {"value": None if value is None else digest(value), "error": None if error is None else error.type}
