"""What do jobs cost that wait, when there are many of them and none is ready; and how soon does one of them go on?

Memory is what so many waiting jobs take beyond as many that have ended, then beyond the number before: what a scheduler
keeps of its ledger whatever the jobs do (SQLite's cache of 2 MB, full at some hundred jobs) is not a waiting job's.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from bench.measuring import Effort
from bench.rows import Row, Target, Unit
from bench.services import ServiceFailed, await_words, service
from bench.stores import Model, fill, of_the_job, with_own_keys
from statek.client.client import Client, Submission
from statek.core.events import BatchStarted, ConsolePrinted
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.ledger import Ledger, Record
from statek_policies import Policy
from statek_protocol.values import encode_value

WAITING: Final = (1_000, 10_000)
"""Suspended jobs."""
THOROUGH: Final = (*WAITING, 100_000)
ACTIVE: Final = 1_000
"""Jobs in the middle of a batch when their scheduler ends."""
WOKEN: Final = 30
GROUP: Final = 10
"""Events that a scheduler with so much to do has in one turn."""
SUSTAINED: Final = 5_000
SUSTAINED_TARGET: Final = Target(least=1_000)
_LINE: Final = b"a line of what a guest has printed, neither short nor long\n"
IDLE_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 2.0
QUIET_SHARE: Final = 0.03
"""Of a core, over that time: whoever uses less has nothing left to catch up with."""
PATIENCE_SECONDS: Final = 1_200.0
POLL_SECONDS: Final = 0.005
IDLE_TARGET: Final = Target(most=0.02)
MEMORY_TARGET: Final = Target(most=4096)
READY_TARGET: Final = Target(most=0.020)
READY_JOBS: Final = 10_000
"""With more jobs than these it may take twice as long as with fewer."""
RESTART_TARGET: Final = Target(most=2.0)

APP: Final = """
from statek import FutureResult, temporal


@temporal()
def answer_to(question):
    return FutureResult(key=question)


tools = [answer_to]
"""
SOURCE: Final = b"answer = answer_to('what is it')\nprint(answer + 1)\n"
ENDING: Final = b"answer = 41\nprint(answer + 1)\n"
ENDLESS: Final = b"count = 0\nwhile True: count += 1\n"


@dataclass
class Place:
    """Where the stores of this bench are, and who runs on them."""

    directory: Path

    @property
    def app(self) -> Path:
        return self.directory / "app.py"

    @property
    def executors(self) -> str:
        return f"ipc://{self.directory}/executors.sock"

    @contextmanager
    def scheduler(self, store: Path, *, park_seconds: float = 30.0) -> Iterator[subprocess.Popen[bytes]]:
        """A scheduler on a store, ready."""
        options = ("--store", str(store), "--listen", self.executors, "--app", str(self.app))
        with service("statek", "scheduler", *options, "--park-seconds", f"{park_seconds:g}") as process:
            await_words(process, b"scheduler ready")
            yield process

    @contextmanager
    def executor(self) -> Iterator[None]:
        """An executor for whichever scheduler there is."""
        with service("statek_executor", "--connect", self.executors, "--workers", "2"):
            yield


def measure(effort: Effort) -> Iterator[Row]:
    """Rows for each number of waiting jobs, and for a restart with many active ones."""
    with tempfile.TemporaryDirectory(prefix="statek-bench-", dir=Path(__file__).parents[1]) as directory:
        place = Place(Path(directory))
        place.app.write_text(APP)
        model = _suspended_job(place)
        numbers = [50] if effort.quick else THOROUGH if effort.thorough else WAITING
        before = (0, _resident_with_ended(place, numbers[0]), 0.0)
        for jobs in numbers:
            waiting = _Waiting(place, model, jobs, effort)
            yield from waiting.measure(*before)
            before = (jobs, waiting.resident, waiting.ready_seconds)
        yield from _restart(place, 20 if effort.quick else ACTIVE)


def _suspended_job(place: Place) -> Model:
    """Run a job until it waits and has no interpreter any more."""
    store = place.directory / "model"
    with place.scheduler(store, park_seconds=0.0), place.executor(), Client(store_socket(store)) as client:
        batch = [("batch", SOURCE)]
        job = client.submit(Submission(None, Policy.load("default").to_wire(), {}, batch)).job
        _await(lambda: _is_suspended(store, job), "a suspended job")
    return Model.of(store, job)


def run_until_it_ends(place: Place, store: Path, source: bytes) -> Model:
    """Run a job of one batch in a store of its own."""
    with place.scheduler(store), place.executor(), Client(store_socket(store)) as client:
        job = client.submit(Submission(None, Policy.load("default").to_wire(), {}, [("batch", source)])).job
        _await_end(client, job)
    return Model.of(store, job)


def _await_end(client: Client, job: str) -> None:
    for event in client.follow(job, 0):
        if event is not None and event.kind == "job_ended":
            return
    raise ServiceFailed(f"{job} did not end")


def _make(place: Place, model: Model, jobs: int) -> Path:
    """Make a store of so many waiting jobs, with dbzero's objects of them; returns its directory."""
    store = place.directory / f"store-of-{jobs}"
    fill(store, model, _names(jobs), with_own_keys)
    with place.scheduler(store) as process:
        _await_quiet(process)
    return store


def _resident_with_ended(place: Place, jobs: int) -> int:
    """Return the memory of a scheduler with so many jobs that have ended, in bytes."""
    store = place.directory / "ended"
    fill(store, run_until_it_ends(place, place.directory / "model-of-ended", ENDING), _names(jobs))
    with place.scheduler(store) as process:
        _await_quiet(process)  # dbzero's objects are made
    with place.scheduler(store) as process:
        return _resident(process)


def _resident(process: subprocess.Popen[bytes]) -> int:
    """Return the memory of a scheduler that has come to rest, in bytes; it did not make the objects itself."""
    _await_quiet(process)
    return int(psutil.Process(process.pid).memory_info().rss)


class _Waiting:
    """What so many waiting jobs cost: at rest, in memory, on disk, and for the one that goes on."""

    def __init__(self, place: Place, model: Model, jobs: int, effort: Effort) -> None:
        self.resident = 0
        """Memory of a scheduler at rest, in bytes."""
        self.ready_seconds = 0.0
        """From a value that comes to the end of the job that waited for it."""
        self._place = place
        self._jobs = jobs
        self._effort = effort
        self._store = _make(place, model, jobs)

    def measure(self, fewer: int, resident: int, ready_seconds: float) -> Iterator[Row]:
        """Rows for a running scheduler, then for its ledger; with fewer jobs it had so much memory and took so long."""
        store = self._store
        started = time.perf_counter()
        with self._place.scheduler(store) as process:
            yield self._row("scheduler ready", time.perf_counter() - started, "s")
            self.resident = _resident(process)
            more = (self.resident - resident) / (self._jobs - fewer)
            beyond = f"beyond {fewer:,}" if fewer else "beyond one that has ended"
            yield self._row(f"memory per job {beyond}", more, "bytes", MEMORY_TARGET, "memory per further job")
            yield self._row("idle scheduler, CPU per second", _idle(process, self._effort), "s", IDLE_TARGET)
            yield self._row("dbzero's file, per job", _objects_bytes(store) / self._jobs, "bytes")
            with self._place.executor(), Client(store_socket(store)) as client:
                yield from self._going_on(client, process, ready_seconds)
        yield from self._sustained()

    def _going_on(self, client: Client, process: subprocess.Popen[bytes], before_seconds: float) -> Iterator[Row]:
        before = _objects_bytes(self._store)
        names = list(_names(self._jobs))[:: max(1, self._jobs // WOKEN)][: self._effort.rounds(WOKEN)]
        _ready_to_done(client, names[0])  # the executor may only have started
        times = [_ready_to_done(client, name) for name in names[1:]]
        self.ready_seconds = statistics.median(times)
        target = READY_TARGET if self._jobs <= READY_JOBS else Target(most=2 * before_seconds)
        yield self._row("ready to done, median", self.ready_seconds, "s", target)
        _await_quiet(process)
        grown = (_objects_bytes(self._store) - before) / len(names)
        yield self._row("growth of dbzero's file, per job done", grown, "bytes")

    def _sustained(self) -> Iterator[Row]:
        """How many small events the ledger takes when they come a few at a time, and what dbzero makes of them."""
        directory, before = StoreDirectory(self._store), _objects_bytes(self._store)
        records = [Record(job, time.time_ns() // 1_000, ConsolePrinted(1, "output", _LINE)) for job in _names(GROUP)]
        appended, started = 0, time.perf_counter()
        with directory.lock(), closing(Ledger.open(directory.ledger)) as ledger:
            while appended < (GROUP if self._effort.quick else SUSTAINED):
                ledger.append(records, (), {})
                appended += GROUP
        rate = appended / (time.perf_counter() - started)
        yield self._row(f"sustained, {GROUP} events a turn", rate, "events/s", SUSTAINED_TARGET)
        with self._place.scheduler(self._store) as process:
            _await_quiet(process)
        yield self._row(
            "growth of dbzero's file, per event", (_objects_bytes(self._store) - before) / appended, "bytes"
        )

    def _row(self, name: str, ours: float, unit: Unit, target: Target | None = None, measure: str = "") -> Row:
        return Row(f"{self._jobs:,} wait: {name}", ours, unit, target=target, at=self._jobs, measure=measure or name)


def _ready_to_done(client: Client, job: str) -> float:
    """Complete what a job waits for, and return the time until its end is known."""
    started = time.perf_counter()
    client.complete(job, encode_value(41, max_bytes=100, max_depth=1), None)
    _await_end(client, job)
    return time.perf_counter() - started


def _restart(place: Place, jobs: int) -> Iterator[Row]:
    """From the start of a scheduler, whose predecessor was killed at work, until its jobs are at work again."""
    store = place.directory / "active"
    fill(store, _begun_job(place), _names(jobs), of_the_job)
    with place.scheduler(store) as process:
        _await_quiet(process)  # dbzero's objects are made
    with place.executor(), History.read(StoreDirectory(store).ledger) as history:
        with place.scheduler(store) as process:
            _await_begun(history, history.last_cursor)
            process.kill()
        last, started = history.last_cursor, time.perf_counter()
        with place.scheduler(store):
            ready = time.perf_counter() - started
            _await_begun(history, last)
            at_work = time.perf_counter() - started
    yield Row(f"restart with {jobs:,} active jobs: scheduler ready", ready, "s")
    yield Row(f"restart with {jobs:,} active jobs: at work again", at_work, "s", target=RESTART_TARGET)


def _await_begun(history: History, after: int) -> None:
    _await(lambda: bool(history.events(None, after, 1, (BatchStarted.kind,))), "a job at work")


def _begun_job(place: Place) -> Model:
    """Run a job that has no end, and take its history up to where it is at work."""
    store = place.directory / "endless"
    with place.scheduler(store), place.executor(), Client(store_socket(store)) as client:
        batch = [("batch", ENDLESS)]
        job = client.submit(Submission(None, Policy.load("default").to_wire(), {"cpu_seconds": 600}, batch)).job
        with History.read(StoreDirectory(store).ledger) as history:
            _await_begun(history, 0)
        model = Model.of(store, job)
    end = next(place for place, event in enumerate(model.events) if isinstance(event, BatchStarted))
    return replace(model, events=model.events[: end + 1])


def _idle(process: subprocess.Popen[bytes], effort: Effort) -> float:
    """Return the CPU time that a process takes in a second of rest."""
    seconds = 0.2 if effort.quick else IDLE_SECONDS
    before, since = _cpu_seconds(process), time.monotonic()
    time.sleep(seconds)
    return (_cpu_seconds(process) - before) / (time.monotonic() - since)


def _await_quiet(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process rests."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up:
        before = _cpu_seconds(process)
        time.sleep(QUIET_SECONDS)
        if _cpu_seconds(process) - before <= QUIET_SHARE * QUIET_SECONDS:
            return
    raise ServiceFailed("the scheduler does not come to rest")


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _objects_bytes(store: Path) -> int:
    """Return the size of dbzero's files."""
    return sum(file.stat().st_size for file in StoreDirectory(store).dbzero.iterdir())


def _is_suspended(store: Path, name: str) -> bool:
    with History.read(StoreDirectory(store).ledger) as history:
        job = history.job(name)
    return job is not None and job.status == "SUSPENDED" and not job.leased


def _await(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise ServiceFailed(f"not in time: {what}")
        time.sleep(POLL_SECONDS)


def _names(jobs: int) -> Iterator[str]:
    return (f"job-{number}" for number in range(jobs))


def store_socket(store: Path) -> Path:
    return StoreDirectory(store).client_socket
