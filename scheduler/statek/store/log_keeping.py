"""How is the loop kept from waiting for the ledger's write-ahead log?

SQLite's writer brings a log home, into the main file, inside the commit that makes it a thousand pages long: for 50 ms
and more nobody was answered. Here a thread does so beside the writer, on a connection of its own. The writer still does
it for a log four times as long: while commits come without a pause only the writer itself can see the log to its end,
from where SQLite begins it anew. By then little of it is left to do.

A commit that makes a file longer also waits for the file system's own journal, and with it for what others write (here
0.4 ms instead of 0.25, one in twenty 6 ms and more). So the log's place is laid out before the first commit, with
zeros, which are no log to SQLite (the magic number is missing; sqlite.org/walformat.html).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path
from typing import Final

from statek.store.database import bring_log_home
from statek.store.errors import StoreError

log = logging.getLogger(__name__)

PAGES_BESIDE: Final = 1_000
"""After about so many pages the thread brings home what there is: as many as after which SQLite's writer would."""
PAGES_LEFT_TO_THE_WRITER: Final = 4_000
LAID_OUT_BYTES: Final = 4 * 1024 * 1024
"""Room for the pages after which the log is brought home, and begins anew if there is a pause."""
_PAGE_BYTES: Final = 4096
_PAGES_PER_COMMIT: Final = 10
_PAGES_PER_EVENT: Final = 2
"""What a commit adds to the log by its events and indices, roughly: 12 pages were measured for four events."""


class LogKeeper:
    """Brings home the log of a ledger that one process writes for long. Its methods belong to the writer's thread."""

    def __init__(self, ledger: Path, writer: sqlite3.Connection) -> None:
        """`writer` has no transaction open, and has committed none since its log was empty, if it was."""
        self._ledger = ledger
        self._pages = 0
        self._due = threading.Event()
        self._ending = False
        lay_out(ledger)
        writer.execute(f"PRAGMA wal_autocheckpoint = {PAGES_LEFT_TO_THE_WRITER}").fetchall()
        self._thread = threading.Thread(target=self._keep, name="statek-ledger-log", daemon=True)
        self._thread.start()

    def committed(self, events: int, data_bytes: int) -> None:
        """Take notice of a commit: of how many events, and of how much data beside them."""
        self._pages += _PAGES_PER_COMMIT + _PAGES_PER_EVENT * events + data_bytes // _PAGE_BYTES
        if self._pages >= PAGES_BESIDE:
            self._pages = 0
            self._due.set()

    def close(self) -> None:
        """Let the thread end; returns once it has."""
        self._ending = True
        self._due.set()
        self._thread.join()

    def _keep(self) -> None:
        while self._due.wait() and not self._ending:
            self._due.clear()
            try:
                bring_log_home(self._ledger)
            except StoreError as error:  # nothing is lost by it, and what it means for the ledger its writer finds out
                log.warning("the ledger's write-ahead log stays as it is: %s", error)


def lay_out(ledger: Path) -> None:
    """Write zeros where the log of a ledger will be if there is none yet; without room for them it grows as it may."""
    descriptor = os.open(ledger.with_name(ledger.name + "-wal"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size == 0:
            _write_zeros(descriptor)
    finally:
        os.close(descriptor)


def _write_zeros(descriptor: int) -> None:
    zeros = bytes(LAID_OUT_BYTES // 16)
    try:
        for place in range(0, LAID_OUT_BYTES, len(zeros)):
            os.pwrite(descriptor, zeros, place)
        os.fsync(descriptor)
    except OSError as error:
        log.info("no place is laid out for the ledger's log: %s", error.strerror)
        os.ftruncate(descriptor, 0)
