"""dbzero's file of the jobs is made anew when it has outgrown what lives in it, and not when it has not."""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dbzero as db0
import pytest
from store_application import PATIENCE
from store_compactor import STEPS
from store_histories import ENDS, fill, talks, ticks
from store_kills import HERE
from store_mirrors import expected, mirror_of, objects

from statek.store import by_reference, compaction
from statek.store.compaction import CompactionRules
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek.store.remaking import Remaking
from statek.store.session import Session

SMALL = 1_000
"""Bytes; every file of these tests is larger."""
PACE = 0.05
"""Seconds between two jobs while a new file is in the making, at the lowest priority."""


@db0.memo(singleton=True, id="test/Stranger", prefix="statek")
class Stranger:
    """An object of an application that opened no prefix of its own."""

    def __init__(self) -> None:
        self.text = "here"


@pytest.fixture
def grown(store: StoreDirectory) -> StoreDirectory:
    """Make a store with a commit for nearly every event, in which objects of every class of ours are."""
    with Ledger.open(store.ledger) as ledger, mirror_of(store) as mirror:
        for number, end in enumerate((*ENDS, *[""] * 5)):
            for tick in talks(f"talk-{number}", end) if end else ticks(f"job-{number}"):
                cursors = ledger.append(tick.records, tick.jobs, tick.blobs)
                mirror.notify(cursors[-1])
                assert mirror.wait_until(cursors[-1], PATIENCE)
    return store


def size_after_a_start(store: StoreDirectory, factor: float) -> int:
    with mirror_of(store, 1.0, compaction_rules=CompactionRules(factor, SMALL)) as mirror:
        assert objects(mirror) == expected(store)
        assert mirror.recovery is None
    return file_of(store).stat().st_size


def file_of(store: StoreDirectory) -> Path:
    return store.dbzero / "statek.db0"


def test_a_file_that_has_outgrown_its_jobs_is_made_anew_once(grown: StoreDirectory) -> None:
    (grown.dbzero / "statek.size").unlink()
    before = file_of(grown).stat().st_size
    after = size_after_a_start(grown, 3)
    assert after < before / 3
    inode = file_of(grown).stat().st_ino
    size_after_a_start(grown, 3)
    assert file_of(grown).stat().st_ino == inode


def test_a_file_is_left_alone_where_no_factor_is_set(grown: StoreDirectory) -> None:
    before = file_of(grown).stat()
    assert size_after_a_start(grown, 0) >= before.st_size
    assert file_of(grown).stat().st_ino == before.st_ino


def test_a_file_that_holds_objects_of_others_is_left_alone(grown: StoreDirectory) -> None:
    with mirror_of(grown) as mirror:
        mirror.submit(lambda: str(Stranger().text), durable=True).result(PATIENCE)
    (grown.dbzero / "statek.size").unlink()
    inode = file_of(grown).stat().st_ino
    size_after_a_start(grown, 2)
    assert file_of(grown).stat().st_ino == inode
    with mirror_of(grown) as mirror:
        assert mirror.submit(lambda: str(Stranger().text)).result(PATIENCE) == "here"


# while it is in use

EAGER = CompactionRules(2, 200_000, look_seconds=0.0)


@db0.memo(singleton=True, id="test/Notes")
class Notes:
    """An application's object, in a prefix of its own."""

    def __init__(self) -> None:
        db0.set_prefix(self, "notes")
        self.texts: dict[int, bytes] = {}


class Running:
    """A mirror on a ledger that grows, with an application that opened a prefix of its own."""

    def __init__(self, store: StoreDirectory, ledger: Ledger, mirror: Mirror) -> None:
        self.store, self.mirror = store, mirror
        self._ledger, self._jobs = ledger, 0
        self.notes: Any = None

    def grow(self) -> None:
        """Live through a job, with a commit for each of its steps."""
        self._jobs += 1
        for tick in ticks(f"more-{self._jobs}"):
            cursors = self._ledger.append(tick.records, tick.jobs, tick.blobs)
            self.mirror.notify(cursors[-1])
            assert self.mirror.wait_until(cursors[-1], PATIENCE)

    def run(self, function: Callable[[], Any], *, durable: bool = False) -> Any:
        return self.mirror.submit(function, durable=durable).result(PATIENCE)

    @property
    def inode(self) -> int:
        return file_of(self.store).stat().st_ino

    def grow_until(self, condition: Callable[[], bool]) -> None:
        """Let jobs live until a condition holds, and leave some of a busy machine to whoever makes a new file."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            self.grow()
            select.select([], [], [], PACE if leftovers(self.store) else 0)

    def until_replaced(self, before: int) -> None:
        """Let jobs live until another file is in the place of the one with that inode, and a smaller one."""
        sizes: list[int] = []

        def replaced() -> bool:
            found = file_of(self.store).stat()
            sizes.append(found.st_size)
            return found.st_ino != before

        self.grow_until(replaced)
        assert sizes[-1] < max(sizes)


@contextmanager
def running(store: StoreDirectory, rules: CompactionRules = EAGER) -> Iterator[Running]:
    with Ledger.open(store.ledger) as ledger, mirror_of(store, compaction_rules=rules) as mirror:
        here = Running(store, ledger, mirror)

        def opened() -> None:
            db0.open("notes", "rw")
            here.notes = Notes()

        here.run(opened)
        yield here
        here.notes = None


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that is no child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with open(descriptor, "rb"):
        return bool(select.select([descriptor], [], [], PATIENCE)[0])


def leftovers(store: StoreDirectory) -> list[Path]:
    return list(store.path.glob("dbzero.new-*"))


def test_a_file_in_use_is_made_anew_while_the_application_keeps_its_objects(store: StoreDirectory) -> None:
    from statek.store.objects import Job

    with running(store) as here:
        here.run(lambda: here.notes.texts.__setitem__(1, b"one"), durable=True)
        for _ in range(2):
            here.until_replaced(here.inode)
            assert objects(here.mirror) == expected(store)
        assert here.run(lambda: (dict(here.notes.texts.items()), db0.get_current_prefix().name)) == (
            {1: b"one"},
            "notes",
        )
        here.run(lambda: here.notes.texts.__setitem__(2, b"two"), durable=True)
        assert here.run(lambda: len(db0.find(Job, "DONE"))) == here.run(lambda: len(db0.find(Job)))
    assert leftovers(store) == []
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        assert objects(mirror) == expected(store)
        assert mirror.submit(lambda: (db0.open("notes", "rw"), dict(Notes().texts.items()))[1]).result(PATIENCE) == {
            1: b"one",
            2: b"two",
        }


def _job() -> Any:
    from statek.store.objects import Root

    return next(iter(Root().jobs.values()))


HELD: dict[str, Callable[[], Any]] = {
    "job": _job,
    "list": lambda: _job().chat_log,
    "iterator": lambda: iter(_job().py_env.chunks),
    "tags": lambda: db0.tags(_job()),
    "query": lambda: db0.find(type(_job())),
    "generator": lambda: _begun(found.job for found in db0.find(type(_job()))),
    "snapshot": lambda: db0.snapshot(),
}


def _begun(jobs: Iterator[str]) -> Iterator[str]:
    next(jobs)
    return jobs


@contextmanager
def session_of(store: StoreDirectory) -> Iterator[Session]:
    """Have two jobs' objects, in this thread."""
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 2)
        session = Session(store.dbzero, 0.0)
        try:
            session.apply_next(ledger, 1_000)
            yield session
        finally:
            session.close()


def test_whatever_somebody_holds_of_our_objects_is_noticed(store: StoreDirectory) -> None:
    with session_of(store) as session:
        for kind, hold in HELD.items():
            assert not session.is_held(), kind
            held = [hold()]
            assert session.is_held(), kind
            held.clear()
        assert not session.is_held()


def test_what_the_collector_was_told_to_leave_alone_may_hold_something(store: StoreDirectory) -> None:
    with session_of(store) as session:
        held = [HELD[kind]() for kind in ("query", "snapshot")]
        gc.freeze()
        try:
            assert session.is_held()
            assert gc.get_freeze_count() > 0, "it was only looked into"
            held.clear()
            assert not session.is_held()
        finally:
            gc.unfreeze()


def test_a_file_whose_objects_somebody_holds_stays_until_they_are_let_go(
    store: StoreDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "_HELD_POLL_SECONDS", 0.0)
    asked: list[int] = []
    wait = compaction.Compaction._wait_for_holders

    def waiting(*arguments: Any) -> None:
        asked.append(1)
        wait(*arguments)

    monkeypatch.setattr(compaction.Compaction, "_wait_for_holders", waiting)
    with running(store) as here:
        here.grow()
        before = here.inode
        held = [here.run(_job)]
        here.grow_until(lambda: len(asked) > 1)
        assert here.inode == before
        here.run(held.clear)
        here.until_replaced(before)
        assert objects(here.mirror) == expected(store)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_a_whole_file(store: StoreDirectory, step: str) -> None:
    command = (sys.executable, str(HERE / "store_compactor.py"), str(store.path), step)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert all(map(has_ended, map(int, ended.stdout.split())))
    with mirror_of(store) as mirror:
        assert objects(mirror) == expected(store)
        assert mirror.recovery is None
    assert leftovers(store) == []


def test_a_making_that_is_killed_is_told_and_tried_again(
    store: StoreDirectory, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    start = Remaking._start

    def killed(*arguments: Any) -> Any:
        process = start(*arguments)
        pids.append(process.pid)
        if len(pids) == 1:
            os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(Remaking, "_start", killed)
    rules = replace(EAGER, first_wait_seconds=0.0)
    with caplog.at_level(logging.WARNING), running(store, rules) as here:
        here.until_replaced(here.inode)
        assert objects(here.mirror) == expected(store)
    assert len(pids) > 1
    assert any("exit status -9" in text and "tried again in 0 s" in text for text in caplog.messages)


def test_a_file_that_lacks_room_on_the_disk_is_left_alone(
    store: StoreDirectory, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda _: full)
    with caplog.at_level(logging.WARNING), running(store) as here:
        before = here.inode
        here.grow_until(lambda: "have to be free on the disk, and 0 are" in caplog.text)
        assert here.inode == before


def test_a_file_in_use_that_holds_objects_of_others_is_left_alone(store: StoreDirectory) -> None:
    with running(store) as here:
        here.run(lambda: str(Stranger().text), durable=True)
        before = here.inode
        here.grow_until(lambda: file_of(store).stat().st_size > 2 * EAGER.minimum_bytes)
        assert here.inode == before
        assert leftovers(store) == []


def test_a_job_is_found_again_by_its_name_and_no_other_object_of_ours_at_all(store: StoreDirectory) -> None:
    with running(store) as here:
        here.grow()
        name, place = here.run(lambda: (_job().job, by_reference.uuid_of(_job())))
        here.until_replaced(here.inode)
        assert here.run(lambda: by_reference.fetch(place).job) == name
        with pytest.raises(TypeError, match="give the job that it belongs to"):
            here.run(lambda: by_reference.uuid_of(_job().usage))
