"""Jobs of clients' own batches: submitted, followed to their end, and judged."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Final

from crashsweep.account import Account
from crashsweep.field import Field
from crashsweep.programs import Program, program
from crashsweep.told import every_job
from crashsweep.verdict import judge
from statek.client.client import Client, Submission
from statek.errors import SchedulerSilent
from statek.inspection.store_view import StoreView
from statek.store.history import History
from statek_policies import Policy

LIMITS: Final = {"cpu_seconds": 300.0, "wall_seconds": 3000.0, "calls": 1000}


class Follower(threading.Thread):
    """A client: submits a job and follows it to its end, across whatever happens to the scheduler."""

    def __init__(self, work: Program, socket: Path) -> None:
        super().__init__(daemon=True)
        self.work, self._socket = work, socket
        self.job = ""
        self.console = bytearray()
        self.unanswered = 0
        """Submissions of which nobody has told what became of them."""
        self.error: Exception | None = None

    def __str__(self) -> str:
        return f"job {self.job} (program {self.work.seed})"

    def run(self) -> None:
        try:
            with Client(self._socket) as client:
                while not self.job:
                    self._submit(client)
                self._follow(client)
        except Exception as error:  # noqa: BLE001 - it is the sweep's finding
            self.error = error

    def _submit(self, client: Client) -> None:
        batches = [(f"batch {number}", text.encode()) for number, text in enumerate(self.work.sources)]
        try:
            self.job = client.submit(Submission(None, Policy.load("default").to_wire(), LIMITS, batches)).job
        except SchedulerSilent:  # killed again and again
            self.unanswered += 1

    def _follow(self, client: Client) -> None:
        for event in client.follow(self.job, 0):
            if event is None or not isinstance(event.body, dict):
                continue
            if event.kind == "console_printed" and event.body["stream"] == "output":
                self.console += event.body["data"]
            if event.kind == "job_ended":
                return


class Batches:
    """All of them: so many are under way at any time."""

    def __init__(self, field: Field, account: Account, at_once: int) -> None:
        self._field, self._account, self._at_once = field, account, at_once
        self._jobs: list[Follower] = []
        self._submitted = 0
        self._closed = False

    @property
    def under_way(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """Submit none any more."""
        self._closed = True

    def feed(self) -> None:
        """Submit what there is room for."""
        while len(self._jobs) < self._at_once and not self._closed:
            self._submitted += 1
            follower = Follower(program(self._account.seed * 1_000_000 + self._submitted), self._field.client_socket)
            self._jobs.append(follower)
            follower.start()

    def collect(self) -> None:
        """Judge the jobs that have ended."""
        for follower in [job for job in self._jobs if not job.is_alive()]:
            self._jobs.remove(follower)
            self._judge(follower)

    def miss(self) -> None:
        """Tell of jobs that have not ended, though nothing has disturbed them for so long."""
        for follower in self._jobs:
            self._account.outcomes["never ended"] += 1
            self._account.fail(f"{follower} does not end")

    def check(self) -> None:
        """See that every job has ended, also one of whose submission nobody was told."""
        for job in every_job(StoreView(self._field.store)):
            if job.status != "DONE":
                self._account.fail(f"in the end job {job.name} is {job.status}")

    def _judge(self, follower: Follower) -> None:
        if follower.error is not None:
            self._account.outcomes["its client failed"] += 1
            self._account.fail(f"{follower}: {type(follower.error).__name__}: {follower.error}")
            return
        with History.read(self._field.ledger) as history:
            job = history.job(follower.job)
            events = [stored.event for stored in history.events(follower.job, 0, 1_000_000)]
        assert job is not None, "its end was told"
        verdict = judge(follower.work, job, events, follower.console.decode(), traces(self._field, follower.job))
        self._account.outcomes[verdict.outcome] += 1
        self._account.events["submissions that nobody answered, made anew"] += follower.unanswered
        self._account.events.update(verdict.seen)
        for problem in verdict.problems:
            self._account.fail(f"{follower}: {problem}")


def traces(field: Field, job: str) -> Counter[int]:
    """Count what a job's tools have left outside, by step."""
    file = field.directory / "effects"
    lines = (line.split() for line in (file.read_text().splitlines() if file.exists() else ()))
    return Counter(int(number) for name, number in lines if name == job)
