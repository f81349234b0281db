"""Verified copies of the application's dbzero prefixes, which no ledger stands behind.

    STORE/copies/PREFIX/00000007/PREFIX.db0     a copy of the file, taken between two commits
                                 copy.json      what it is, with the digest of that file

A copy is made under another name, made durable, opened and read through by a process of its own, and only then given
its place; so what is there by a number was good when it was taken, and its digest tells whether it still is. Numbers
count up, whatever the clock does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from statek.store.directory import refuse_unreadable, sync_directory, write_durably
from statek.store.prefix_probe import SUFFIX, PrefixTrouble, look_into

log = logging.getLogger(__name__)

OURS: Final = "statek"
"""The one prefix that is not the application's: it is made from the ledger."""
_ABOUT: Final = "copy.json"
_FORMAT: Final = 1
_NEW: Final = ".new"
_ABOUT_LIMIT: Final = 10_000


class CopyDamaged(Exception):
    """A copy is not what it was when it was verified."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was verified when it was taken."""

    directory: Path
    prefix: str
    cursor: int
    """Every call that the ledger had answered up to this event is in it; later ones may be."""
    at_us: int
    """When it was taken, by the machine's clock, in µs of Unix time."""
    objects: int
    bytes: int
    digest: str

    @property
    def file(self) -> Path:
        return self.directory / f"{self.prefix}{SUFFIX}"

    def check(self) -> None:
        """See whether it is what was verified, and whether it opens; raises `CopyDamaged`."""
        try:
            found = file_digest(self.file)
            if found != self.digest:
                raise CopyDamaged("its file has another content than when it was verified")
            look_into(self.directory, [self.prefix])
        except (OSError, PrefixTrouble) as error:
            raise CopyDamaged(f"it does not open ({error})") from error

    def describe(self) -> None:
        """Write durably beside the file what it is."""
        said = {key: value for key, value in asdict(self).items() if key != "directory"}
        write_durably(self.directory / _ABOUT, json.dumps({"format": _FORMAT, **said}, indent=1) + "\n")
        sync_directory(self.directory)

    def put(self, directory: Path) -> None:
        """Put the prefix's file into that directory, whole or not at all, in the place of one that may be there."""
        new = directory / f".{self.prefix}{SUFFIX}{_NEW}"
        copy_file(self.file, new)
        new.rename(directory / f"{self.prefix}{SUFFIX}")
        sync_directory(directory)


class Copies:
    """All copies of one store."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prefixes(self) -> list[str]:
        """Name the prefixes that there are copies of, also where what a copy is cannot be read any more."""
        return sorted(path.name for path in self._entries(self._directory) if self._places(path.name))

    def of(self, prefix: str) -> list[Copy]:
        """Return the copies of a prefix, the newest first; those whose description cannot be read are left out."""
        places = sorted(self._places(prefix), reverse=True)
        return [copy for copy in map(_read_about, places) if copy is not None and copy.prefix == prefix]

    def unreadable(self, prefix: str) -> list[Path]:
        """Return what has the place of a copy and is none."""
        return sorted(place for place in self._places(prefix) if _read_about(place) is None)

    def begin(self, source: Path) -> Path:
        """Copy a prefix's file while nobody writes it; the copy has no place until it is verified. Raises OSError."""
        new = self._directory / source.stem / _NEW
        for directory in (self._directory, new.parent):
            directory.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(new, ignore_errors=True)  # left by a process that was killed
        new.mkdir(mode=0o700)
        shutil.copyfile(source, new / source.name)
        (new / source.name).chmod(0o600)
        return new

    def finish(self, new: Path, cursor: int, at_us: int, keep: int) -> Copy | None:
        """Verify what `begin` made and give it its place, dropping the oldest beyond `keep`.

        None when the newest copy has the same content. Raises OSError or `PrefixTrouble`; the file is then deleted.
        """
        try:
            return self._place(new, cursor, at_us, keep)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _place(self, new: Path, cursor: int, at_us: int, keep: int) -> Copy | None:
        prefix = new.parent.name
        file = new / f"{prefix}{SUFFIX}"
        found = self.of(prefix)
        content = file_digest(file)
        if found and found[0].digest == content:
            return None
        objects = look_into(new, [prefix])
        (new / f"{file.name}.lock").unlink(missing_ok=True)
        number = max((int(place.name) for place in self._entries(new.parent) if place.name.isdigit()), default=0) + 1
        made = Copy(new, prefix, cursor, at_us, objects, file.stat().st_size, content)
        _sync(file)
        made.describe()
        made = replace(made, directory=new.parent / f"{number:08d}")
        new.rename(made.directory)
        sync_directory(new.parent)
        for old in found[max(keep, 1) - 1 :]:
            shutil.rmtree(old.directory, ignore_errors=True)
        return made

    def _places(self, prefix: str) -> list[Path]:
        return [place for place in self._entries(self._directory / prefix) if place.name.isdigit()]

    @staticmethod
    def _entries(directory: Path) -> Iterator[Path]:
        refuse_unreadable(directory)
        if directory.is_dir():
            yield from directory.iterdir()


def prefix_files(directory: Path) -> list[Path]:
    """Return the files of the application's prefixes in a dbzero directory, in order."""
    return sorted(file for file in directory.glob(f"*{SUFFIX}") if file.stem != OURS and not file.name.startswith("."))


def file_digest(file: Path) -> str:
    """Name a file's content: hex BLAKE2b of 256 bits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content and make it durable; only the owner may read it."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with source.open("rb") as read, open(descriptor, "wb") as written:
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _read_about(place: Path) -> Copy | None:
    """Read what a copy says of itself; None where that is not one of ours."""
    try:
        with (place / _ABOUT).open("rb") as file:
            said: dict[str, Any] = json.loads(file.read(_ABOUT_LIMIT))
        if said.pop("format") != _FORMAT:
            raise ValueError("of another format")
        copy = Copy(place, **said)
        _check_types(copy)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.debug("%s is not the copy of a prefix: %s", place, error)
        return None
    return copy


def _check_types(copy: Copy) -> None:
    numbers = (copy.cursor, copy.at_us, copy.objects, copy.bytes)
    if not all(type(number) is int for number in numbers):
        raise ValueError("a number is none")
    if type(copy.prefix) is not str or type(copy.digest) is not str or "/" in copy.prefix:
        raise ValueError("a name is none")
