"""Log files: of bounded size, for their owner's eyes, under names that nobody can choose to be something else."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final
from urllib.parse import quote

from statek.errors import LogsUnusable

SERVICE_FILE: Final = "statek.log"
"""No job's file: those all have an underscore."""
_NAME_BYTES: Final = 100
"""Of an agent's or a job's name in a file name, of which both and two endings have to fit into 255."""
_FOREIGN_WRITERS: Final = stat.S_IWGRP | stat.S_IWOTH


class LogFile:
    """A file that lines are appended to; when it is full, it becomes NAME.1 and a new one is begun."""

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        """`kept` is the number of earlier files that stay. Raises OSError."""
        self._path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._torn = False
        """Whether the last line is there in part, so that the next one has to begin a line of its own."""
        self._descriptor = -1
        self._open()

    def write(self, line: str) -> None:
        """Append a line, which ends with a line feed; raises OSError, and then the line may be there in part."""
        data = line.encode("utf-8", "backslashreplace")
        if not self._is_in_place():
            self.close()
            self._open()
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        if self._torn:
            data = b"\n" + data
        self._torn = True
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]
        self._torn = False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_in_place(self) -> bool:
        """Tell whether the file is still the one of that name: somebody may have moved or deleted it."""
        try:
            return self._descriptor >= 0 and os.path.samestat(os.fstat(self._descriptor), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        """Open the file, and never what somebody may have put in its place."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            earlier = self._path if number == 1 else self._numbered(number - 1)
            if earlier.exists():
                earlier.replace(self._numbered(number))
        if not self._kept:
            self._path.unlink()
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def take_directory(path: Path) -> int:
    """Make the directory of a scheduler's logs, or take up one that is ours; raises `LogsUnusable`.

    Returns its descriptor, whose lock keeps another scheduler from writing the same files.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LogsUnusable(path, error.strerror or "cannot be used") from error
    try:
        _check_directory(path, os.fstat(descriptor))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LogsUnusable(path, "another scheduler writes its logs there: give each a directory of its own") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@lru_cache(maxsize=1_000)
def job_file(agent: str, job: str) -> str:
    """Return the name of a job's file: AGENT_JOB.log, where no two jobs have the same and none is a path.

    What is no letter, digit, `.`, `-` or `_` is written as in a URL; so is an underscore in the job's name, which makes
    the last one the separator. Long names are cut, and go on with a hash behind a `~`, which is otherwise escaped.
    """
    return f"{_safe(agent)}_{_safe(job, also='_')}.log"


def remove_older(directory: Path, days: float) -> None:
    """Delete the files of jobs without a line for that long; what cannot be deleted stays."""
    before = time.time() - days * 86_400
    for path in _job_files(directory):
        try:
            if path.stat(follow_symlinks=False).st_mtime < before:
                path.unlink()
        except OSError:
            continue  # it is gone, or not ours to delete


def _job_files(directory: Path) -> Iterator[Path]:
    for pattern in ("*_*.log", "*_*.log.1"):
        yield from directory.glob(pattern)


def _safe(name: str, *, also: str = "") -> str:
    escaped = quote(name, safe="", errors="surrogatepass")
    for char in f"~{also}":
        escaped = escaped.replace(char, f"%{ord(char):02X}")
    if len(escaped) <= _NAME_BYTES:
        return escaped
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{escaped[: _NAME_BYTES - len(digest) - 1]}~{digest}"


def _check_directory(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise LogsUnusable(path, "it belongs to another user: name another directory")
    if found.st_mode & _FOREIGN_WRITERS:
        raise LogsUnusable(path, f"other users can write there: chmod go-w {path}")
