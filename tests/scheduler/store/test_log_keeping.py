"""The ledger's write-ahead log is brought home beside the writer, and its place is there beforehand."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from store_histories import fill
from store_mirrors import PATIENCE

from statek.core.events import ConsolePrinted
from statek.store import log_keeping
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreUnwritable
from statek.store.history import History
from statek.store.ledger import Ledger, Record
from statek.store.log_keeping import LAID_OUT_BYTES

JOB = "job-0"


def log_of(store: StoreDirectory) -> Path:
    return store.ledger.with_name(store.ledger.name + "-wal")


def printed(ledger: Ledger, size: int) -> None:
    ledger.append([Record(JOB, 1, ConsolePrinted(1, "output", b"x" * size))], (), {})


def wait_for_growth(file: Path, size: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while file.stat().st_size < size:
        assert time.monotonic() < give_up, f"{file} has {file.stat().st_size} bytes"
        os.sched_yield()


def test_a_place_that_is_laid_out_is_an_empty_log_to_whoever_opens_the_ledger(
    store: StoreDirectory, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.keep_log_beside()
    assert log_of(store).stat().st_size == LAID_OUT_BYTES
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy, ignore=shutil.ignore_patterns("*-shm"))  # as a kill leaves it
    with Ledger.open(StoreDirectory(copy).ledger) as opened:
        assert opened.last_cursor == 0


def test_what_is_appended_goes_into_the_place_and_survives_a_kill(
    store: StoreDirectory, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.keep_log_beside()
    fill(ledger, 3)
    assert log_of(store).stat().st_size == LAID_OUT_BYTES
    copy = tmp_path / "copy"
    shutil.copytree(store.path, copy, ignore=shutil.ignore_patterns("*-shm"))
    with Ledger.open(StoreDirectory(copy).ledger) as opened:
        opened.verify()
        assert opened.events(None, 0, 10_000) == ledger.events(None, 0, 10_000)


def test_a_log_that_there_is_already_is_not_written_over(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 1)
    before = log_of(store).read_bytes()
    ledger.keep_log_beside()
    assert log_of(store).read_bytes() == before
    with History.read(store.ledger) as reader:
        reader.verify()


def test_the_thread_brings_home_what_the_writer_leaves_in_the_log(store: StoreDirectory, ledger: Ledger) -> None:
    ledger.keep_log_beside()
    fill(ledger, 1)
    before = store.ledger.stat().st_size
    written = 3 * LAID_OUT_BYTES // 4  # less than makes the writer bring it home itself
    for _ in range(32):
        printed(ledger, written // 32)
    for _ in range(log_keeping.PAGES_BESIDE):
        ledger._log_keeper.committed(1, 0)  # type: ignore[union-attr]
    wait_for_growth(store.ledger, before + written)
    ledger.verify()


def test_the_log_does_not_grow_with_the_work(store: StoreDirectory, ledger: Ledger) -> None:
    ledger.keep_log_beside()
    fill(ledger, 1)
    for _ in range(40):
        printed(ledger, 1_000_000)
    assert log_of(store).stat().st_size < 30_000_000
    ledger.verify()


def test_trouble_with_bringing_home_is_told_and_the_ledger_goes_on(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path) -> None:
        raise StoreUnwritable(path, "no space left")

    monkeypatch.setattr(log_keeping, "bring_log_home", fail)
    with caplog.at_level(logging.WARNING):
        ledger.keep_log_beside()
        fill(ledger, 1)
        for _ in range(log_keeping.PAGES_BESIDE):
            ledger._log_keeper.committed(1, 0)  # type: ignore[union-attr]
        give_up = time.monotonic() + PATIENCE
        while "stays as it is" not in caplog.text:
            assert time.monotonic() < give_up
            os.sched_yield()
    printed(ledger, 10)
    ledger.verify()


def test_where_there_is_no_room_the_log_grows_as_it_may(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuse)
        log_keeping.lay_out(store.ledger)
    assert log_of(store).stat().st_size == 0
    fill(ledger, 1)
    ledger.verify()


def test_a_ledger_that_is_closed_leaves_no_log_and_no_thread(store: StoreDirectory, ledger: Ledger) -> None:
    ledger.keep_log_beside()
    fill(ledger, 1)
    thread = ledger._log_keeper._thread  # type: ignore[union-attr]
    ledger.close()
    assert not thread.is_alive()
    assert not log_of(store).exists()
