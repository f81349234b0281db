"""When an application's own queue logic starts jobs: called in dbzero's thread, while there is room, at its own pace.

It is asked again soon after something happened (a job moved, a function ran in dbzero's thread, it started something),
and less and less often while nothing does. An error of it is told in the log, and it is left alone for a while; jobs,
other agents and the scheduler do not notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statek.calls.places import Raised
from statek.core.jobs import OVER, UNDER_WAY, Job
from statek.errors import StatekError
from statek.loop.roster import JobStart
from statek.loop.tick import Tick
from statek.store.errors import MirrorStopped
from statek.store.job_search import JobSearch, Wanted

if TYPE_CHECKING:
    from statek.application.asking import Scheduler
    from statek.loop.loop import Loop
    from statek.store.mirror import Mirror

log = logging.getLogger(__name__)

StartJobs = Callable[[int], object]
"""Starts jobs of its own choice, so many at most."""
QueueSize = Callable[[], int]
"""Tells how many tasks wait in the application's queue."""

SOONEST_SECONDS: Final = 0.05
LATEST_SECONDS: Final = 1.0
"""Between two times that the application is asked."""
TROUBLE_SECONDS: Final = (1.0, 60.0)
"""How long a function that raised is left alone: at first, and at most; each time twice as long."""
_PAGE: Final = 500
AT_ONCE: Final = 1_000
"""Jobs that are started together at most."""


@dataclass(frozen=True, slots=True)
class QueueLogic:
    """What an application says about when jobs start, besides its queues."""

    start_jobs: StartJobs | None = None
    sizes: Mapping[str, QueueSize] = field(default_factory=dict)
    """By agent: for each task that waits there is to be a job of the agent that is about to pick one."""
    auto_terminate: bool = False
    """The scheduler ends when nothing is under way, suspended or queued any more."""


class Census:
    """Which jobs are under way, and which of an agent have not come to their first turn yet."""

    def __init__(self, agents: Collection[str]) -> None:
        self._agents = frozenset(agents)
        self.arrived = 0
        """Jobs that came to be under way, since this was made."""
        self._under_way: set[str] = set()
        self._beginning: defaultdict[str, set[str]] = defaultdict(set)
        self._noticed: set[str] | None = set()
        """Jobs that were noticed before what the ledger has was taken in, and of which that is old."""

    def read(self, ledger: Path) -> list[Job]:
        """Return what the ledger has of jobs that count; in any thread, since there may be many."""
        with JobSearch.read(ledger) as search:
            found = list(search.jobs(tuple(UNDER_WAY)))
            for agent in self._agents:
                found += [job for job in _all(search, Wanted(("SUSPENDED",), agent)) if _is_beginning(job)]
        return found

    def begin(self, found: Iterable[Job]) -> None:
        """Take in what was read; from then on `take_notice` keeps up with it."""
        noticed, self._noticed = self._noticed or set(), None
        for job in found:
            if job.job not in noticed:
                self._count(job)

    def take_notice(self, tick: Tick) -> None:
        """Follow a turn, once it is durable."""
        for job in tick.changed.values():
            self._count(job)
            if self._noticed is not None:
                self._noticed.add(job.job)

    def _count(self, job: Job) -> None:
        """Take in where a job stands now."""
        self.arrived += job.status in UNDER_WAY and job.job not in self._under_way
        _keep(self._under_way, job.job, job.status in UNDER_WAY)
        if job.agent in self._agents:
            _keep(self._beginning[job.agent], job.job, _is_beginning(job))

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def beginning(self, agent: str) -> int:
        """Count an agent's jobs that wait for an executor, or are in their warm-up, suspended there or not."""
        return len(self._beginning[agent])


class Dispatching:
    """Asks the application's functions, in the loop's thread but for the functions themselves."""

    def __init__(self, here: Scheduler, logic: QueueLogic, max_concurrency: int, queues: frozenset[str] | None) -> None:
        """`queues` are those that the scheduler delivers; None for all."""
        self._loop: Loop = here.loop
        self._mirror: Mirror = here.mirror
        self._logic = logic
        self._max_concurrency = max_concurrency
        self._queues = queues
        self._census = Census(logic.sizes)
        self._stirred = asyncio.Event()
        self._left_alone: dict[str, tuple[float, float]] = {}
        """Functions that raised: until when they are not asked, and for how long that was."""
        self._calling = False
        self._asyncio_loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Ask for ever, or until everything is over where the application wants that."""
        self._loop.witnesses.append(self._take_notice)
        self._mirror.listeners.append(self._stir)
        self._census.begin(await asyncio.to_thread(self._census.read, self._loop.ledger.path))
        seconds = SOONEST_SECONDS
        try:
            while True:
                started = await self._ask_all()
                if not started and self._logic.auto_terminate and self._is_over():
                    return
                seconds = SOONEST_SECONDS if await self._rest(seconds) or started else min(2 * seconds, LATEST_SECONDS)
        except MirrorStopped:
            log.info("the application's queue logic is not asked any more: the scheduler ends")
        finally:
            self._loop.witnesses.remove(self._take_notice)
            self._mirror.listeners.remove(self._stir)

    async def _rest(self, seconds: float) -> bool:
        """Wait for as long, or until something happened, but never less than the shortest time; tell which it was."""
        await asyncio.sleep(SOONEST_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return False
        self._stirred.clear()
        return True

    async def _ask_all(self) -> bool:
        """Ask each function in turn, as far as there is room; tell whether any job came by it."""
        before = self._census.arrived
        if self._logic.start_jobs is not None and self.capacity > 0:
            await self._guarded("start_jobs_func", self._have_jobs_started)
        for agent, size in self._logic.sizes.items():
            if self.capacity > 0:
                await self._guarded(f"task_queue_size_func of {agent!r}", partial(self._start_for, agent, size))
        return self._census.arrived > before

    @property
    def capacity(self) -> int:
        """Return for how many more jobs there is room."""
        return self._max_concurrency - self._census.under_way

    async def _have_jobs_started(self) -> None:
        assert self._logic.start_jobs is not None
        await self._call(partial(self._logic.start_jobs, self.capacity))

    async def _start_for(self, agent: str, size: QueueSize) -> None:
        """Start as many jobs of an agent as there are tasks that none of its jobs is about to pick."""
        waiting = int(await self._call(size, quiet=True))
        wanted = min(waiting - self._census.beginning(agent), self.capacity, AT_ONCE)
        if wanted > 0:
            await self._start(agent, wanted)

    async def _call(self, function: Callable[[], Any], *, quiet: bool = False) -> Any:
        """Call a function of the application in dbzero's thread; that it ran there is no news to us."""
        self._calling = True
        try:
            result = await asyncio.wrap_future(self._mirror.submit(partial(_tried, function), quiet=quiet))
        finally:
            self._calling = False
        if isinstance(result, Raised):
            raise _as_exception(result.error)
        return result

    async def _guarded(self, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask, unless that went wrong a short while ago; what goes wrong is told in the log."""
        if self._asyncio_loop.time() < self._left_alone.get(name, (0.0, 0.0))[0]:
            return
        try:
            await ask()
        except MirrorStopped:
            raise
        except StatekError as error:
            log.warning("%s failed and is asked again in %g s: %s", name, self._leave_alone(name), error)
        except Exception:
            log.exception("%s failed and is asked again in %g s", name, self._leave_alone(name))
        else:
            self._left_alone.pop(name, None)

    def _leave_alone(self, name: str) -> float:
        """Do not ask a function for a while; returns for how long."""
        first, most = TROUBLE_SECONDS
        seconds = min(max(2 * self._left_alone.get(name, (0.0, 0.0))[1], first), most)
        self._left_alone[name] = self._asyncio_loop.time() + seconds, seconds
        return seconds

    async def _start(self, agent: str, jobs: int) -> None:
        """Start jobs that bring nothing but their warm-up; raises `SubmissionRefused` for an agent that is unknown."""
        done: asyncio.Future[None] = self._asyncio_loop.create_future()

        def work(tick: Tick) -> None:
            try:
                self._loop.roster.start_jobs(tick, "", agent, [JobStart()] * jobs)
            except StatekError as error:
                done.set_exception(error)
            else:
                tick.then(partial(done.set_result, None))

        self._loop.do(work)
        await done

    def _is_over(self) -> bool:
        """Tell whether nothing is left that could go on."""
        if self._left_alone or self._census.under_way or self._loop.ledger.counts().get("SUSPENDED", 0):
            return False
        active = self._loop.roster.active
        return not any(
            (self._queues is None or queue in self._queues) and (not agent or active is None or agent in active)
            for queue, agent in self._loop.queueing.waiting()
        )

    def _take_notice(self, tick: Tick) -> None:
        if tick.changed:
            self._census.take_notice(tick)
            self._stirred.set()

    def _stir(self) -> None:
        """In dbzero's thread: a function ran there that may have changed something."""
        if not self._calling:
            self._asyncio_loop.call_soon_threadsafe(self._stirred.set)


def _is_beginning(job: Job) -> bool:
    """Tell whether a job waits for an executor for the first time, or is in its warm-up, suspended there or not."""
    return job.status not in OVER and (job.conversation is None or job.conversation.turn == 0)


def _all(search: JobSearch, wanted: Wanted) -> Iterator[Job]:
    after: int | None = None
    while page := search.find(wanted, after, _PAGE):
        yield from (job for _, job in page)
        after = page[-1][0]


def _tried(function: Callable[[], Any]) -> Any:
    """Call a function of the application; what it raises is a value, also what would take the loop with it."""
    try:
        return function()
    except BaseException as error:  # noqa: BLE001 - application code ran, and may raise anything
        return Raised(error)


def _as_exception(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__} was raised: {error}")


def _keep(names: set[str], name: str, wanted: bool) -> None:
    if wanted:
        names.add(name)
    else:
        names.discard(name)
