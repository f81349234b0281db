"""A ledger whose file was damaged says so, with a way out; it never tells a wrong history."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_histories import fill

from statek.audit.records import Draft
from statek.core.events import Event
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreDamaged, StoreUnreadable, StoreVersion
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.tables import FORMAT

FLIPS = 60


@pytest.fixture
def full(store: StoreDirectory) -> Path:
    """Make a ledger with some jobs, closed."""
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 20)
    return store.ledger


def execute(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, parameters)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_a_truncated_ledger_is_refused(full: Path, kept: float) -> None:
    data = full.read_bytes()
    full.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(StoreDamaged, match="backup"):
        Ledger.open(full)


def test_a_large_truncated_ledger_is_refused_without_reading_it_all(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statek.store.database._CHECKED_BYTES", 0)
    data = full.read_bytes()
    full.write_bytes(data[:-4096])
    with pytest.raises(StoreDamaged):
        Ledger.open(full)


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(store: StoreDirectory) -> None:
    store.ledger.write_bytes(b"not a database at all, but long enough to be looked at " * 100)
    before = store.ledger.read_bytes()
    with pytest.raises(StoreDamaged):
        Ledger.open(store.ledger)
    assert store.ledger.read_bytes() == before


def test_a_ledger_that_is_gone_is_not_begun_anew(full: Path) -> None:
    with Ledger.open(full) as ledger:
        ledger.append([], [], {}, drafts=[Draft(1, "scheduler_started", None, "{}")])
    full.unlink()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        Ledger.open(full)
    assert not full.exists()


def test_another_sqlite_file_is_refused(store: StoreDirectory) -> None:
    execute(store.ledger, "CREATE TABLE recipes(name)")
    with pytest.raises(StoreDamaged, match="not a ledger"):
        Ledger.open(store.ledger)


def test_a_ledger_of_a_later_format_is_refused_by_writer_and_reader(full: Path) -> None:
    execute(full, f"PRAGMA user_version = {FORMAT + 1}")
    for open_it in (Ledger.open, History.read):
        with pytest.raises(StoreVersion, match="newer release"):
            open_it(full)


def test_a_ledger_whose_making_was_interrupted_is_made_again(store: StoreDirectory) -> None:
    half_made = store.ledger.with_name(store.ledger.name + ".new")
    half_made.write_bytes(b"half")
    with Ledger.open(store.ledger) as ledger:
        assert ledger.last_cursor == 0
    assert not half_made.exists()


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("UPDATE events SET body = zeroblob(length(body)) WHERE cursor = 7", "event 7"),
        ("UPDATE events SET at_us = at_us + 1 WHERE cursor = 7", "event 7"),
        ("UPDATE events SET kind = 'job_ended' WHERE cursor = 7", "event 7"),
        ("UPDATE events SET job = (SELECT number FROM jobs WHERE job = 'job-9') WHERE cursor = 7", "event 7"),
        ("UPDATE jobs SET status = 'READY' WHERE job = 'job-3'", "job job-3"),
        ("UPDATE jobs SET state = x'80' WHERE job = 'job-3'", "job job-3"),
        ("UPDATE blobs SET data = x'00' WHERE rowid = 1", "blob "),
    ],
)
def test_a_row_that_is_not_what_was_written_is_named(full: Path, sql: str, place: str) -> None:
    execute(full, sql)
    with Ledger.open(full) as ledger, pytest.raises(StoreDamaged, match=place):
        ledger.verify()


def test_a_ruined_schema_is_told_even_where_it_is_not_text(full: Path) -> None:
    data = full.read_bytes()
    full.write_bytes(data.replace(b"CREATE TABLE submissions", b"CREATE TABLE submis\xf3ions"))
    with pytest.raises(StoreDamaged):
        Ledger.open(full)


def test_a_ledger_that_was_taken_out_of_wal_mode_is_put_back_into_it(full: Path) -> None:
    execute(full, "PRAGMA journal_mode = DELETE")
    with Ledger.open(full) as ledger:
        assert Path(f"{full}-wal").exists()
        ledger.verify()


def test_a_flipped_bit_is_told_or_does_not_matter(full: Path, tmp_path: Path) -> None:
    chance = random.Random(11)
    with Ledger.open(full) as ledger:
        truth = everything(ledger)
    copy = tmp_path / "copy.sqlite3"
    for _ in range(FLIPS):
        data = bytearray(full.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        copy.write_bytes(data)
        assert read_or_damage(copy) in (None, truth)


def read_or_damage(path: Path) -> list[tuple[int, str, int, Event]] | None:
    """Read everything in a damaged ledger; None when it said that it cannot be read."""
    try:
        with Ledger.open(path) as ledger:
            ledger.verify()
            return everything(ledger)
    except (StoreDamaged, StoreUnreadable, StoreVersion):
        return None
    finally:
        for leftover in path.parent.glob(path.name + "-*"):
            leftover.unlink()


def everything(ledger: Ledger) -> list[tuple[int, str, int, Event]]:
    return [(stored.cursor, stored.job, stored.at_us, stored.event) for stored in ledger.events(None, limit=10_000)]


def test_a_damaged_write_ahead_log_loses_its_end_and_nothing_before_it(store: StoreDirectory, tmp_path: Path) -> None:
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 3)
        truth = everything(ledger)
        copy = tmp_path / "ledger.sqlite3"
        shutil.copy(store.ledger, copy)
        log = bytearray(Path(f"{store.ledger}-wal").read_bytes())
        log[len(log) // 2] ^= 0xFF
        Path(f"{copy}-wal").write_bytes(log)
    with Ledger.open(copy) as ledger:
        ledger.verify()
        kept = everything(ledger)
        assert 0 < len(kept) < len(truth)
        assert kept == truth[: len(kept)]
