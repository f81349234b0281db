"""A backup can be a single file, which is there whole or not at all, and nothing else is ever taken out of one."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from store_application import application, closed_store

from statek.store.backup import back_up
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreDamaged, StoreError, StoreRefused
from statek.store.history import History
from statek.store.restoring import restore


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return closed_store(tmp_path_factory.mktemp("template") / "store", 3)


@pytest.fixture
def archive(written: StoreDirectory, tmp_path: Path) -> Path:
    back_up(written, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def test_a_store_comes_back_from_a_single_file(written: StoreDirectory, archive: Path, tmp_path: Path) -> None:
    restored = restore(archive, tmp_path / "restored")
    with History.read(written.ledger) as before, History.read(tmp_path / "restored" / "ledger.sqlite3") as after:
        assert list(after.jobs()) == list(before.jobs())
    assert restored.manifest.jobs == 3
    assert json.loads((tmp_path / "restored" / "restored.json").read_text())["backup"] == str(archive)
    with application(StoreDirectory.create_or_open(tmp_path / "restored")) as running:
        assert running.texts() == {1: b"one"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "restored", "store"]


def test_an_archive_is_its_owners_alone_and_tells_nobody_whose_it_was(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        assert {(member.uid, member.uname, member.mode) for member in tar} == {(0, "", 0o600)}


def test_an_archive_that_is_there_is_not_overwritten(written: StoreDirectory, archive: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(StoreRefused):
        back_up(written, archive)
    assert archive.read_bytes() == before


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_an_archive_that_lost_its_end_is_refused(archive: Path, tmp_path: Path, kept: float) -> None:
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    with pytest.raises(StoreError):
        restore(archive, tmp_path / "restored")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "store"]


def test_an_archive_that_was_changed_is_refused(archive: Path, tmp_path: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[data.index(b"SQLite format 3") + 5_000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(StoreDamaged, match="another content"):
        restore(archive, tmp_path / "restored")


@pytest.mark.parametrize(
    "name", ["../escaped", "/tmp/escaped", "copies/../../escaped", "statek-store", "manifest.json"]
)
def test_nothing_is_taken_out_but_what_a_backup_has(archive: Path, tmp_path: Path, name: str) -> None:
    with tarfile.open(archive, "a:") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(StoreDamaged):
        restore(archive, tmp_path / "restored")
    assert not list(tmp_path.rglob("escaped*"))
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_no_member_is_anything_but_a_plain_file(archive: Path, tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(archive, "a:") as tar:
        member = tarfile.TarInfo("copies/shelf/00000001/shelf.db0")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(StoreDamaged, match="no backup has"):
        restore(archive, tmp_path / "restored")


def test_the_commands_take_a_file_too(written: StoreDirectory, tmp_path: Path) -> None:
    def statek(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-P", "-m", "statek", *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert statek("backup", "--store", str(written.path), str(tmp_path / "one.tar")).returncode == 0
    assert statek("restore", "--store", str(tmp_path / "made"), str(tmp_path / "one.tar")).returncode == 0
    assert statek("restore", "--store", str(tmp_path / "other"), str(tmp_path / "none.tar")).returncode == 5
    assert statek("backup", "--store", str(written.path), str(tmp_path / "one.tar")).returncode == 2
