"""A scheduler forgets jobs beside its other work, its files stay bounded, and the command does the same without it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from loop_stand import Stand, finished, stand
from store_lives import begin, fault_of, forget, go_on, live
from store_mirrors import mirror_of, objects

from statek.core.events import BatchEnded, BatchSkipped, ConsolePrinted, JobEnded
from statek.loop.pruning import prune
from statek.loop.retaining import Retention
from statek.store.compaction import CompactionRules
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.ledger import Ledger
from statek_protocol.messages.client import Refused
from statek_protocol.messages.interpreter import Run

DAY = 86_400.0


class Clock:
    """The time of day, as a test sets it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def ended(here: Stand, key: str) -> str:
    executor = here.executor(f"executor of {key}")
    job = here.submitted(key=key).job
    executor.send(executor.lease, finished(executor.all(Run)[-1]))
    here.turn()
    assert here.job(job).status == "DONE"
    return job


def portion(here: Stand, retention: Retention) -> bool:
    """Have a turn with a portion in it; tell whether that was the last one."""
    told: list[bool] = []
    here.loop.do(lambda tick: retention.portion(told.append, tick))
    here.turn()
    [at_rest] = told
    return at_rest


def test_a_running_scheduler_forgets_what_has_ended_and_goes_on(store: StoreDirectory) -> None:
    with stand(store.ledger) as here:
        old = ended(here, "old")
        retention = Retention(here.loop, 0.0)
        waiting = here.submitted(key="waiting").job
        while not portion(here, retention):
            pass
        assert retention.forgotten == 1
        assert (here.job(old).status, here.job(waiting).status) == ("FORGOTTEN", "READY")
        here.executor("another")
        assert here.job(waiting).status == "STARTED"


def test_a_forgotten_job_is_refused_whatever_is_asked_of_it(store: StoreDirectory) -> None:
    with stand(store.ledger) as here:
        old = ended(here, "old")
        portion(here, Retention(here.loop, 0.0))
        here.submit(b"more", key="again", job=old)
        here.follow(old, request="follow")
        here.turn()
        refused = {message.request: message for message in here.told(Refused)}
        assert {message.code for message in refused.values()} == {"forgotten"}
        assert set(refused) == {"again", "follow"}
        assert "start a new one" in refused["again"].reason
        assert here.job(old).status == "FORGOTTEN"


def test_a_job_that_is_revived_in_the_same_turn_is_kept(store: StoreDirectory) -> None:
    with stand(store.ledger) as here:
        old = ended(here, "old")
        here.submit(b"more", key="again", job=old)
        portion(here, Retention(here.loop, 0.0))
        assert here.job(old).status in ("READY", "STARTED")


@pytest.mark.parametrize("jump", [365 * DAY, -365 * DAY])
def test_a_clock_that_is_set_while_it_runs_lets_nothing_be_forgotten_early(store: StoreDirectory, jump: float) -> None:
    with stand(store.ledger) as here:
        old, clock = ended(here, "old"), Clock()
        retention = Retention(here.loop, DAY, clock)
        clock.now += jump
        portion(here, retention)
        assert here.job(old).status == "DONE"


def test_an_old_job_is_forgotten_after_its_time_and_not_before(store: StoreDirectory) -> None:
    with stand(store.ledger) as here:
        old, clock = ended(here, "old"), Clock()
        clock.now += 2 * DAY
        assert portion(here, Retention(here.loop, 3 * DAY, clock))
        assert here.job(old).status == "DONE"
        portion(here, Retention(here.loop, DAY, clock))
        assert here.job(old).status == "FORGOTTEN"


def test_the_ledger_of_jobs_that_come_and_go_stays_bounded(store: StoreDirectory) -> None:
    """Pages are used again, and what is left over is given back; the write-ahead log does not grow with the work."""
    sizes = []
    with Ledger.open(store.ledger) as ledger:
        for _ in range(5):
            live(ledger, 20, lines=100)
            forget(ledger)
            sizes.append(store.ledger.stat().st_size)
        log = store.ledger.with_name(store.ledger.name + "-wal").stat().st_size
    kept = sum(len(record) for record in _audit_bytes(store))
    assert sizes[-1] - sizes[0] < 3 * kept, "what grows is the audit log"
    assert log < 16 * 1024 * 1024


def test_a_ledger_that_was_large_gives_its_pages_back(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        begin(ledger, "a long one", steps=2)
        go_on(ledger, "a long one", *[ConsolePrinted(1, "output", b"text" * 50_000)] * 60)
        go_on(ledger, "a long one", BatchEnded(1, "ok", None, None), BatchSkipped(2), JobEnded("ok"))
    large = store.ledger.stat().st_size
    with Ledger.open(store.ledger) as ledger:
        forget(ledger)
    assert large > 12_000_000
    assert store.ledger.stat().st_size < large / 2


def test_a_ledger_of_an_earlier_release_is_written_anew_by_the_command(store: StoreDirectory) -> None:
    """SQLite can only be told in a new file to give pages back."""
    with Ledger.open(store.ledger) as ledger:
        live(ledger, 5, lines=300)
    with closing(sqlite3.connect(store.ledger)) as other:
        other.execute("PRAGMA auto_vacuum = NONE")
        other.execute("VACUUM")
    pruned = prune(store, 0.0)
    assert pruned.jobs == 5
    assert pruned.bytes > 0
    with closing(sqlite3.connect(store.ledger)) as other:
        assert other.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    with Ledger.open(store.ledger) as ledger:
        ledger.verify()
    assert fault_of(store) is None


def test_the_objects_of_jobs_that_come_and_go_stay_bounded(store: StoreDirectory) -> None:
    sizes: list[int] = []
    for _ in range(3):
        with Ledger.open(store.ledger) as ledger:
            live(ledger, 45, lines=30)
            with mirror_of(store, compaction_rules=CompactionRules(3, 200_000)):
                pass
            forget(ledger)
            begin(ledger, f"kept {len(sizes)}")
        with mirror_of(store, compaction_rules=CompactionRules(3, 200_000)) as mirror:
            assert len(objects(mirror)) == len(sizes) + 1
        sizes.append((store.dbzero / "statek.db0").stat().st_size)
    assert sizes[-1] <= sizes[0] + 100_000, sizes


def test_the_command_says_what_it_would_forget_and_then_forgets_it(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        live(ledger, 3)
        begin(ledger, "under way")
        events = ledger.last_cursor
    command = (sys.executable, "-P", "-m", "statek", "store", "prune", "--store", str(store.path), "--json")
    environment = {**os.environ, "PYTHONWARNINGS": "error"}

    def run(*more: str) -> dict[str, object]:
        ended = subprocess.run((*command, *more), check=True, capture_output=True, timeout=60, env=environment)
        said: dict[str, object] = json.loads(ended.stdout)
        return said

    told = run("--older-than", "1", "--dry-run")
    with History.read(store.ledger) as history:
        assert history.last_cursor == events
    done = run("--older-than", "1")
    assert (told["jobs"], told["events"]) == (done["jobs"], done["events"])
    assert done["jobs"] == 3
    assert run("--older-than", "1")["jobs"] == 0
    assert fault_of(store) is None
    with History.read(store.ledger) as history:
        assert [job.job for job in history.jobs()] == ["under way"]


def _audit_bytes(store: StoreDirectory) -> list[str]:
    from statek.audit.query import Query
    from statek.store.audit_reader import AuditReader

    with AuditReader.read(store.ledger) as audit:
        return [record.as_json() for record in audit.select(Query())]
