"""How much longer do honest jobs take while one neighbour computes without end and another floods the console?"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measuring import Effort
from bench.rows import Row, Target
from bench.services import ServiceFailed, await_words, service
from statek.client.client import Client, Submission
from statek_policies import Policy
from statek_protocol.messages.client import Accepted, JobEvent

ROUNDS: Final = 4
JOBS: Final = 60
"""Honest jobs in each half of a round; each is submitted when the one before it has ended."""
JOBS_QUICK: Final = 3
WORKERS: Final = 4
SECONDS: Final = 60.0
"""After which the neighbours end by themselves; they are cancelled as soon as the jobs beside them have ended."""
LARGEST: Final = 2**40
LIMITS: Final = {"wall_seconds": SECONDS, "cpu_seconds": SECONDS, "output_bytes": LARGEST, "output_lines": LARGEST}
TARGET: Final = Target(most=2.0)

HONEST: Final = b"""
rows = [{"name": f"n{i}", "size": i * i % 97} for i in range(200)]
total = sum(row["size"] for row in rows if row["size"] % 2)
print(total)
"""
SPINNER: Final = b"print('ready')\nwhile True: pass\n"
FLOODER: Final = b"print('ready')\nwhile True: print('x' * 1000)\n"


def measure(effort: Effort) -> Iterator[Row]:
    """By the 95th percentile of all jobs with neighbours and all without, which take turns."""
    with (
        tempfile.TemporaryDirectory(prefix="statek-bench-") as directory,
        _pool(Path(directory)) as socket,
        Client(socket) as client,
    ):
        quiet: list[float] = []
        beside: list[float] = []
        number = JOBS_QUICK if effort.quick else JOBS
        _run_jobs(client, number)
        for _ in range(effort.rounds(ROUNDS)):
            quiet += _run_jobs(client, number)
            with _neighbours(client, socket) as are_there:
                times = _run_jobs(client, number)
                if not are_there():
                    raise ServiceFailed("the neighbours ended before the jobs did")
            beside += times
    for name, of in (("median", statistics.median), ("95th percentile", _percentile)):
        ours, floor = of(beside), of(quiet)
        target = TARGET if of is _percentile else None
        yield Row(f"neighbours: {name} of small jobs", ours, "s", "a quiet pool", floor, ours / floor, target)


@contextmanager
def _pool(directory: Path) -> Iterator[Path]:
    """A scheduler and an executor, and the socket where clients reach them."""
    store, endpoint = directory / "store", f"ipc://{directory}/executors.ipc"
    with service("statek", "scheduler", "--store", str(store), "--listen", endpoint) as scheduler:
        await_words(scheduler, b"scheduler ready")
        with service("statek_executor", "--connect", endpoint, "--workers", str(WORKERS)):
            yield store / "client.sock"


def _run_jobs(client: Client, number: int) -> list[float]:
    return [_timed(client) for _ in range(number)]


def _timed(client: Client) -> float:
    """From a job's submission to the news of its end."""
    started = time.perf_counter()
    accepted = _submit(client, HONEST, {})
    ended = _await(client.follow(accepted.job, accepted.cursor), "job_ended")
    if ended.body["outcome"] != "ok":
        raise ServiceFailed(f"an honest job ended as {ended.body['outcome']}")
    return time.perf_counter() - started


@contextmanager
def _neighbours(client: Client, socket: Path) -> Iterator[Callable[[], bool]]:
    """One that floods and one that spins, until the block is over; gives whether both are still there.

    Nobody follows the one that floods: what a client costs that reads all of it is not the question.
    """
    started = time.perf_counter()
    neighbours = [_submit(client, source, LIMITS) for source in (FLOODER, SPINNER)]
    with Client(socket) as watcher:
        _await(watcher.follow(neighbours[1].job, neighbours[1].cursor), "console_printed")
    yield lambda: time.perf_counter() - started < SECONDS
    for neighbour in neighbours:
        client.cancel_job(neighbour.job, "the jobs beside it have ended")


def _submit(client: Client, source: bytes, limits: dict[str, float]) -> Accepted:
    return client.submit(Submission(None, Policy().to_wire(), limits, [("bench", source)]))


def _await(events: Iterator[JobEvent | None], kind: str) -> JobEvent:
    return next(event for event in events if event is not None and event.kind == kind)


def _percentile(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]
