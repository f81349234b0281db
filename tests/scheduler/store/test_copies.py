"""The application's prefixes are copied and verified; a damaged one is replaced, and what may be missing is named."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from store_application import PATIENCE, PREFIX, application, closed_store
from store_histories import fill

from statek.store import prefixes
from statek.store.copies import Copies
from statek.store.copying import CopyRules
from statek.store.directory import StoreDirectory
from statek.store.errors import ProbeEnded
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.prefix_probe import PrefixTrouble, look_into


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store in which an application has some texts, all of them copied."""
    return closed_store(tmp_path_factory.mktemp("template") / "store", 2)


def damage(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def numbers(store: StoreDirectory) -> list[str]:
    return [copy.directory.name for copy in Copies(store.copies).of(PREFIX)]


def test_what_changed_is_copied_when_the_store_is_closed(written: StoreDirectory) -> None:
    [copy] = Copies(written.copies).of(PREFIX)
    copy.check()
    assert copy.file.read_bytes() == (written.dbzero / f"{PREFIX}.db0").read_bytes()
    assert copy.objects >= 1


def test_what_did_not_change_is_not_copied_again(written: StoreDirectory) -> None:
    with application(written):
        pass
    assert numbers(written) == ["00000001"]


def test_as_many_copies_are_kept_as_are_asked_for(written: StoreDirectory) -> None:
    for number in (2, 3):
        with application(written, CopyRules(kept=2)) as running:
            running.put(number, b"text")
    assert numbers(written) == ["00000003", "00000002"]


def test_a_running_store_is_copied_at_an_interval(written: StoreDirectory) -> None:
    made = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "is copied to" in record.getMessage():
                made.set()

    told = Told()
    log = logging.getLogger("statek.store.copying")
    log.addHandler(told)
    log.setLevel(logging.INFO)
    try:
        with application(written, CopyRules(seconds=0.05)) as running:
            running.put(2, b"two")
            assert made.wait(PATIENCE)
            assert numbers(written) == ["00000002", "00000001"]
    finally:
        log.removeHandler(told)
        log.setLevel(logging.NOTSET)


def test_a_damaged_prefix_is_replaced_by_its_newest_copy_and_later_calls_are_named(
    written: StoreDirectory, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    [copy] = Copies(written.copies).of(PREFIX)
    fill(ledger, 1)
    with application(written, CopyRules(seconds=0)) as running:
        running.put(2, b"two")
    damage(written.dbzero / f"{PREFIX}.db0")
    with caplog.at_level(logging.WARNING), application(written) as running:
        assert running.texts() == {1: b"one"}
    [report] = running.reports
    assert (report.prefix, report.cursor, report.copy) == (PREFIX, copy.cursor, str(copy.directory))
    assert report.calls == ("job-2/1/0 ask", "job-2/1/1 ask")
    assert str(report) in caplog.messages
    assert json.loads((report.aside / "recovery.json").read_text())["calls"] == list(report.calls)
    assert (report.aside / f"{PREFIX}.db0").exists()


def test_a_copy_that_was_changed_is_not_put_back(written: StoreDirectory, caplog: pytest.LogCaptureFixture) -> None:
    with application(written) as running:
        running.put(2, b"two")
    newest, oldest = Copies(written.copies).of(PREFIX)
    damage(newest.file)
    damage(written.dbzero / f"{PREFIX}.db0")
    with caplog.at_level(logging.WARNING), application(written) as running:
        assert running.texts() == {1: b"one"}
    assert running.reports[0].copy == str(oldest.directory)
    assert f"the copy {newest.directory} cannot be used" in caplog.text


def test_without_a_good_copy_the_loss_is_reported(written: StoreDirectory) -> None:
    damage(Copies(written.copies).of(PREFIX)[0].file)
    damage(written.dbzero / f"{PREFIX}.db0")
    with application(written) as running:
        assert running.texts() == {}
    [report] = running.reports
    assert "there is no good copy" in str(report)


def test_a_prefix_whose_file_is_gone_is_put_back(written: StoreDirectory) -> None:
    (written.dbzero / f"{PREFIX}.db0").unlink()
    with application(written) as running:
        assert running.texts() == {1: b"one"}
    assert running.reports[0].reason == "its file is gone"


def test_a_copy_that_does_not_open_gets_no_place(written: StoreDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> int:
        raise PrefixTrouble("it is broken")

    monkeypatch.setattr("statek.store.copies.look_into", unreadable)
    with application(written) as running:
        running.put(2, b"two")
    assert running.troubles == [(PREFIX, "it does not open, so the prefix itself may be damaged: it is broken")]
    assert numbers(written) == ["00000001"]
    assert not (written.copies / PREFIX / ".new").exists()


def test_a_reading_that_is_ended_from_outside_puts_no_older_copy_in_the_place_of_a_whole_file(
    written: StoreDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written.dbzero / f"{PREFIX}.db0"
    before = file.read_bytes()
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -KILL $$\n")
    killed.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(killed))
    with (
        History.read(written.ledger) as ledger,
        pytest.raises(ProbeEnded, match=f"{PREFIX} in .* was ended by SIGKILL"),
    ):
        prefixes.recover_prefixes(written.dbzero, Copies(written.copies), ledger)
    assert file.read_bytes() == before
    assert not list(written.path.glob("dbzero.damaged-*"))


def test_a_copy_whose_reading_was_ended_from_outside_is_made_again_at_the_end(
    written: StoreDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def look(directory: Path, names: Sequence[str]) -> int:
        if ended.is_set():
            return look_into(directory, names)
        ended.set()
        raise ProbeEnded(directory, names, "SIGTERM")

    monkeypatch.setattr("statek.store.copies.look_into", look)
    with application(written, CopyRules(seconds=0.01)) as running:
        running.put(2, b"two")
        assert ended.wait(PATIENCE)
    [(prefix, trouble)] = running.troubles
    assert (prefix, "was ended by SIGTERM" in trouble) == (PREFIX, True)
    assert numbers(written) == ["00000002", "00000001"]


def test_a_copy_that_cannot_be_written_is_told_and_harms_nothing(written: StoreDirectory) -> None:
    place = written.copies / PREFIX
    for part in [*place.glob("*/*"), *place.iterdir()]:
        part.rmdir() if part.is_dir() else part.unlink()
    place.rmdir()
    place.write_text("in the way")
    with application(written) as running:
        running.put(2, b"two")
        assert running.texts() == {1: b"one", 2: b"two"}
    [(prefix, trouble)] = running.troubles
    assert prefix == PREFIX
    assert "cannot be written" in trouble


def test_the_clock_may_jump_back_between_two_copies(written: StoreDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statek.store.copying.time.time_ns", lambda: 1_000)
    with application(written) as running:
        running.put(2, b"two")
    newest, _ = Copies(written.copies).of(PREFIX)
    assert (newest.directory.name, newest.at_us) == ("00000002", 1)
    damage(written.dbzero / f"{PREFIX}.db0")
    with application(written) as running:
        assert running.texts() == {1: b"one", 2: b"two"}


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"format": 1, "prefix": 3}'])
def test_what_is_no_copy_is_passed_over(written: StoreDirectory, said: str) -> None:
    alien = written.copies / PREFIX / "00000009"
    alien.mkdir()
    (alien / "copy.json").write_text(said)
    assert numbers(written) == ["00000001"]
    assert Copies(written.copies).unreadable(PREFIX) == [alien]


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_truncated_prefix_is_found_without_a_copy(written: StoreDirectory, kept: float) -> None:
    file = written.dbzero / f"{PREFIX}.db0"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    [(name, reason)] = prefixes.troubles(written.dbzero, Copies(written.path / "none"))
    assert name == PREFIX
    assert reason.startswith("the prefix does not open")


def test_a_prefix_that_lost_its_end_is_found_although_it_opens(written: StoreDirectory) -> None:
    file = written.dbzero / f"{PREFIX}.db0"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-1])
    expected = f"its file has {size - 1} bytes, and a copy of it has {size}"
    assert list(prefixes.troubles(written.dbzero, Copies(written.copies))) == [(PREFIX, expected)]
