"""A dbzero store that cannot be gone on from is set aside, reported, and made anew from the ledger."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from store_histories import fill
from store_kills import run_and_kill
from store_mirrors import PATIENCE, expected, mirror_of, objects

from statek.store import objects as mirrored
from statek.store import recovery
from statek.store.checking import check
from statek.store.directory import StoreDirectory
from statek.store.errors import ObjectsUnusable, ProbeEnded
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek.store.recovery import Findings, RecoveryReport, probe

KILLS = 4


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store whose ledger and objects agree, closed."""
    store = StoreDirectory.create_or_open(tmp_path_factory.mktemp("template") / "store")
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 60)
    with mirror_of(store):
        pass
    return store.path


def report_of_next_start(store: StoreDirectory) -> RecoveryReport | None:
    """Start a mirror and see that it shows everything; return what it had to do for that."""
    with mirror_of(store) as mirror:
        assert objects(mirror) == expected(store)
        return mirror.recovery


def asides(store: StoreDirectory) -> list[str]:
    return sorted(path.name for path in store.path.glob("dbzero.damaged-*"))


def test_after_kills_the_objects_show_every_event_once(store: StoreDirectory) -> None:
    chance = random.Random(5)
    for _ in range(KILLS):
        run_and_kill(store.path, chance.randrange(1, 400), "mirror")
    report_of_next_start(store)
    assert report_of_next_start(store) is None


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.98])
def test_a_truncated_store_is_made_anew(written: StoreDirectory, kept: float) -> None:
    file = written.dbzero / "statek.db0"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    report = report_of_next_start(written)
    assert report is not None
    assert report.reason.startswith("it does not open")
    assert (report.aside / "statek.db0").exists()


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_objects_whose_reading_is_ended_from_outside_stay_and_nobody_calls_them_damaged(
    written: StoreDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = written.dbzero / "statek.db0"
    before = file.read_bytes()
    ended = tmp_path / "ended"
    ended.write_text(f"#!/bin/sh\nkill -{name} $$\n")
    ended.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(ended))
    with (
        History.read(written.ledger) as ledger,
        pytest.raises(ProbeEnded, match=f"statek in .* was ended by SIG{name}"),
    ):
        recovery.recover(written.dbzero, ledger, thorough=True)
    assert file.read_bytes() == before
    assert not asides(written)
    assert [found.state for found in check(written) if found.part == "prefix statek"] == ["unknown"]


def test_a_store_with_a_block_of_zeros_is_made_anew_and_nothing_is_deleted(
    written: StoreDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    file = written.dbzero / "statek.db0"
    data = bytearray(file.read_bytes())
    data[-40_000:-1_000] = bytes(39_000)
    file.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        report = report_of_next_start(written)
    assert report is not None
    assert str(report) in caplog.messages
    assert (report.aside / "statek.db0").read_bytes() == data


def test_a_store_that_lost_jobs_without_an_error_is_made_anew(written: StoreDirectory) -> None:
    def lose() -> None:
        root = mirrored.Root()
        del root.jobs[b"job-7"]

    with mirror_of(written) as mirror:
        mirror.submit(lose, durable=True).result(PATIENCE)
    report = report_of_next_start(written)
    assert report is not None
    assert report.reason.startswith("of 60 jobs it has 59 by name")


def test_a_store_of_an_older_format_is_made_anew(written: StoreDirectory) -> None:
    with mirror_of(written) as mirror:
        mirror.submit(lambda: setattr(mirrored.Root(), "format", 0), durable=True).result(PATIENCE)
    report = report_of_next_start(written)
    assert report is not None
    assert report.reason == f"it has format 0 instead of {recovery.OBJECTS_FORMAT}"


def test_the_format_that_recovery_expects_is_the_one_that_is_written() -> None:
    assert recovery.OBJECTS_FORMAT == mirrored.FORMAT


def test_a_store_ahead_of_the_ledger_is_made_anew_and_the_ledgers_loss_is_told(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        earlier = fill(ledger, 2)
    shutil.copy(store.ledger, store.path / "backup")
    with Ledger.open(store.ledger) as ledger:
        later = fill(ledger, 2)
    with mirror_of(store):
        pass
    shutil.copy(store.path / "backup", store.ledger)
    report = report_of_next_start(store)
    assert report is not None
    assert report.reason.startswith(f"it shows event {later} and the ledger ends at {earlier}")
    assert asides(store) == [f"dbzero.damaged-{later}"]


def test_a_store_made_from_another_ledger_is_made_anew(store: StoreDirectory, tmp_path: Path) -> None:
    for lines in (3, 4):
        for file in (store.ledger, store.path / "audit.head"):
            file.unlink(missing_ok=True)
        with Ledger.open(store.ledger) as ledger:
            fill(ledger, lines + 1, lines=lines)
        if lines == 3:
            assert report_of_next_start(store) is None
    report = report_of_next_start(store)
    assert report is not None
    assert "another ledger" in report.reason


def test_stores_set_aside_at_the_same_cursor_do_not_overwrite_each_other(written: StoreDirectory) -> None:
    for _ in range(2):
        (written.dbzero / "statek.db0").write_bytes(b"ruined")
        assert report_of_next_start(written) is not None
    assert asides(written) == ["dbzero.damaged-0", "dbzero.damaged-0.2"]


def test_files_of_other_prefixes_stay_when_ours_is_set_aside(written: StoreDirectory) -> None:
    other = written.dbzero / "notes.txt"
    other.write_text("the application's")
    (written.dbzero / "statek.db0").write_bytes(b"ruined")
    assert report_of_next_start(written) is not None
    assert other.read_text() == "the application's"


def test_a_store_that_was_never_committed_to_is_gone_on_from(store: StoreDirectory, ledger: Ledger) -> None:
    with mirror_of(store):
        pass
    found = probe(store.dbzero, PATIENCE)
    assert isinstance(found, Findings)
    assert (found.cursor, found.counted) == (0, 0)
    assert report_of_next_start(store) is None


def test_a_probe_that_takes_too_long_says_so(written: StoreDirectory) -> None:
    assert probe(written.dbzero, 0.01) == "it did not open within 0.01 s"


def close_dbzero() -> None:
    """Do the worst that application code can do to the thread it runs in."""
    import dbzero as db0

    db0.close()


def test_a_store_that_fails_in_use_is_made_anew_while_running(written: StoreDirectory) -> None:
    with Ledger.open(written.ledger) as ledger, mirror_of(written) as mirror:
        mirror.submit(close_dbzero).result(PATIENCE)
        mirror.notify(fill(ledger, 1))
        assert mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert objects(mirror) == expected(written)
        assert mirror.recovery is not None
        assert mirror.recovery.reason.startswith("dbzero failed in use")


def test_a_store_that_fails_again_and_again_is_a_failure_and_not_a_loop(store: StoreDirectory, ledger: Ledger) -> None:
    failures: list[BaseException] = []
    mirror = Mirror(store.dbzero, store.ledger, failures.append, commit_seconds=0.0)
    mirror.start()
    again: Callable[[], object] = close_dbzero
    for _ in range(2):
        mirror.submit(again).result(PATIENCE)
    mirror.wait_until(1, PATIENCE)
    assert mirror.stop(PATIENCE)
    assert [type(failure) for failure in failures] == [ObjectsUnusable]
