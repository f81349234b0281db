"""A scheduler on a large store, killed inside its commits, again and again: is anything lost that was acknowledged?

A commit is entered by what the scheduler itself says (`announcing`), and counts as hit when it had not said that the
commit ended before it died. The ledger must survive every time. dbzero is known not to; that it is found, told, and
made anew from the ledger is what is tried. The first time that is waited for to its end and checked; after later ones a
copy of the sound objects is put back, so that the next kill meets all the jobs again and not a beginning of them.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.stores import Model, fill

from crashsweep.account import Account
from crashsweep.announced import ENDED, Announced, Commits
from crashsweep.field import await_condition
from crashsweep.submitting import Submitter
from statek.core.events import BatchSubmitted
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.recovery import Findings, probe

STORES: Final = ("dbzero", "ledger")
DBZERO_SHARE: Final = 0.6
SKIPPED: Final = {"dbzero": (1, 1, 1, 2), "ledger": (0, 0, 1, 2, 5)}
"""Commits of a new scheduler that are let pass; dbzero's first one has nothing to write."""
COMMIT_SECONDS: Final = 60.0
"""Within this time after its start a scheduler has begun to commit."""
ANEW_SECONDS: Final = 300.0
_FIRST_GUESS_SECONDS: Final = 0.01


class MidCommit:
    """One large store, and the schedulers that are killed on it."""

    def __init__(self, directory: Path, seed: int, jobs: int, say: Callable[[str], None]) -> None:
        self.account = Account(seed, say)
        self._say = say
        self._draw = random.Random(seed)
        self._directory, self._jobs = directory, jobs
        self._store, self._sound = directory / "store", directory / "sound"
        self._typical = dict.fromkeys(STORES, _FIRST_GUESS_SECONDS)
        self._checked = 0
        self._made_anew = 0

    def run(self, kills: int, seconds: float) -> Account:
        """Kill so many schedulers inside a commit, or until time is over; then check everything that there is."""
        began = time.monotonic()
        self._fill()
        submitter = Submitter(self._store, self._jobs, self.account.seed)
        submitter.start()
        try:
            while self.account.killed < kills and time.monotonic() - began < seconds:
                self._cycle(submitter)
        finally:
            self._finish(submitter)
            self.account.seconds = time.monotonic() - began
        return self.account

    def _fill(self) -> None:
        """Make the store, let its objects be made, and keep a copy of them."""
        model = self._directory / "model"
        command = [sys.executable, "-P", "-m", "statek", "exec", "--json", "--store", str(model), "-"]
        source = "kept = 1\nprint('hello')\n"
        ran = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
        names = (f"job-{number}" for number in range(self._jobs))
        fill(self._store, Model.of(model, json.loads(ran.stdout)["job"]), names)
        scheduler = self._start()
        self._await_objects(scheduler)
        status = scheduler.stop()
        scheduler.close()
        if status != 0:
            self.account.fail(f"the first scheduler stopped with status {status}: {scheduler.said[-600:]}")
        shutil.copytree(StoreDirectory(self._store).dbzero, self._sound)
        self._say(f"a store of {self._jobs:,} jobs is there")

    def _start(self) -> Announced:
        number = sum(self.account.events.values())
        return Announced(self._store, self._directory / f"scheduler-{number}-{time.monotonic_ns()}.log")

    def _await_objects(self, scheduler: Announced) -> None:
        """Wait until the objects show everything that the ledger has now."""
        with History.read(StoreDirectory(self._store).ledger) as history:
            wanted = history.last_cursor
        for store, word, cursor in scheduler.lines(ANEW_SECONDS):
            if store == "dbzero" and word == ENDED and cursor >= wanted:
                return
        self.account.fail(f"the objects were not made within {ANEW_SECONDS:g} s: {scheduler.said[-600:]}")

    def _cycle(self, submitter: Submitter) -> None:
        """Start a scheduler, kill it inside a commit, and look whether all that was acknowledged is there."""
        target = "dbzero" if self._draw.random() < DBZERO_SHARE else "ledger"
        scheduler = self._start()
        hit = self._kill_inside(scheduler, target, skip=self._draw.choice(SKIPPED[target]))
        if hit is None:
            if scheduler.process.poll() is not None:
                self.account.fail(f"the scheduler ended by itself: {scheduler.said[-1000:]}")
            scheduler.kill()
        elif hit:
            self.account.kills["scheduler"] += 1
            self.account.points["kill", f"inside a commit of {' and of '.join(hit)}"] += 1
        else:
            self.account.events["kills between commits, not counted above"] += 1
        scheduler.close()
        self._take_notice(scheduler)
        self._check_acknowledged(submitter)
        scheduler.log.unlink()

    def _kill_inside(self, scheduler: Announced, target: str, skip: int) -> list[str] | None:
        """Kill in the course of a commit of the target; returns the stores that had one open, None without a kill."""
        commits = Commits(self._typical)
        deadline = time.monotonic() + COMMIT_SECONDS
        while time.monotonic() < deadline:
            said = scheduler.read(1.0)
            if said is None:
                return None
            commits.take(said)
            if target not in commits.open or commits.begun[target] <= skip:
                continue
            time.sleep(self._draw.uniform(0.0, self._typical[target]))
            commits.take(scheduler.read(0.0) or ())
            if target not in commits.open:
                continue  # it was quicker than we
            scheduler.kill()
            for line in scheduler.lines(1.0):
                commits.take((line,))
            return sorted(commits.open)
        return None

    def _take_notice(self, scheduler: Announced) -> None:
        """Count the objects that had to be made anew; the first time, see that they are made in full."""
        aside = list(self._store.glob("dbzero.damaged-*"))
        if not aside:
            return
        told = "are made anew from the ledger" in scheduler.said
        self.account.events["dbzero found damaged, and told" if told else "dbzero damaged, not told"] += len(aside)
        if not told:
            self.account.fail(f"dbzero was set aside in silence: {scheduler.said[-600:]}")
        for path in aside:
            shutil.rmtree(path)
        self._made_anew += 1
        if self._made_anew == 1:
            self._see_made_anew()
        else:
            dbzero = StoreDirectory(self._store).dbzero
            shutil.rmtree(dbzero, ignore_errors=True)
            shutil.copytree(self._sound, dbzero)

    def _see_made_anew(self) -> None:
        directory = StoreDirectory(self._store)
        shutil.rmtree(directory.dbzero, ignore_errors=True)
        scheduler = self._start()
        self._await_objects(scheduler)
        scheduler.stop()
        scheduler.close()
        found = probe(directory.dbzero, ANEW_SECONDS)
        if not isinstance(found, Findings) or not found.counted == found.in_dict == found.by_type == self._jobs:
            self.account.fail(f"the objects that were made anew are not whole: {found}")
        self.account.events["dbzero made anew in full, and counted"] += 1

    def _check_acknowledged(self, submitter: Submitter) -> None:
        """Find each acknowledged batch in the ledger, once and in its place."""
        known = list(submitter.acknowledged.items())
        with History.read(StoreDirectory(self._store).ledger) as history:
            for name, (job, batch) in known[self._checked :]:
                events = [stored.event for stored in history.events(job, 0, 100_000, (BatchSubmitted.kind,))]
                same = [event for event in events if isinstance(event, BatchSubmitted) and event.name == name]
                if [event.batch for event in same] != [batch]:
                    self.account.fail(f"{name!r} of {job} was acknowledged as batch {batch}, and the ledger has {same}")
        self._checked = len(known)

    def _finish(self, submitter: Submitter) -> None:
        """Start once more in peace; the whole ledger must be there, and the objects must become whole."""
        scheduler = self._start()
        await_condition(lambda: "scheduler ready" in scheduler.said, COMMIT_SECONDS)
        submitter.stop()
        self._await_objects(scheduler)
        if scheduler.stop() != 0:
            self.account.fail(f"the last scheduler did not stop well: {scheduler.said[-600:]}")
        scheduler.close()
        if submitter.error is not None:
            self.account.fail(f"the client failed: {submitter.error!r}")
        self._checked = 0
        self._check_acknowledged(submitter)
        found = probe(StoreDirectory(self._store).dbzero, ANEW_SECONDS)
        if not isinstance(found, Findings) or found.counted != self._jobs:
            self.account.fail(f"the objects are not whole at the end: {found}")
        self._verify()
        self.account.outcomes = Counter({"in the store": self._jobs})
        self.account.events["submissions acknowledged, each found once"] += len(submitter.acknowledged)

    def _verify(self) -> None:
        with History.read(StoreDirectory(self._store).ledger) as history:
            try:
                history.verify()
            except Exception as error:  # noqa: BLE001 - it is the sweep's finding
                self.account.fail(f"the ledger: {type(error).__name__}: {error}")
            self.account.events["events in the ledger, every one verified"] += history.last_cursor
