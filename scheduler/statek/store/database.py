"""How the ledger's SQLite file is made, opened and checked, and what SQLite's errors mean for a store.

WAL with synchronous=FULL: one fsync per transaction, readers never wait for the writer, and forty of forty stores
survived a kill inside a commit. Only the writer and a thread beside it ever checkpoint: all other
connections are read-only.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from statek.errors import BugInScheduler
from statek.store.audit_head import NAME as HEAD_FILE
from statek.store.audit_head import read_head
from statek.store.directory import sync_directory
from statek.store.errors import (
    StoreDamaged,
    StoreError,
    StoreOutdated,
    StoreUncertain,
    StoreUnreadable,
    StoreUnwritable,
    StoreVersion,
)
from statek.store.records import UnreadableRow
from statek.store.tables import EARLIER, FORMAT, bring_up_to_date, is_ledger, make

WAY_OUT: Final = "see `statek store check`; restore a backup, or let `statek store repair` save what can be read"

_BUSY_SECONDS: Final = 5.0
"""How long to wait for a foreign writer (a backup tool, a shell); there is no second one of ours."""
_WAL_KEPT_BYTES: Final = 64 * 1024 * 1024
"""What is left of the WAL file after a checkpoint; a big workspace would otherwise keep it big for good."""
_CHECKED_BYTES: Final = 256 * 1024 * 1024
"""Up to this size opening reads every page (about a second); a larger file is checked in outline."""
_WRITER_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}",
)
_ROOM_BYTES: Final = 64 * 1024
"""What readers need beside the ledger: the index of its write-ahead log, which is half of it where that is short."""
_FSYNC_FAILURES: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_NOT_TEXT: Final = -1
"""Stands for the one error that Python raises itself, without SQLite's code: a text column that is not UTF-8."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the ledger's file for its one writer, making it where there is none; raises a `StoreError`."""
    if not path.exists():
        _check_is_new(path)
        with writing(path):
            make_empty(path)
    connection = _connect(path, "rw")
    try:
        with reading(path):
            found = _format_of(path, connection, known=(*EARLIER, FORMAT))
        with writing(path):
            for setting in _WRITER_SETTINGS:
                connection.execute(setting)
            _have_log(path, connection)
            _check_pages(path, connection)
            _check_length(path, connection)
            if found != FORMAT:
                _bring_up_to_date(path, connection, found)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the ledger's file for reading only, beside its writer or without one; raises a `StoreError`."""
    connection = _connect(path, "ro")
    try:
        with reading(path):
            _format_of(path, connection, known=(FORMAT,))
    except BaseException:
        connection.close()
        raise
    return connection


def bring_log_home(path: Path) -> None:
    """Copy what the log has into the main file, as far as no reader needs it as it was; raises a `StoreError`.

    For a thread beside the writer, which waits for nothing of it.
    """
    connection = _connect(path, "rw")
    try:
        with writing(path):
            for statement in ("PRAGMA synchronous = FULL", "PRAGMA wal_checkpoint(PASSIVE)"):
                connection.execute(statement).fetchall()
    finally:
        connection.close()


def check_everything(path: Path, connection: sqlite3.Connection) -> None:
    """Let SQLite check all pages, indices and references; raises `StoreDamaged`."""
    with reading(path):
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreDamaged(path, " ".join(str(found).split()), WAY_OUT)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise StoreDamaged(path, "a row belongs to a job that is not there", WAY_OUT)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into what they mean to somebody who reads."""
    with _translated(path, StoreUnreadable):
        yield


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into what they mean to somebody who writes."""
    try:
        with _translated(path, StoreUnwritable):
            yield
    except OSError as error:
        raise StoreUnwritable(path, error.strerror or type(error).__name__) from error


@contextmanager
def _translated(path: Path, otherwise: type[StoreUnreadable] | type[StoreUnwritable]) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _meaning(path, error, otherwise) from error
    except UnicodeDecodeError as error:  # in a message of SQLite's that quotes a ruined schema
        raise StoreDamaged(path, "its tables have lost their names", WAY_OUT) from error


def _meaning(
    path: Path, error: sqlite3.DatabaseError, otherwise: type[StoreUnreadable] | type[StoreUnwritable]
) -> StoreError | BugInScheduler:
    code: int = getattr(error, "sqlite_errorcode", _NOT_TEXT)
    if code & 0xFF in _DAMAGE or code == _NOT_TEXT:
        return StoreDamaged(path, str(error), WAY_OUT)
    if code in _FSYNC_FAILURES:
        return StoreUncertain(path, str(error))
    if isinstance(error, sqlite3.OperationalError):
        return otherwise(path, f"{error}{_fullness(path) if code & 0xFF == sqlite3.SQLITE_IOERR else ''}")
    return BugInScheduler(f"the ledger was used wrongly: {error}")


def _fullness(path: Path) -> str:
    """Say it where what failed is a full disk: SQLite does not tell of the files beside the ledger."""
    full = shutil.disk_usage(path.parent).free < _ROOM_BYTES
    return ": the disk is full, and to read a ledger takes a little room beside it" if full else ""


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    options = f"mode={mode}" if mode == "rw" or _may_change(path) else "immutable=1"
    with reading(path):
        return sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)


def _may_change(path: Path) -> bool:
    """Tell whether anybody could be writing: a copy on a medium that cannot be written needs no log beside it."""
    return path.with_name(path.name + "-wal").exists() or os.access(path.parent, os.W_OK)


def make_empty(path: Path) -> None:
    """Make the file under another name first: an empty or half-made file is then damage, never taken for a new one.

    Without a write-ahead log, which `open_writer` adds: closing one would keep quiet about a failed write.
    """
    new = path.with_name(path.name + ".new")
    for leftover in (new, new.with_name(new.name + "-wal"), new.with_name(new.name + "-shm")):
        leftover.unlink(missing_ok=True)
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        make(connection)
    finally:
        connection.close()
    new.rename(path)
    sync_directory(path.parent)


def _check_is_new(path: Path) -> None:
    """Refuse to begin a store anew that had a ledger; raises `StoreDamaged`."""
    if read_head(path) is not None:
        way_out = f"restore a backup; to begin anew, with no job known, remove {HEAD_FILE} and dbzero/ too"
        raise StoreDamaged(path, f"it is gone, and was there when {HEAD_FILE} was written", way_out)


def _format_of(path: Path, connection: sqlite3.Connection, known: tuple[int, ...]) -> int:
    """Return a ledger's format; raises `StoreDamaged`, `StoreVersion` or `StoreOutdated` where it is not known."""
    if not is_ledger(connection):
        raise StoreDamaged(path, "it is not a ledger", WAY_OUT)
    found: int = _pragma(connection, "user_version")
    if found in EARLIER and found not in known:
        raise StoreOutdated(path)
    if found not in known:
        raise StoreVersion(found, FORMAT)
    return found


def _bring_up_to_date(path: Path, connection: sqlite3.Connection, found: int) -> None:
    try:
        bring_up_to_date(connection, found)
    except UnreadableRow as error:
        raise StoreDamaged(path, f"one of its events cannot be read: {error}", WAY_OUT) from error


def _check_pages(path: Path, connection: sqlite3.Connection) -> None:
    if path.stat().st_size > _CHECKED_BYTES:
        return
    found = _pragma(connection, "quick_check(1)")
    if found != "ok":
        raise StoreDamaged(path, str(found), WAY_OUT)


def _have_log(path: Path, connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite raises nothing when it cannot, but says which mode it is in."""
    if _pragma(connection, "journal_mode = WAL") != "wal":
        raise StoreUnwritable(path, "a write-ahead log cannot be kept beside it")


def _check_length(path: Path, connection: sqlite3.Connection) -> None:
    """Bring the WAL's pages home, then compare the file with the number of pages that its head claims."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    expected = _pragma(connection, "page_count") * _pragma(connection, "page_size")
    if not busy and path.stat().st_size < expected:
        raise StoreDamaged(path, f"{path.stat().st_size} bytes long instead of {expected}", WAY_OUT)


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    """Run a pragma to its end: one that is left open would lock the tables."""
    return connection.execute(f"PRAGMA {name}").fetchall()[0][0]
