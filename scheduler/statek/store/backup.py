"""How is a store backed up, beside its scheduler or without one, into a directory that can be checked by itself?

    BACKUP/manifest.json        what is in it: every file's length and digest
           ledger.sqlite3       one state of the ledger, by SQLite's online backup
           audit.head           where its audit log ends
           copies/PREFIX/...    a verified copy of each of the application's prefixes

The objects of prefix `statek` are made anew from the ledger, so they are not in it. While a scheduler runs its newest
verified copies are taken, since nobody else can read dbzero's files consistently; without one, copies are made now.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from statek.audit.verification import verify
from statek.store.appearing import appearing, check_free
from statek.store.archive import is_archive, write_archive
from statek.store.audit_head import HeadFile
from statek.store.audit_reader import AuditReader, last_head
from statek.store.copies import Copies, Copy, CopyDamaged, copy_file, file_digest, prefix_files
from statek.store.copying import KEPT
from statek.store.database import open_reader, reading, writing
from statek.store.directory import StoreDirectory, sync_directory, write_durably
from statek.store.errors import StoreLocked, StoreUnwritable
from statek.store.history import History
from statek.store.missing_calls import MissingCalls, calls_since
from statek.store.prefix_probe import PrefixTrouble

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
LEDGER: Final = "ledger.sqlite3"
COPIES: Final = "copies"
_READ_FAILURES: Final = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_BUSY})
_TRIES: Final = 3
"""How often another copy is tried: a scheduler may drop the one that is being read."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the backup."""

    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class PrefixEntry:
    """An application's prefix in the backup: as of which event, and what was called between that and the ledger's."""

    cursor: int
    at_us: int
    objects: int
    calls: tuple[str, ...]
    reads: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    made_us: int
    store: str
    """The store's random id, from the first record of its audit log."""
    cursor: int
    jobs: int
    files: dict[str, FileEntry]
    prefixes: dict[str, PrefixEntry]
    missing: dict[str, str] = field(default_factory=dict)
    """Prefixes of the application's that are not in it, and why."""
    audit_fault: str = ""
    """What is wrong with the audit log, if anything; it is backed up as it is."""
    format: int = FORMAT


def back_up(store: StoreDirectory, target: Path) -> Manifest:
    """Make a backup in a new or empty directory, or in a new file whose name ends in `.tar`; raises a `StoreError`.

    It appears there whole or not at all.
    """
    target = target.absolute()
    if is_archive(target):
        return write_archive(target, partial(_fill, store))
    check_free(target, "name another path for the backup")
    with appearing(target) as new:
        return _fill(store, new)


def _fill(store: StoreDirectory, new: Path) -> Manifest:
    """Copies first: the ledger, read later, then knows every call that is in them."""
    missing = _fresh_copies(store)
    copies = [copy for copy in _take_copies(Copies(store.copies), new / COPIES) if copy is not None]
    missing = {name: why for name, why in missing.items() if name not in {copy.prefix for copy in copies}}
    _copy_ledger(store.ledger, new / LEDGER)
    manifest = replace(_describe(new, copies), missing=missing)
    write_durably(new / MANIFEST, json.dumps(asdict(manifest), indent=1) + "\n")
    sync_directory(new)
    return manifest


def _fresh_copies(store: StoreDirectory) -> dict[str, str]:
    """Copy the prefixes now if no scheduler writes them; return those that cannot be, with the reason."""
    troubles: dict[str, str] = {}
    try:
        lock = store.lock()
    except (StoreLocked, StoreUnwritable):  # another process may write them, or nothing can be written there at all
        known = Copies(store.copies).prefixes()
        return {file.stem: "no copy yet" for file in prefix_files(store.dbzero) if file.stem not in known}
    with lock, History.read(store.ledger) as ledger:
        copies = Copies(store.copies)
        for file in prefix_files(store.dbzero):
            try:
                copies.finish(copies.begin(file), ledger.last_cursor, time.time_ns() // 1_000, KEPT)
            except PrefixTrouble as trouble:
                troubles[file.stem] = f"it does not open: {trouble}"
    return troubles


def _take_copies(copies: Copies, target: Path) -> Iterator[Copy | None]:
    for prefix in copies.prefixes():
        yield _take_copy(copies, prefix, target / prefix / "00000001")


def _take_copy(copies: Copies, prefix: str, place: Path) -> Copy | None:
    """Take the newest good copy of a prefix; None where there is none."""
    place.mkdir(mode=0o700, parents=True)
    for copy in [copy for _ in range(_TRIES) for copy in copies.of(prefix)]:
        taken = replace(copy, directory=place)
        try:
            copy_file(copy.file, taken.file)
            taken.check()
        except (CopyDamaged, FileNotFoundError):
            continue  # changed, or dropped just now: there may be another one
        (place / f"{prefix}.db0.lock").unlink(missing_ok=True)
        taken.describe()
        return taken
    shutil.rmtree(place.parent)
    return None


def _copy_ledger(source: Path, target: Path) -> None:
    with closing(open_reader(source)) as ledger, writing(target), closing(sqlite3.connect(target)) as copy:
        target.chmod(0o600)
        with reading(source):
            _copy_pages(ledger, copy, target)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, that can be read from a medium without writing
    with closing(AuditReader.read(target)) as audit:
        head = HeadFile(target)
        head.write(last_head(audit))
        head.close()


def _copy_pages(ledger: sqlite3.Connection, copy: sqlite3.Connection, target: Path) -> None:
    """Let SQLite copy; it does not say on which side something failed, but reading has errors of its own."""
    try:
        ledger.backup(copy)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in _READ_FAILURES:
            raise
        raise StoreUnwritable(target, str(error)) from error


def _describe(new: Path, copies: list[Copy]) -> Manifest:
    """Read through what was written, and say what it is; raises `StoreDamaged`."""
    with History.read(new / LEDGER) as ledger:
        ledger.verify()
        prefixes = {copy.prefix: _prefix_entry(copy, calls_since(ledger, copy.cursor)) for copy in copies}
        cursor, jobs = ledger.last_cursor, sum(ledger.counts().values())
    with AuditReader.read(new / LEDGER) as audit, audit.snapshot():
        verdict = verify(audit)
    names = sorted(str(file.relative_to(new)) for file in new.rglob("*") if file.is_file())
    files = {name: FileEntry((new / name).stat().st_size, file_digest(new / name)) for name in names}
    fault = verdict.fault.text if verdict.fault is not None else ""
    now = time.time_ns() // 1_000
    return Manifest(now, verdict.store or "", cursor, jobs, files, prefixes, audit_fault=fault)


def _prefix_entry(copy: Copy, missing: MissingCalls) -> PrefixEntry:
    return PrefixEntry(copy.cursor, copy.at_us, copy.objects, missing.calls, missing.reads)
