"""How many jobs of an agent come to their end in a second, each with a turn of a model, 100 at a time?

The model is the scripted one, in a process of its own, over real HTTP. The floor is the same number of the same
questions asked by the bare client with as many at a time: no jobs, no code, no ledger.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measuring import Effort
from bench.rows import Row
from bench.services import ServiceFailed, await_words, service
from statek.client.client import Client
from statek.inspection.store_view import StoreView
from statek.store.directory import StoreDirectory
from statek_protocol.messages.client import NewJob

JOBS: Final = 1_000
THOROUGH: Final = 10_000
AT_ONCE: Final = 100
"""max_concurrency, and the questions that the provider gets at the same time."""
IN_PROCESS: Final = 371.0
"""Jobs a second of the STATEK that runs everything in the application's own process, with a stub in the model's place:
no HTTP, no executor, no ledger. The median of five runs of 1,000 jobs, measured apart on a machine of two such cores.
"""
STARTED_AT_ONCE: Final = 500
PATIENCE_SECONDS: Final = 3_600.0
POLL_SECONDS: Final = 0.05

APP: Final = """
from statek import Agent

agents = [Agent("clerk", instructions="You are the clerk.", model="scripted")]
"""
SCRIPT: Final = """
[[conversation]]
marker = "You are the clerk."

[[conversation.reply]]
code = "exit('ok')"
"""


def measure(effort: Effort) -> Iterator[Row]:
    """Rows for so many jobs, all of them there from the start."""
    jobs = 8 if effort.quick else THOROUGH if effort.thorough else JOBS
    with tempfile.TemporaryDirectory(prefix="statek-bench-") as directory, _model(Path(directory)) as url:
        floor = jobs / asyncio.run(_bare(url, jobs))
        rate, cpu_seconds = _through_the_scheduler(Path(directory), url, jobs)
    name = f"agent jobs with a turn each, {jobs:,} jobs"
    yield Row(name, rate, "jobs/s", "bare client", floor, rate / floor)
    yield Row("the same, beside jobs without a wall", rate, "jobs/s", "in process", IN_PROCESS, rate / IN_PROCESS)
    yield Row("scheduler's CPU, per such job", cpu_seconds / jobs, "s")


@contextmanager
def _model(directory: Path) -> Iterator[str]:
    """The scripted model for the time of a with block; gives its address."""
    script, port = directory / "script.toml", directory / "port"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "scripted_model", "--script", str(script), "--port-file", str(port)]
    root = Path(__file__).parents[1]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _await(lambda: _is_written(port) or process.poll() is not None, "the model's port")
        if process.poll() is not None:
            raise ServiceFailed("the scripted model did not start")
        yield f"http://127.0.0.1:{port.read_text().strip()}/v1"
    finally:
        process.terminate()
        process.wait()


async def _bare(url: str, questions: int) -> float:
    """Ask the model so often with the bare client, and return the seconds that it took."""
    import openai

    told = [{"role": "system", "content": "You are the clerk."}, {"role": "user", "content": "go"}]
    places = asyncio.Semaphore(AT_ONCE)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def ask() -> None:
            async with places:
                await client.chat.completions.create(model="scripted", messages=told)  # type: ignore[arg-type]

        await ask()
        started = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(questions)))
        return time.perf_counter() - started


def _through_the_scheduler(directory: Path, url: str, jobs: int) -> tuple[float, float]:
    """Run so many jobs to their end; return how many a second that were, and the scheduler's processor time."""
    import psutil

    app, settings, store = directory / "app.py", directory / "statek.toml", directory / "store"
    app.write_text(APP)
    settings.write_text(f'model_base_url = "{url}"\nmodel_concurrency = {AT_ONCE}\n')
    settings.chmod(0o600)
    options = ("--settings", str(settings), "scheduler", "--store", str(store), "--app", str(app))
    with service("statek", *options, "--workers", "2", "--max-concurrency", str(AT_ONCE)) as process:
        await_words(process, b"scheduler ready")
        scheduler, view = psutil.Process(process.pid), StoreView(store)
        with Client(StoreDirectory(store).client_socket) as client:
            client.start_jobs("clerk", [NewJob(None, b"go", "")])
            _await(lambda: _ended(view) == 1, "the first job's end")
            before, started = scheduler.cpu_times(), time.perf_counter()
            for first in range(0, jobs, STARTED_AT_ONCE):
                client.start_jobs("clerk", [NewJob(None, b"go", "")] * min(STARTED_AT_ONCE, jobs - first))
            _await(lambda: _ended(view) == jobs + 1, "the end of all jobs")
        seconds, after = time.perf_counter() - started, scheduler.cpu_times()
        _check_outcomes(view, jobs + 1)
    return jobs / seconds, after.user + after.system - before.user - before.system


def _is_written(file: Path) -> bool:
    return file.exists() and bool(file.read_text().strip())


def _ended(view: StoreView) -> int:
    return sum(counted.jobs for counted in view.counts() if counted.status == "DONE")


def _check_outcomes(view: StoreView, jobs: int) -> None:
    """A job that did not end as it should would make the figure mean nothing."""
    well = 0
    after: int | None = 0
    while after is not None:
        page = view.find(outcome="ok", after=after, limit=1_000)
        well, after = well + sum(job.exit_status == "ok" for job in page.jobs), page.after
    if well != jobs:
        raise ServiceFailed(f"{jobs - well} of {jobs} jobs did not end as they should")


def _await(condition: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise ServiceFailed(f"not in time: {what}")
        time.sleep(POLL_SECONDS)
