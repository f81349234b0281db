"""The ledger survives what kills its writer: SIGKILL anywhere, a full disk, a second writer."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store_histories import fill
from store_kills import HERE, run_and_kill

from statek.core.evolve import evolve
from statek.core.jobs import Job
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreUnreadable, StoreUnwritable
from statek.store.history import History
from statek.store.ledger import Ledger

KILLS = 10


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there_after_kills(store: StoreDirectory) -> None:
    chance = random.Random(7)
    for _ in range(KILLS):
        acknowledged = run_and_kill(store.path, chance.randrange(1, 200))
        assert not store.is_locked()
        with Ledger.open(store.ledger) as ledger:
            assert ledger.last_cursor >= acknowledged
            ledger.verify()
    with Ledger.open(store.ledger) as ledger:
        for job in ledger.jobs():
            assert job == folded(ledger, job.job)


def folded(ledger: Ledger, job: str) -> Job | None:
    state: Job | None = None
    for stored in ledger.events(job):
        state = evolve(state, stored.event)
    return state


def test_a_full_disk_changes_nothing_and_the_same_append_succeeds_when_there_is_room(store: StoreDirectory) -> None:
    command = (sys.executable, str(HERE / "store_full_disk.py"), str(store.path))
    told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert told["written"] == told["cursor"] > 10
    assert told["again"] == [told["cursor"] + 1]
    assert told["reason"]
    with Ledger.open(store.ledger) as ledger:
        printed = [getattr(stored.event, "data", b"") for stored in ledger.events(None)]
        assert printed == [b"%d\n" % number for number in range(told["written"] + 1)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_file_system_loses_nothing_either(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(small)), capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this root may not mount")
    try:
        store = StoreDirectory.create_or_open(small / "store")
        with Ledger.open(store.ledger) as ledger:
            with pytest.raises(StoreUnwritable, match="full"):
                fill(ledger, 10_000)
            last = ledger.last_cursor
            assert last == len(ledger.events(None, limit=last + 10)) > 0
            ledger.verify()
        store.ledger.with_name("ledger.sqlite3-shm").unlink(missing_ok=True)
        with pytest.raises(OSError, match="No space left"):
            (small / "filler").write_bytes(bytes(1_000_000))
        with pytest.raises(StoreUnreadable, match="the disk is full"), History.read(store.ledger) as history:
            history.verify()
    finally:
        subprocess.run(("umount", str(small)), check=True)


def test_a_foreign_writer_is_waited_for_and_then_reported(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 1)
    monkeypatch.setattr("statek.store.database._BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(store.ledger, isolation_level=None)) as foreign, Ledger.open(store.ledger) as second:
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnwritable, match="locked"):
            fill(second, 1)
        foreign.execute("ROLLBACK")
        fill(second, 1)
