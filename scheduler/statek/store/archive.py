"""A backup as a single file: a plain tar of the backup's directory, written whole or not at all, and taken apart again.

Without compression: most of it is SQLite and dbzero pages, and whoever wants it small pipes it through a compressor.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from statek.store.directory import sync_directory
from statek.store.errors import StoreDamaged, StoreRefused, StoreUnreadable, StoreUnwritable

T = TypeVar("T")

SUFFIX: Final = ".tar"
_MEMBERS_LIMIT: Final = 10_000
_WAY_OUT: Final = "take another backup"


def is_archive(path: Path) -> bool:
    """Tell whether a path names a backup in a single file."""
    return path.suffix == SUFFIX and not path.is_dir()


def write_archive(target: Path, fill: Callable[[Path], T]) -> T:
    """Have a backup's directory filled and make it that file, whole or not at all; raises a `StoreError`."""
    if target.exists():
        raise StoreRefused(target, "is there already", "name another path for the backup")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _working_directory(target.parent) as work:
            (work / "content").mkdir(mode=0o700)
            filled = fill(work / "content")
            _pack(work / "content", work / "archive")
            os.link(work / "archive", target)  # refuses a name that somebody else has taken meanwhile
        sync_directory(target.parent)
    except OSError as error:
        raise StoreUnwritable(Path(error.filename or target), error.strerror or type(error).__name__) from error
    return filled


@contextmanager
def opened_archive(archive: Path, beside: Path, is_known: Callable[[str], bool]) -> Iterator[Path]:
    """Take an archive apart into a directory for the time of a block; raises a `StoreError`.

    The directory is beside a path where there is room. Nothing is taken out but plain files of names that are known.
    """
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        with _working_directory(beside.parent) as work:
            _unpack(archive, work, is_known)
            yield work
    except OSError as error:
        raise StoreUnwritable(Path(error.filename or beside), error.strerror or type(error).__name__) from error


@contextmanager
def _working_directory(parent: Path) -> Iterator[Path]:
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pack(content: Path, archive: Path) -> None:
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(found for found in content.rglob("*") if found.is_file()):
                tar.add(path, arcname=str(path.relative_to(content)), recursive=False, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose files they were; the archive is its owner's alone, and so is what is made of it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(archive: Path, work: Path, is_known: Callable[[str], bool]) -> None:
    try:
        with tarfile.open(archive, "r:") as tar:
            for number, member in enumerate(tar):
                if number >= _MEMBERS_LIMIT or not member.isreg() or not is_known(member.name):
                    raise StoreDamaged(archive, f"it holds what no backup has: {member.name[:200]!r}", _WAY_OUT)
                source = tar.extractfile(member)
                assert source is not None, "it is a plain file"
                place = work / member.name
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with source, place.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except (tarfile.TarError, FileExistsError, EOFError) as error:
        raise StoreDamaged(archive, f"it is not a whole archive of a backup ({error})", _WAY_OUT) from error
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise StoreUnreadable(archive, error.strerror or type(error).__name__) from error
