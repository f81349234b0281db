"""Does a scheduler with very many runnable jobs still answer at once?"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.measuring import Effort
from bench.rows import Row, Target
from bench.scale import Place, run_until_it_ends, store_socket
from bench.services import ServiceFailed
from bench.stores import Model, fill, of_the_job
from statek.client.client import Client
from statek.core.events import BatchSubmitted
from statek.store.directory import StoreDirectory
from statek.store.history import History

RUNNABLE: Final = 10_000
ASKING_SECONDS: Final = 10.0
BETWEEN_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 10.0
ANSWER_TARGET: Final = Target(most=0.050)
SOURCE: Final = b"print(sum(range(1_000)))\n"


def measure(effort: Effort) -> Iterator[Row]:
    """How long a scheduler takes to start, and to answer while its executors work off what there is."""
    jobs = 20 if effort.quick else RUNNABLE
    with tempfile.TemporaryDirectory(prefix="statek-bench-", dir=Path(__file__).parents[1]) as directory:
        place = Place(Path(directory))
        place.app.write_text("tools = []\n")
        store = place.directory / "store"
        fill(store, _runnable(place), (f"job-{number}" for number in range(jobs)), of_the_job)
        started = time.perf_counter()
        with place.scheduler(store), Client(store_socket(store)) as client:
            ready = time.perf_counter() - started
            _answer(client)
            with place.executor():
                answers = _answers(client, 0.5 if effort.quick else ASKING_SECONDS)
            done = _done(store)
    name = f"{jobs:,} jobs runnable"
    yield Row(f"{name}: scheduler ready", ready, "s")
    yield Row(f"{name}: answers, median", statistics.median(answers), "s", target=ANSWER_TARGET)
    yield Row(f"{name}: answers, 99 of 100", sorted(answers)[-len(answers) // 100 - 1], "s", target=ANSWER_TARGET)
    yield Row(f"{name}: answers, slowest of {len(answers)}", max(answers), "s")
    yield Row(f"{name}: jobs done meanwhile", done / ASKING_SECONDS, "events/s")


def _runnable(place: Place) -> Model:
    """Take a job's history up to where it waits for an executor."""
    model = run_until_it_ends(place, place.directory / "model", SOURCE)
    end = next(place for place, event in enumerate(model.events) if isinstance(event, BatchSubmitted))
    return replace(model, events=model.events[: end + 1], variables=replace(model.variables, stored=()))


def _answers(client: Client, seconds: float) -> list[float]:
    """Ask again and again; return how long each answer took."""
    answers: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answers.append(_answer(client))
        time.sleep(BETWEEN_SECONDS)
    return answers


def _answer(client: Client) -> float:
    started = time.perf_counter()
    if client.ping(PATIENCE_SECONDS) is None:
        raise ServiceFailed("the scheduler does not answer")
    return time.perf_counter() - started


def _done(store: Path) -> int:
    with History.read(StoreDirectory(store).ledger) as history:
        return history.counts().get("DONE", 0)
