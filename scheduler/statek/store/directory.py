"""Where a store lives on disk: its directory, the marker that makes it one, and the lock of its only scheduler.

    STORE/statek-store      marker: format of the directory
          scheduler.lock    held by the scheduler that runs on it; its pid inside
          ledger.sqlite3    the truth about every job (and SQLite's -wal and -shm beside it)
          dbzero/           objects made from the ledger, and the application's own
          copies/           verified copies of the application's own, by prefix
          client.sock, executors.sock

The directory is its owner's alone: whoever may open its sockets may run code in the scheduler's name.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from statek.store.errors import (
    StoreDamaged,
    StoreLocked,
    StoreRefused,
    StoreUnreadable,
    StoreUnwritable,
    StoreVersion,
)

FORMAT: Final = 1
"""Format of the directory's layout; the ledger has one of its own."""

_MARKER: Final = "statek-store"
_NEW_MARKER: Final = ".statek-store.new"
"""What the marker's name begins with until it is complete: a directory that holds nothing else is being made by another
process, or was when that was killed."""
_MARKER_TEXT: Final = "statek store, format {format}\n"
_MARKER_LIMIT: Final = 100
_SOCKET_PATH_LIMIT: Final = 107
"""Bytes of a unix socket's path (sun_path in unix(7), less the closing NUL)."""
_FLOCK: Final = "hhqqi4x"
"""struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid."""


@dataclass(frozen=True, slots=True)
class StoreDirectory:
    """The directory of one store; `create_or_open` is the way to get one."""

    path: Path

    @classmethod
    def create_or_open(cls, path: Path) -> StoreDirectory:
        """Open a store, or make one where there is nothing yet; raises a `StoreError` and then has changed nothing."""
        path = Path(os.path.abspath(path))
        _check_length(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # one step: others may make the same store just now
            return cls._open(path)
        except FileExistsError as error:
            raise StoreRefused(Path(error.filename), "is not a directory", "name another path for the store") from None
        except OSError as error:
            raise StoreUnwritable(path, _reason(error)) from error

    @classmethod
    def _open(cls, path: Path) -> StoreDirectory:
        if path.stat().st_uid != os.geteuid():
            raise StoreRefused(path, "belongs to another user", "run as that user, or name another path")
        entries = {name for name in os.listdir(path) if not name.startswith(_NEW_MARKER)}
        if not entries:
            path.chmod(0o700)
            return cls._make(path)
        if _MARKER not in entries and not (path / _MARKER).exists():  # it may have come while we listed
            raise StoreRefused(path, "is not empty and not a store", "name an empty or a new directory")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreRefused(path, "is open to other users", f"close it: chmod go-rwx {path}")
        _check_marker(path / _MARKER)
        return cls(path)

    @classmethod
    def _make(cls, path: Path) -> StoreDirectory:
        """Write the marker so that it is there whole or not at all."""
        new = path / f"{_NEW_MARKER}.{os.getpid()}.{threading.get_ident()}"
        with new.open("w") as file:
            file.write(_MARKER_TEXT.format(format=FORMAT))
            file.flush()
            os.fsync(file.fileno())
        new.rename(path / _MARKER)
        sync_directory(path)
        sync_directory(path.parent)
        return cls(path)

    @property
    def client_socket(self) -> Path:
        return self.path / "client.sock"

    @property
    def executor_socket(self) -> Path:
        return self.path / "executors.sock"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite3"

    @property
    def dbzero(self) -> Path:
        return self.path / "dbzero"

    @property
    def copies(self) -> Path:
        return self.path / "copies"

    @property
    def _lock_file(self) -> Path:
        return self.path / "scheduler.lock"

    def lock(self) -> StoreLock:
        """Become the only scheduler on this store; raises `StoreLocked`. The kernel frees the lock when we die."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnwritable(self._lock_file, _reason(error)) from error
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return StoreLock(descriptor)

    def _take(self, descriptor: int) -> None:
        """Open-file-description locks can be looked at without being taken, which flock(2) cannot."""
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except BlockingIOError:
            raise StoreLocked(self.path, _pid_in(descriptor)) from None
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise StoreUnwritable(self._lock_file, _reason(error)) from error

    def is_locked(self) -> bool:
        """Tell whether a scheduler runs on this store, without creating or changing anything."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_WRLCK))
        finally:
            os.close(descriptor)
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


class StoreLock:
    """The right to be a store's scheduler, until released or until the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the store free; a second time does nothing. The file stays: removing it would race with the next one."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> StoreLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def write_durably(path: Path, text: str) -> None:
    """Write a small file that only its owner may read, and make it durable."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def refuse_unreadable(path: Path) -> None:
    """Raise `StoreUnreadable` for a file or directory that is there and cannot be read, which is no damage of it."""
    try:
        if path.is_dir():
            os.listdir(path)
        else:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnreadable(path, _reason(error)) from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, as fsync does for a file's content."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole_file(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def _pid_in(descriptor: int) -> int | None:
    """Read the pid that the holder wrote; None while it has not written it yet."""
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _check_length(path: Path) -> None:
    longest = len(os.fsencode(path / "executors.sock"))
    if longest > _SOCKET_PATH_LIMIT:
        excess = longest - _SOCKET_PATH_LIMIT
        raise StoreRefused(path, f"is {excess} bytes too long for the sockets in it", "name a shorter path")


def _check_marker(marker: Path) -> None:
    with marker.open("rb") as file:
        text = file.read(_MARKER_LIMIT)
    prefix = _MARKER_TEXT.partition("{")[0].encode()
    number = text.removeprefix(prefix).strip()
    if not text.startswith(prefix) or not number.isdigit():
        way_out = f"if its ledger is yours, write the line {_MARKER_TEXT.format(format=FORMAT).strip()!r} into it"
        raise StoreDamaged(marker, "it is not the marker of a store", way_out)
    if int(number) != FORMAT:
        raise StoreVersion(int(number), FORMAT)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
