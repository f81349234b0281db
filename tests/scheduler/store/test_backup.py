"""A backup is taken beside a running scheduler, checked as a whole, and becomes a store that shows the same."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_application import PREFIX, application, closed_store
from store_histories import fill
from store_mirrors import expected, mirror_of, objects

from statek.store.backup import back_up
from statek.store.copies import Copies
from statek.store.copying import CopyRules
from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import StoreDamaged, StoreError, StoreRefused
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.restoring import restore


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with jobs and an application's objects, closed."""
    return closed_store(tmp_path_factory.mktemp("template") / "store", 3)


@pytest.fixture
def scheduler(written: StoreDirectory) -> Iterator[StoreLock]:
    """Hold the store's lock, as its scheduler does."""
    with written.lock() as lock:
        yield lock


def told_of(path: Path) -> list[object]:
    with History.read(path / "ledger.sqlite3") as ledger:
        return [*ledger.events(None, limit=10_000), *ledger.jobs()]


def test_a_restored_store_shows_what_the_first_one_shows(written: StoreDirectory, tmp_path: Path) -> None:
    manifest = back_up(written, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored")
    again = StoreDirectory.create_or_open(tmp_path / "restored")
    assert told_of(again.path) == told_of(written.path)
    assert manifest.prefixes[PREFIX].calls == ()
    with mirror_of(again) as mirror:
        assert objects(mirror) == expected(written)
    with application(again) as running:
        assert running.texts() == {1: b"one"}
    assert running.reports == []


def test_a_backup_beside_a_scheduler_has_all_jobs_and_names_calls_since_the_copy(
    written: StoreDirectory, scheduler: StoreLock, tmp_path: Path
) -> None:
    with Ledger.open(written.ledger) as ledger, application(written, CopyRules(seconds=0)) as running:
        fill(ledger, 1)
        running.put(2, b"two")
        manifest = back_up(written, tmp_path / "backup")
        assert manifest.cursor == ledger.last_cursor
    assert manifest.prefixes[PREFIX].calls == ("job-3/1/0 ask", "job-3/1/1 ask")
    restore(tmp_path / "backup", tmp_path / "restored")
    with application(StoreDirectory.create_or_open(tmp_path / "restored")) as running:
        assert running.texts() == {1: b"one"}


def test_a_prefix_without_a_copy_is_said_to_be_missing(written: StoreDirectory, tmp_path: Path) -> None:
    (written.dbzero / f"{PREFIX}.db0").write_bytes(b"broken")
    Copies(written.copies).of(PREFIX)[0].file.unlink()
    manifest = back_up(written, tmp_path / "backup")
    assert manifest.prefixes == {}
    assert "does not open" in manifest.missing[PREFIX]


def test_a_backup_that_was_changed_is_refused_and_no_store_is_made(written: StoreDirectory, tmp_path: Path) -> None:
    back_up(written, tmp_path / "backup")
    for name in ("ledger.sqlite3", "audit.head", f"copies/{PREFIX}/00000001/{PREFIX}.db0"):
        good = (tmp_path / "backup" / name).read_bytes()
        data = bytearray(good)
        data[len(data) // 2] ^= 1
        (tmp_path / "backup" / name).write_bytes(data)
        with pytest.raises(StoreDamaged, match="another content"):
            restore(tmp_path / "backup", tmp_path / "restored")
        (tmp_path / "backup" / name).write_bytes(good)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "store"]
    restore(tmp_path / "backup", tmp_path / "restored")


@pytest.mark.parametrize("said", ["", "[]", '{"format": 1}', '{"format": 99}', "null"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, said: str) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "manifest.json").write_text(said)
    with pytest.raises(StoreError):
        restore(tmp_path / "backup", tmp_path / "restored")


def test_a_manifest_cannot_name_other_files(written: StoreDirectory, tmp_path: Path) -> None:
    back_up(written, tmp_path / "backup")
    manifest = tmp_path / "backup" / "manifest.json"
    whole = manifest.read_text()
    for name in ("../../etc/passwd", "/etc/passwd", f"copies/../{PREFIX}.db0", "statek-store"):
        said = json.loads(whole)
        said["files"][name] = {"bytes": 0, "digest": ""}
        manifest.write_text(json.dumps(said))
        with pytest.raises(StoreDamaged, match="no backup has"):
            restore(tmp_path / "backup", tmp_path / "restored")


def test_nothing_that_is_there_is_overwritten(written: StoreDirectory, tmp_path: Path) -> None:
    with pytest.raises(StoreRefused):
        back_up(written, written.path)
    back_up(written, tmp_path / "backup")
    with pytest.raises(StoreRefused):
        restore(tmp_path / "backup", written.path)


def test_a_damaged_ledger_is_not_backed_up(written: StoreDirectory, tmp_path: Path) -> None:
    data = written.ledger.read_bytes()
    at = data.index(b"no \0 luck")
    written.ledger.write_bytes(data[:at] + b"x" + data[at + 1 :])
    with pytest.raises(StoreDamaged):
        back_up(written, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_backup_is_its_owners_alone(written: StoreDirectory, tmp_path: Path) -> None:
    back_up(written, tmp_path / "backup")
    for path in (tmp_path / "backup").rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o700


def test_the_commands_back_up_and_restore(written: StoreDirectory, tmp_path: Path) -> None:
    def statek(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-P", "-m", "statek", *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})

    made = statek("backup", "--store", str(written.path), str(tmp_path / "backup"))
    assert (made.returncode, made.stderr) == (0, "")
    assert "3 jobs" in made.stdout
    again = statek("restore", "--store", str(tmp_path / "restored"), "--json", str(tmp_path / "backup"))
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"] == 3
    assert statek("restore", "--store", str(tmp_path / "restored"), str(tmp_path / "backup")).returncode == 2
    assert statek("restore", "--store", str(tmp_path / "other"), str(tmp_path / "none")).returncode == 5


def test_a_backup_that_does_not_fit_leaves_nothing_behind(written: StoreDirectory, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk; what SQLite needs to read beside a writer still fits."""
    limited = f"ulimit -f 40; exec {sys.executable} -P -m statek backup --store {written.path} {tmp_path}/backup"
    made = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert made.returncode == 5, made.stderr
    assert "cannot write" in made.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    assert len(Copies(written.copies).of(PREFIX)) == 1
