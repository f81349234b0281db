"""A store's directory: what becomes one, what is refused, and who holds its lock."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from statek.store.directory import StoreDirectory
from statek.store.errors import StoreDamaged, StoreLocked, StoreRefused, StoreUnwritable, StoreVersion
from statek.store.taking import take

HOLD_THE_LOCK = """
import sys, pathlib
from statek.store.directory import StoreDirectory
lock = StoreDirectory.create_or_open(pathlib.Path(sys.argv[1])).lock()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_new_store_is_its_owners_alone_and_opens_again(tmp_path: Path) -> None:
    store = StoreDirectory.create_or_open(tmp_path / "deep" / "store")
    assert store.path.stat().st_mode & 0o777 == 0o700
    assert StoreDirectory.create_or_open(store.path) == store


def test_an_empty_directory_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    assert StoreDirectory.create_or_open(tmp_path / "store").path.stat().st_mode & 0o777 == 0o700


def test_a_store_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir()
    (path / ".statek-store.new").write_text("stat")
    store = StoreDirectory.create_or_open(path)
    assert StoreDirectory.create_or_open(path) == store


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("precious")
    with pytest.raises(StoreRefused, match="name another path"):
        StoreDirectory.create_or_open(tmp_path / "store")
    assert (tmp_path / "store").read_text() == "precious"


def test_a_directory_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    before = tmp_path.stat().st_mode
    with pytest.raises(StoreRefused, match="empty or a new directory"):
        StoreDirectory.create_or_open(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]
    assert tmp_path.stat().st_mode == before


def test_a_store_that_others_can_enter_is_refused_with_the_command_that_closes_it(store: StoreDirectory) -> None:
    store.path.chmod(0o755)
    with pytest.raises(StoreRefused, match=f"chmod go-rwx {store.path}"):
        StoreDirectory.create_or_open(store.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 65534, 65534)
    with pytest.raises(StoreRefused, match="another user"):
        StoreDirectory.create_or_open(tmp_path / "theirs")


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30)
    with pytest.raises(StoreRefused, match="too long for the sockets"):
        StoreDirectory.create_or_open(path)
    assert not path.exists()


def test_a_store_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritable):
        StoreDirectory.create_or_open(tmp_path / "file" / "store")


def test_a_store_of_a_later_format_is_refused(store: StoreDirectory) -> None:
    (store.path / "statek-store").write_text("statek store, format 2\n")
    with pytest.raises(StoreVersion, match="newer release"):
        StoreDirectory.create_or_open(store.path)


@pytest.mark.parametrize("text", ["", "statek store, format x\n", "something else", "\0" * 30])
def test_a_damaged_marker_is_told_with_the_line_that_mends_it(store: StoreDirectory, text: str) -> None:
    (store.path / "statek-store").write_text(text)
    with pytest.raises(StoreDamaged, match="'statek store, format 1'"):
        StoreDirectory.create_or_open(store.path)


def test_a_store_has_one_scheduler_at_a_time(store: StoreDirectory) -> None:
    with store.lock():
        assert store.is_locked()
        with pytest.raises(StoreLocked) as caught:
            store.lock()
    assert caught.value.pid == os.getpid()
    assert not store.is_locked()
    store.lock().release()


def test_looking_at_the_lock_creates_and_changes_nothing(store: StoreDirectory) -> None:
    before = os.listdir(store.path)
    assert not store.is_locked()
    assert os.listdir(store.path) == before


def test_the_lock_names_the_process_that_holds_it_and_falls_when_that_is_killed(store: StoreDirectory) -> None:
    command = (sys.executable, "-P", "-c", HOLD_THE_LOCK, str(store.path))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert store.is_locked()
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
            store.lock()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not store.is_locked()
    store.lock().release()


def test_a_scheduler_waits_for_whoever_has_the_store_for_a_moment(store: StoreDirectory) -> None:
    async def main() -> None:
        lock = store.lock()
        taking = asyncio.ensure_future(take(store))
        await asyncio.sleep(0)
        assert not taking.done()
        lock.release()
        (await asyncio.wait_for(taking, 30)).release()

    asyncio.run(main())


def test_a_scheduler_does_not_wait_for_another_one_for_ever(store: StoreDirectory) -> None:
    with store.lock(), pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        asyncio.run(take(store, 0.05))


MAKE_STORES = """
import pathlib, sys
from statek.store.directory import StoreDirectory
for line in sys.stdin:
    directory = StoreDirectory.create_or_open(pathlib.Path(line.strip()))
    print("made" if (directory.path / "statek-store").exists() else "no marker", flush=True)
"""


def test_processes_that_make_the_same_store_at_once_all_get_it(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", MAKE_STORES]
    pipe = subprocess.PIPE
    makers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for attempt in range(200):
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write(f"{tmp_path / f'deep-{attempt}' / 'store'}\n")
            maker.stdin.flush()
        answers = [maker.stdout.readline() for maker in makers if maker.stdout]
        if answers != ["made\n"] * len(makers):
            break
    ends = [maker.communicate(timeout=60) for maker in makers]
    assert [(maker.returncode, errors) for maker, (_, errors) in zip(makers, ends, strict=True)] == [(0, "")] * 4
    assert answers == ["made\n"] * len(makers)
