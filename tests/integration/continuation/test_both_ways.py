"""A job that waits goes on at the same instruction, whatever became of its interpreter meanwhile.

Every program runs in every way: its interpreter stays, is given up, dies with its executor, or loses its scheduler.
What it printed, its variables, and what it did outside of the system are those of plain CPython.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import psutil
import pytest
from integration.continuation.programs import PROGRAMS, Outcome, Program, plainly
from integration.services import Command, Site, wait_for

from statek.client.client import Client, Submission
from statek.core.events import ConsolePrinted, FutureCreated
from statek.core.jobs import Job
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek_policies import Policy

# A scheduler may be killed in the middle of either tool, so both can be called again; how often they are is counted.
APP = """
import json
import pathlib
from statek import FutureResult, temporal, tool

here = pathlib.Path(__file__).parent

def is_there(future):
    return (here / "values" / future.deps).exists()

def fetch(future):
    return json.loads((here / "values" / future.deps).read_text())

@tool(idempotent=True)
@temporal(condition=is_there, complement=fetch)
def wait(key, *, idempotency_key):
    return FutureResult(idempotency_key.split("/")[0] + "." + key, 0)

@tool(idempotent=True)
def effect(text, *, idempotency_key):
    job, batch, number = idempotency_key.split("/")
    with (here / "effects" / f"{job}.{batch:0>4}.{number:0>4}").open("a") as file:
        file.write(text + "\\n")
    return len(text)

tools = [wait, effect]
"""


@dataclass
class Stage:
    """Services on which all programs run as jobs at the same time."""

    site: Site
    parked: bool | None
    """Whether a job that waits is expected to keep its interpreter; None where some do and some do not."""
    repeated: int = 0
    """How many calls of a job may be made twice: one for each time that its scheduler was killed at work."""
    scheduler_arguments: tuple[str, ...] = ()
    scheduler: Command | None = None
    executor: Command | None = None
    jobs: dict[str, str] = field(default_factory=dict)
    """The jobs in which the programs run."""
    there: dict[str, set[str]] = field(default_factory=dict)
    """The values that have come, by program."""

    def start(self) -> None:
        for name in ("values", "effects"):
            (self.site.directory / name).mkdir()
        self.site.write(APP, "app.py")
        self.start_scheduler()
        self.start_executor()

    def start_scheduler(self) -> None:
        app = self.site.directory / "app.py"
        self.scheduler = self.site.scheduler("--app", str(app), *self.scheduler_arguments)

    def start_executor(self) -> None:
        self.executor = self.site.welcomed(self.site.executor("--parking", "100"))

    def submit(self, program: Program) -> None:
        batches = [(f"{program.name} {number}", batch.encode()) for number, batch in enumerate(program.batches)]
        with Client(StoreDirectory(self.site.store).client_socket) as client:
            accepted = client.submit(Submission(None, Policy.load("default").to_wire(), {}, batches))
        self.jobs[program.name] = accepted.job
        self.there[program.name] = set()

    @contextmanager
    def history(self) -> Iterator[History]:
        with History.read(StoreDirectory(self.site.store).ledger) as history:
            yield history

    def missing(self, history: History, program: Program) -> set[str]:
        """Name the values that a job waits for now and that have not come; empty while it does not wait for any."""
        job = history.job(self.jobs[program.name])
        if job is None or job.awaited is None or self.parked not in (None, job.leased):
            return set()
        return (_awaited_keys(history, job) & program.values.keys()) - self.there[program.name]

    def waits_or_is_done(self, history: History, program: Program) -> bool:
        job = history.job(self.jobs[program.name])
        return job is not None and (job.status == "DONE" or bool(self.missing(history, program)))

    def let_come(self, program: Program, key: str) -> None:
        """Let a value be there, whole at once."""
        self.there[program.name].add(key)
        value = self.site.directory / "values" / f"{self.jobs[program.name]}.{key}"
        unfinished = value.with_name(f"{value.name}.unfinished")
        unfinished.write_text(json.dumps(program.values[key]))
        unfinished.rename(value)

    def outcome(self, history: History, program: Program) -> Outcome:
        printed = [
            stored.event.data
            for stored in history.events(self.jobs[program.name], 0, 10_000, (ConsolePrinted.kind,))
            if isinstance(stored.event, ConsolePrinted)
        ]
        job = history.job(self.jobs[program.name])
        assert job is not None
        assert job.outcome == "ok", (program.name, job.error)
        return Outcome(b"".join(printed).decode(), tuple(self._effects(job.job)))

    def _effects(self, job: str) -> list[str]:
        """Read what a job did outside of the system, in the order of its calls."""
        files = sorted((self.site.directory / "effects").glob(f"{job}.*"))
        made = [file.read_text().splitlines() for file in files]
        assert sum(map(len, made)) <= len(made) + self.repeated, made
        return [text for again in made for text in sorted(set(again))]


def _awaited_keys(history: History, job: Job) -> set[str]:
    """Name what a job waits for, through futures that are made of others."""
    assert job.awaited is not None
    made = [stored.event for stored in history.events(job.job, 0, 10_000, (FutureCreated.kind,))]
    by_number = {event.number: event for event in made if isinstance(event, FutureCreated)}
    pending, keys = [job.awaited.future.number], set()
    while pending:
        event = by_number[pending.pop()]
        pending += [part.number for part in event.parts]
        keys |= {key.decode() for key in re.findall(rb"%b\.([a-z]+)" % job.job.encode(), event.deps)}
    return keys


def nothing(stage: Stage) -> None:
    """Let everything live on."""


def kill_interpreters(stage: Stage) -> None:
    """Kill every process that serves a job or is going to, and nothing that makes such processes."""
    assert stage.executor is not None
    tree = stage.executor.tree()
    parents = {process.info["ppid"] for process in psutil.process_iter(["ppid"])}
    leaves = sorted((process for process in tree if process.pid not in parents), key=psutil.Process.create_time)
    for interpreter in leaves[1:]:  # the first is the template that the others are copies of
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
            interpreter.kill()


def kill_executor(stage: Stage) -> None:
    assert stage.executor is not None
    stage.executor.kill()
    stage.executor.wait()
    stage.start_executor()


def kill_scheduler(stage: Stage) -> None:
    assert stage.scheduler is not None
    stage.scheduler.kill()
    stage.scheduler.wait()
    stage.start_scheduler()


def kill_both(stage: Stage) -> None:
    assert stage.executor is not None
    stage.executor.kill()
    stage.executor.wait()
    kill_scheduler(stage)
    stage.start_executor()


DISTURBED = 2
"""How many times in a test: what is done to the first two waits of each program need not be done to all of them."""


@dataclass(frozen=True)
class Way:
    """What happens to jobs that wait, or to those that have just been woken."""

    disturb: Callable[[Stage], None]
    parked: bool | None
    arguments: tuple[str, ...]
    at_work: bool = False
    """Whether they are disturbed when their values have come, and not before."""

    @property
    def repeated(self) -> int:
        return DISTURBED if self.at_work and self.disturb in (kill_scheduler, kill_both) else 0


PARK, GIVE_UP = ("--park-seconds", "600"), ("--park-seconds", "0")
WAYS = {
    "parked": Way(nothing, True, PARK),
    "evicted": Way(nothing, False, GIVE_UP),
    "interpreters killed while they wait": Way(kill_interpreters, True, PARK),
    "moved to another executor": Way(kill_executor, True, PARK),
    "scheduler killed while they wait": Way(kill_scheduler, True, PARK),
    "interpreters killed at work": Way(kill_interpreters, None, PARK, at_work=True),
    "scheduler killed at work": Way(kill_scheduler, None, PARK, at_work=True),
    "both killed at work": Way(kill_both, None, PARK, at_work=True),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_program_does_what_it_does_without_waiting(local: Site, way: Way) -> None:
    stage = Stage(local, way.parked, way.repeated, way.arguments)
    stage.start()
    for program in PROGRAMS:
        stage.submit(program)
    with stage.history() as history:
        for step in itertools.count():
            settled = partial(stage.waits_or_is_done, history)
            wait_for(lambda: all(map(settled, PROGRAMS)), "every job to wait or to be done")  # noqa: B023
            waiting = {program.name: stage.missing(history, program) for program in PROGRAMS}
            if not any(waiting.values()):
                break
            if step < DISTURBED and not way.at_work:
                way.disturb(stage)
            for program in PROGRAMS:
                for key in sorted(waiting[program.name]):
                    stage.let_come(program, key)
            if step < DISTURBED and way.at_work:
                way.disturb(stage)
        found = {program.name: stage.outcome(history, program) for program in PROGRAMS}
    assert found == {program.name: plainly(program) for program in PROGRAMS}
