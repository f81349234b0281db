"""Jobs go in, disturbances happen, jobs come out and are judged."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crashsweep.account import Account
from crashsweep.field import Field, SweepFailed, await_condition
from crashsweep.link import PASS, Direction, Link, Passing
from crashsweep.plan import KINDS, OF_A_CONNECTION, Disturbance, disturbances
from crashsweep.programs import Program, program
from crashsweep.verdict import judge
from statek.client.client import Client, Submission
from statek.store.history import History
from statek_policies import Policy

PATIENCE_SECONDS: Final = 2.0
"""How long a message is waited for at which something is to happen; then it happens at once."""
BACK_SECONDS: Final = 60.0
"""Within this time after a kill an executor must be at work again."""
JOB_SECONDS: Final = 240.0
"""No job of a sweep takes so long, however often it is begun again."""
JOBS_AT_ONCE: Final = 5
SETTLED_SHARE: Final = 0.85
"""How often what was killed is back before the next disturbance; otherwise that hits the recovery."""
LIMITS: Final = {"cpu_seconds": 300.0, "wall_seconds": 3000.0, "calls": 1000}


class Follower(threading.Thread):
    """A client: submits a job and follows it to its end, across whatever happens to the scheduler."""

    def __init__(self, work: Program, socket: Path) -> None:
        super().__init__(daemon=True)
        self.work, self._socket = work, socket
        self.job = ""
        self.console = bytearray()
        self.error: Exception | None = None
        self.started = time.monotonic()

    def run(self) -> None:
        try:
            with Client(self._socket) as client:
                batches = [(f"batch {number}", text.encode()) for number, text in enumerate(self.work.sources)]
                self.job = client.submit(Submission(None, Policy.load("default").to_wire(), LIMITS, batches)).job
                self._follow(client)
        except Exception as error:  # noqa: BLE001 - it is the sweep's finding
            self.error = error

    def _follow(self, client: Client) -> None:
        for event in client.follow(self.job, 0):
            if event is None or not isinstance(event.body, dict):
                continue
            if event.kind == "console_printed" and event.body["stream"] == "output":
                self.console += event.body["data"]
            if event.kind == "job_ended":
                return


@dataclass
class Trap:
    """The disturbance that is armed, as the link's thread sees it."""

    act: Callable[[Disturbance], None]
    armed: Disturbance | None = None
    left: int = 0
    welcomes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, disturbance: Disturbance) -> None:
        with self._lock:
            self.armed, self.left = disturbance, disturbance.skip

    def take(self) -> Disturbance | None:
        """Take the disturbance that is armed, unless it has happened."""
        with self._lock:
            taken, self.armed = self.armed, None
            return taken

    def on_message(self, direction: Direction, kind: str) -> Passing:
        """Let it happen where it is due. Called in the link's thread."""
        self.kinds[f"{direction} {kind}"] += 1
        self.welcomes += kind == "welcome"
        due = self._due(kind)
        if due is None:
            return PASS
        match due.trouble:
            case "kill" if due.when == "after":
                return Passing(afterwards=lambda: self.act(due))
            case "kill":
                self.act(due)
                return PASS
            case "drop":
                passing = Passing(copies=0)
            case "duplicate":
                passing = Passing(copies=2)
            case "delay":
                passing = Passing(delay_seconds=due.seconds)
            case "sever":
                passing = Passing(sever=True)
        self.act(due)
        return passing

    def _due(self, kind: str) -> Disturbance | None:
        with self._lock:
            if self.armed is None or self.armed.kind != kind:
                return None
            self.left -= 1
            if self.left >= 0:
                return None
            due, self.armed = self.armed, None
            return due


class Sweep:
    """One store under disturbances, from the first job to the last."""

    def __init__(self, directory: Path, seed: int, say: Callable[[str], None]) -> None:
        self.account = Account(seed, say)
        self._draw = random.Random(seed)
        self._field = Field(directory, workers=2, scheduler_arguments=("--park-seconds", "0.5"))
        self._trap = Trap(self._happen)
        self._link = Link(self._field.front, self._field.back, self._trap.on_message)
        self._plan = disturbances(seed)
        self._jobs: list[Follower] = []
        self._submitted = 0
        self._welcomes_wanted = 1
        self._recent: list[str] = []

    def run(self, kills: int, seconds: float) -> Account:
        """Disturb until so many processes were killed or time is over, let all jobs end, and check the store."""
        began = time.monotonic()
        self._link.start()
        self._field.start("scheduler")
        self._field.await_ready()
        self._field.start("supervisor")
        try:
            self._settle()
            while self.account.killed < kills and time.monotonic() - began < seconds:
                self._disturb(next(self._plan))
            self._let_end()
        except SweepFailed as error:
            self.account.fail(f"{error}; last: {'; '.join(self._recent[-4:])}")
        finally:
            for problem in self._field.stop():
                self.account.fail(problem)
            self._link.stop()
            for failure in self._link.failures:
                self.account.fail(f"the link: {failure!r}")
            self._check_store()
            self._count_messages()
            self.account.seconds = time.monotonic() - began
        return self.account

    def _disturb(self, disturbance: Disturbance) -> None:
        self._feed()
        if disturbance.kind:
            self._trap.arm(disturbance)
            if disturbance.kind in OF_A_CONNECTION:
                self._link.sever()
            await_condition(lambda: self._trap.armed is None, PATIENCE_SECONDS)
            late = self._trap.take()
        else:
            await_condition(lambda: False, disturbance.seconds)
            late = disturbance
        if late is not None:
            self._happen(late, at="random times" if late.trouble == "kill" else None)
        self._mend()
        if self._draw.random() < SETTLED_SHARE:
            self._settle()
        self._collect()

    def _happen(self, disturbance: Disturbance, at: str | None = "") -> None:
        """Carry a disturbance out, and put it down; `at` is None where it could not be."""
        if at is None:
            self.account.events["troubles of messages that did not come"] += 1
            return
        self._recent.append(str(disturbance))
        place = at or f"{disturbance.when} {disturbance.kind}"
        if disturbance.trouble != "kill":
            self.account.points[disturbance.trouble, place.removeprefix("before ")] += 1
            return
        welcomes = self._trap.welcomes
        killed = self._field.kill(disturbance.victims, self._draw.randrange)
        self.account.kills.update(killed)
        if killed:
            self.account.points["kill", place] += 1
            self.account.together[" and ".join(killed)] += 1
        if {"scheduler", "supervisor"} & set(killed):
            self._welcomes_wanted = welcomes + 1

    def _mend(self) -> None:
        for text in self._field.mend():
            if text.startswith("supervisor ended after its zygote was killed"):
                self.account.events["supervisors that gave up a zygote killed again and again"] += 1
                self._welcomes_wanted = self._trap.welcomes + 1
            else:
                self.account.fail(f"{text}; last: {'; '.join(self._recent[-4:])}")

    def _settle(self) -> None:
        """Wait until an executor is at work again; raises `SweepFailed`."""

        def is_back() -> bool:
            self._mend()
            return self._trap.welcomes >= self._welcomes_wanted

        if not await_condition(is_back, BACK_SECONDS):
            raise SweepFailed(f"no executor is at work {BACK_SECONDS:g} s after the last kill")

    def _feed(self) -> None:
        while len(self._jobs) < JOBS_AT_ONCE:
            self._submitted += 1
            follower = Follower(program(self.account.seed * 1_000_000 + self._submitted), self._field.client_socket)
            self._jobs.append(follower)
            follower.start()

    def _let_end(self) -> None:
        """Disturb nothing any more until every job has ended."""
        deadline = time.monotonic() + JOB_SECONDS
        while self._jobs and time.monotonic() < deadline:
            self._mend()
            self._collect()
            await_condition(lambda: not all(job.is_alive() for job in self._jobs), 0.5)

    def _collect(self) -> None:
        """Judge the jobs that have ended, and miss those that take too long."""
        for follower in [job for job in self._jobs if not job.is_alive()]:
            self._jobs.remove(follower)
            self._judge(follower)
        for follower in [job for job in self._jobs if time.monotonic() - job.started > JOB_SECONDS]:
            self._jobs.remove(follower)
            self.account.outcomes["never ended"] += 1
            self.account.fail(f"job {follower.job} (program {follower.work.seed}) did not end in {JOB_SECONDS:g} s")

    def _judge(self, follower: Follower) -> None:
        name = f"job {follower.job} (program {follower.work.seed})"
        if follower.error is not None:
            self.account.outcomes["its client failed"] += 1
            self.account.fail(f"{name}: {type(follower.error).__name__}: {follower.error}")
            return
        with History.read(self._field.ledger) as history:
            job = history.job(follower.job)
            events = [stored.event for stored in history.events(follower.job, 0, 1_000_000)]
        assert job is not None, "its end was told"
        verdict = judge(follower.work, job, events, follower.console.decode(), self._traces(follower.job))
        self.account.outcomes[verdict.outcome] += 1
        self.account.events.update(verdict.seen)
        for problem in verdict.problems:
            self.account.fail(f"{name}: {problem}; last: {'; '.join(self._recent[-4:])}")

    def _traces(self, job: str) -> Counter[int]:
        """Count what the job's tools have left outside, by step."""
        file = self._field.directory / "effects"
        lines = (line.split() for line in (file.read_text().splitlines() if file.exists() else ()))
        return Counter(int(number) for name, number in lines if name == job)

    def _count_messages(self) -> None:
        came = {name.split()[1] for name in self._trap.kinds}
        self.account.events[f"messages, of {len(came)} kinds"] += sum(self._trap.kinds.values())
        for kind in set(KINDS) - came:
            self.account.events[f"messages {kind}"] = 0

    def _check_store(self) -> None:
        """Read and check the whole ledger, and count the stores of dbzero that were made anew."""
        try:
            with History.read(self._field.ledger) as history:
                history.verify()
                self.account.events["events in the ledger, every one verified"] += history.last_cursor
        except Exception as error:  # noqa: BLE001 - it is the sweep's finding
            self.account.fail(f"the ledger: {type(error).__name__}: {error}")
        aside = [path.name for path in self._field.store.glob("dbzero.damaged-*")]
        told = sum(log.read_text(errors="replace").count("are made anew") for log in self._field.logs)
        self.account.events["dbzero made anew from the ledger, and told"] += told
        if len(aside) > told:
            self.account.fail(f"{len(aside)} stores of dbzero were set aside and {told} told of")
