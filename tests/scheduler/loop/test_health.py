"""A scheduler tells how it is at once, from memory, and what is wrong is named with what to do about it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from loop_stand import Stand, finished, stand

from statek.inspection.health import BEHIND_EVENTS, BUSY_SECONDS, LAG_SECONDS, LOG_BYTES, troubles
from statek.loop.vitals import BEAT_SECONDS, BEATS_KEPT, Vitals
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek_protocol.messages.client import Accepted, Alive, AskHealth, Health, Ping
from statek_protocol.messages.interpreter import Run

WELL = Health("r", "0", 1.0, 0.0, 0, {}, 0, 0, 0, 1, 2, 10, 1_000, 1_000, 0, 0, "", 0.0, None)
WRONG = {
    "no executor": (replace(WELL, executors=0, ready=3), "3 jobs wait and no executor is connected"),
    "late": (replace(WELL, lag_seconds=LAG_SECONDS + 1), "2.0 s late"),
    "hung": (
        replace(WELL, objects_doing="function", objects_busy_seconds=BUSY_SECONDS + 1, objects_waiting=7),
        "for 31 s, and 7 more wait for it",
    ),
    "behind": (replace(WELL, objects_behind=BEHIND_EVENTS + 1), f"{BEHIND_EVENTS + 1} events behind"),
    "log": (replace(WELL, log_bytes=LOG_BYTES + 1), "write-ahead log"),
}


def health(here: Stand) -> Health:
    """Ask; no turn of the loop is needed for the answer."""
    here.ask(AskHealth("how"))
    return here.told(Health)[-1]


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(what: str) -> None:
    facts, words = WRONG[what]
    [said] = troubles(facts)
    assert words in said


def test_nothing_is_wrong_with_a_scheduler_that_is_well() -> None:
    assert list(troubles(WELL)) == []
    assert list(troubles(replace(WELL, objects_doing="commit", objects_busy_seconds=100.0))) == []


def test_jobs_are_counted_by_status_as_they_go(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as here:
        assert health(here).jobs == {}
        here.submitted(key="one")
        here.submitted(key="two")
        assert (health(here).jobs, health(here).ready) == ({"READY": 2}, 2)
        executor = here.executor()
        assert health(here).jobs == {"READY": 1, "STARTED": 1}
        assert (health(here).ready, health(here).active, health(here).executors) == (1, 1, 1)
        executor.send(executor.lease, finished(executor.all(Run)[-1]))
        here.turn()
        assert health(here).jobs == {"DONE": 1, "READY": 1} == here.ledger.counts()
    with stand(tmp_path / "ledger") as again:
        assert health(again).jobs == {"DONE": 1, "READY": 1}


def test_pings_are_answered_whatever_waits_to_be_decided_upon(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as here:
        for number in range(100):
            here.submit(b"source", key=f"key {number}")
        here.ask(Ping("there?"))
        assert [alive.request for alive in here.told(Alive)] == ["there?"]
        assert health(here).backlog >= 100
        here.turn()
        assert health(here).backlog == 0


def test_a_turn_that_has_taken_its_time_leaves_the_rest_to_the_next_one(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as here:
        here.turn()
        here.loop.turn_seconds = 0.0
        for number in range(3):
            here.submit(b"source", key=f"key {number}")
        before = here.loop.backlog
        here.loop.turn()
        assert (before - here.loop.backlog, len(here.told(Accepted))) == (1, 1)
        here.turn()
        assert [accepted.request for accepted in here.told(Accepted)] == ["key 0", "key 1", "key 2"]


def test_lateness_is_the_worst_of_the_last_ten_seconds(tmp_path: Path) -> None:
    now = [100.0]
    with stand(tmp_path / "ledger") as here:
        vitals = _vitals(here, tmp_path, now)
        vitals.beat()
        for late in (0.0, 2.0, 0.1):
            now[0] += BEAT_SECONDS + late
            vitals.beat()
        assert vitals.facts("r").lag_seconds == pytest.approx(2.0)
        for _ in range(BEATS_KEPT):
            now[0] += BEAT_SECONDS
            vitals.beat()
        assert vitals.facts("r").lag_seconds == pytest.approx(0.0, abs=1e-6)
        now[0] += 5.0
        assert vitals.facts("r").lag_seconds == pytest.approx(5.0 - BEAT_SECONDS), "also while it is late"


def test_a_function_that_hangs_in_dbzeros_thread_shows(tmp_path: Path) -> None:
    store = StoreDirectory.create_or_open(tmp_path / "store")
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert go_on.wait(60)

    Ledger.open(store.ledger).close()
    mirror = Mirror(store.dbzero, store.ledger, lambda _: None)
    mirror.start()
    try:
        hanging = mirror.submit(hang)
        waiting = mirror.submit(lambda: 1)
        assert begun.wait(60)
        activity = mirror.activity
        assert (activity.doing, activity.waiting) == ("function", 1)
        assert mirror.activity.seconds > activity.seconds
        go_on.set()
        hanging.result(60)
        assert waiting.result(60) == 1
    finally:
        go_on.set()
        assert mirror.stop(60)
    assert mirror.activity.doing == ""


def test_the_command_says_that_nobody_answers(tmp_path: Path) -> None:
    store = StoreDirectory.create_or_open(tmp_path / "store")
    command = (
        sys.executable,
        "-P",
        "-m",
        "statek",
        "health",
        "--store",
        str(store.path),
        "--seconds",
        "0.01",
        "--json",
    )
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["ok"]) == (1, False)
    assert "no scheduler runs" in said["troubles"][0]


def _vitals(here: Stand, path: Path, now: list[float]) -> Vitals:
    directory = StoreDirectory(path)
    return Vitals(here.loop, Mirror(directory.dbzero, directory.ledger, lambda _: None), directory, lambda: now[0])
