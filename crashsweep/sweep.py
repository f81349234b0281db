"""Jobs go in, disturbances happen, jobs come out and are judged."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from scripted_model import ScriptedModel

from crashsweep.account import Account
from crashsweep.batches import Batches
from crashsweep.commits import Commits
from crashsweep.field import Field, SweepFailed, await_condition
from crashsweep.link import Link
from crashsweep.plan import COMMITTED, KINDS, OF_A_CONNECTION, Disturbance, Part, disturbances
from crashsweep.talks.author import Author
from crashsweep.talks.tales import Tales
from crashsweep.trap import Trap
from statek.store.checking import check
from statek.store.directory import StoreDirectory

AT_ONCE: Final = 4
PATIENCE_SECONDS: Final = 3.0
"""How long a message is waited for at which something is to happen; then it happens at once."""
PEACE_SECONDS: Final = 300.0
"""Within this time after the last disturbance every job has ended."""
BACK_SECONDS: Final = 120.0
"""Within this time after a kill an executor must be at work again."""
SETTLED_SHARE: Final = 0.85
"""How often what was killed is back before the next disturbance; otherwise that hits the recovery."""
_SERVICES: Final[tuple[Part, ...]] = ("supervisor", "pusher")
_LOOK_EVERY_SECONDS: Final = 0.2
MOST_QUEUED: Final = 1
"""So that pushes at the same time are refused now and then."""
MODEL_IDLE_SECONDS: Final = 5.0
"""After so long without a word a scheduler asks the model again."""


class Workload(Protocol):
    """Jobs of one sort."""

    @property
    def under_way(self) -> int:
        """How many have not been judged yet."""

    def feed(self) -> None:
        """Begin what there is room for, and see to what is under way."""

    def close(self) -> None:
        """Begin none any more."""

    def collect(self) -> None:
        """Judge what has ended."""

    def miss(self) -> None:
        """Tell of what has not ended after all that time without a disturbance."""

    def check(self) -> None:
        """Check what can be checked once no service runs any more."""


class Sweep:
    """One store under disturbances, from the first job to the last."""

    def __init__(self, directory: Path, seed: int, say: Callable[[str], None], at_once: int = AT_ONCE) -> None:
        """`at_once` of each sort of job are under way at any time."""
        self.account = Account(seed, say)
        self._draw = random.Random(seed)
        self._trap = Trap(self._happen)
        self._author = Author(self._trap.on_model)
        self._model = ScriptedModel(self._author, on_said=self._author.on_said)
        self._model.start()
        self._field = Field(
            directory,
            workers=2,
            scheduler_arguments=("--park-seconds", "0.5"),
            environment={
                "STATEK_MODEL_BASE_URL": self._model.base_url,
                "STATEK_MODEL_API_KEY": "sk-sweep",
                "STATEK_MODEL_IDLE_SECONDS": str(MODEL_IDLE_SECONDS),
                "STATEK_MAX_QUEUED": str(MOST_QUEUED),
            },
        )
        self._link = Link(self._field.front, self._field.back, self._trap.on_message)
        self._commits = Commits(self._field.commits, self._trap.on_commit)
        self._plan = disturbances(seed)
        self._workloads: tuple[Workload, ...] = (
            Batches(self._field, self.account, at_once),
            Tales(self._field, self.account, self._author, at_once),
        )
        self._welcomes_wanted = 1

    def run(self, kills: int, seconds: float) -> Account:
        """Disturb until so many processes were killed or time is over, let all jobs end, and check the store.

        The time counts from when the services are at work.
        """
        began = time.monotonic()
        try:
            self._start()
            until = time.monotonic() + seconds
            while self.account.killed < kills and time.monotonic() < until:
                self._disturb(next(self._plan))
            self._let_end()
        except SweepFailed as error:
            self.account.fail(str(error))
        finally:
            self._stop()
        if self._field.ledger.exists():
            self._check()
        self.account.seconds = time.monotonic() - began
        return self.account

    def _start(self) -> None:
        """Start the services, and wait until they are at work; raises `SweepFailed`."""
        self._link.start()
        self._commits.start()
        self._field.start("scheduler")
        self._field.await_ready()
        for part in _SERVICES:
            self._field.start(part)
        self._settle()

    def _stop(self) -> None:
        for problem in self._field.stop():
            self.account.fail(problem)
        self._link.stop()
        self._commits.stop()
        self._model.close()
        for failure in self._link.failures:
            self.account.fail(f"the link: {failure!r}")

    def _disturb(self, disturbance: Disturbance) -> None:
        self._tend()
        if disturbance.kind:
            self._trap.arm(disturbance)
            if disturbance.kind in OF_A_CONNECTION:
                self._link.sever()
            await_condition(lambda: not self._trap.is_armed, PATIENCE_SECONDS)
            late = self._trap.take()
        else:
            await_condition(lambda: False, disturbance.seconds)
            late = disturbance
        if late is not None:
            self._happen(late, at="random times" if late.trouble == "kill" else None)
        self._mend()
        if self._draw.random() < SETTLED_SHARE:
            self._settle()

    def _tend(self) -> None:
        for workload in self._workloads:
            workload.collect()
            workload.feed()

    def _happen(self, disturbance: Disturbance, at: str | None = "") -> None:
        """Carry a disturbance out, and put it down; `at` is None where it could not be."""
        if at is None:
            self.account.events["troubles of messages that did not come"] += 1
            return
        self.account.recent.append(str(disturbance))
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
                self.account.fail(text)

    def _settle(self) -> None:
        """Wait until an executor is at work again; raises `SweepFailed`."""

        def is_back() -> bool:
            self._mend()
            return self._trap.welcomes >= self._welcomes_wanted

        if not await_condition(is_back, BACK_SECONDS):
            raise SweepFailed(f"no executor is at work {BACK_SECONDS:g} s after the last kill")

    def _let_end(self) -> None:
        """Disturb nothing any more until every job has ended."""
        deadline = time.monotonic() + PEACE_SECONDS
        for workload in self._workloads:
            workload.close()
        while any(workload.under_way for workload in self._workloads) and time.monotonic() < deadline:
            self._mend()
            self._tend()
            await_condition(lambda: False, _LOOK_EVERY_SECONDS)
        for workload in self._workloads:
            workload.miss()

    def _check(self) -> None:
        """Read and check the whole store, each of its parts, and what the workloads know of it."""
        for workload in self._workloads:
            workload.check()
        for finding in check(StoreDirectory(self._field.store)):
            if finding.state not in ("good", "note"):
                self.account.fail(f"{finding.part}: {finding.state}: {finding.what}")
            self.account.events[f"{finding.part} {finding.state}"] += 1
        self._count_messages()
        aside = [path.name for path in self._field.store.glob("dbzero.damaged-*")]
        told = sum(log.read_text(errors="replace").count("are made anew") for log in self._field.logs)
        self.account.events["dbzero made anew from the ledger, and told"] += told
        if len(aside) > told:
            self.account.fail(f"{len(aside)} stores of dbzero were set aside and {told} told of")

    def _count_messages(self) -> None:
        """Count what was met, and name what never was."""
        for what, met, wanted in (
            ("messages", self._trap.messages, set(KINDS)),
            ("commits", self._trap.commits, set(COMMITTED)),
        ):
            self.account.events[f"{what}, of {len(met)} kinds"] += sum(met.values())
            for kind in wanted - met.keys():
                self.account.events[f"{what}, never met: {kind}"] = 0
