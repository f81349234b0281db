"""How does a backup become a store again? It is checked as a whole, put together under another name, and then renamed.

What a backup's manifest says is checked against its files before anything is made, and the ledger, its audit log and
the application's prefixes are read through again where they are to be used.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from statek.audit.verification import verify
from statek.store.appearing import appearing, check_free
from statek.store.archive import is_archive, opened_archive
from statek.store.audit_head import NAME as HEAD_FILE
from statek.store.audit_reader import AuditReader
from statek.store.backup import COPIES, FORMAT, LEDGER, MANIFEST, FileEntry, Manifest, PrefixEntry
from statek.store.copies import Copies, CopyDamaged, copy_file, file_digest
from statek.store.directory import StoreDirectory, sync_directory, write_durably
from statek.store.errors import StoreDamaged, StoreUnreadable, StoreVersion
from statek.store.history import History

REPORT: Final = "restored.json"
"""In a restored store: what it was restored from, and what may be missing in it."""
_WAY_OUT: Final = "take another backup"
_COPY_FILES: Final = re.compile(rf"{COPIES}/([^/\0]+)/00000001/(?:copy\.json|\1\.db0)")
"""Beside the ledger and the audit log's head nothing else is ever taken from a backup."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A store that was made from a backup."""

    store: Path
    manifest: Manifest
    audit_fault: str
    """What is wrong with its audit log, as it was when the backup was made; empty where nothing is."""


def restore(backup: Path, target: Path) -> Restored:
    """Make a store of a backup in a new or empty directory, or change nothing; raises a `StoreError`."""
    backup, target = backup.absolute(), target.absolute()
    check_free(target, "restore into an empty or new one")
    if is_archive(backup):
        with opened_archive(backup, target, _is_of_a_backup) as directory:
            return _restore(directory, target, str(backup))
    return _restore(backup, target, str(backup))


def _restore(backup: Path, target: Path, name: str) -> Restored:
    manifest = read_manifest(backup)
    check_files(backup, manifest)
    with appearing(target) as new:
        store = StoreDirectory.create_or_open(new)
        _take(backup, manifest, store)
        fault = _verify(store)
        _put_prefixes(store, manifest)
        restored = Restored(target, manifest, fault)
        write_durably(new / REPORT, json.dumps({"backup": name, **asdict(manifest)}, indent=1) + "\n")
    return restored


def read_manifest(backup: Path) -> Manifest:
    """Read what a backup says of itself; raises `StoreDamaged`, `StoreUnreadable` or `StoreVersion`."""
    path = backup / MANIFEST
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        if said["format"] != FORMAT:
            raise StoreVersion(int(said["format"]), FORMAT)
        files = {name: FileEntry(**entry) for name, entry in said.pop("files").items()}
        prefixes = {name: PrefixEntry(**entry) for name, entry in said.pop("prefixes").items()}
        return Manifest(files=files, prefixes=prefixes, **said)
    except OSError as error:
        raise StoreUnreadable(path, error.strerror or type(error).__name__) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreDamaged(path, f"it is not the manifest of a backup ({error})", _WAY_OUT) from error


def check_files(backup: Path, manifest: Manifest) -> None:
    """Compare each file with the manifest; raises `StoreDamaged` or `StoreUnreadable`."""
    if not {LEDGER, HEAD_FILE} <= manifest.files.keys():
        raise StoreDamaged(backup / MANIFEST, "it names no ledger", _WAY_OUT)
    for name, entry in manifest.files.items():
        if name == MANIFEST or not _is_of_a_backup(name):
            raise StoreDamaged(backup / MANIFEST, f"it names a file that no backup has: {name!r}", _WAY_OUT)
        _check_file(backup / name, entry)


def _is_of_a_backup(name: str) -> bool:
    """Tell whether a backup can have a file of that name."""
    return name in (MANIFEST, LEDGER, HEAD_FILE) or (_COPY_FILES.fullmatch(name) is not None and ".." not in name)


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        if path.is_symlink() or not path.is_file():
            raise StoreDamaged(path, "it is not there", _WAY_OUT)
        if path.stat().st_size != entry.bytes or file_digest(path) != entry.digest:
            raise StoreDamaged(path, "it has another content than its manifest says", _WAY_OUT)
    except OSError as error:
        raise StoreUnreadable(path, error.strerror or type(error).__name__) from error


def _take(backup: Path, manifest: Manifest, store: StoreDirectory) -> None:
    for name in manifest.files:
        target = store.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_file(backup / name, target)
        sync_directory(target.parent)
    sync_directory(store.path)


def _verify(store: StoreDirectory) -> str:
    """Read the ledger through where it is to be used; raises `StoreDamaged`. Tells what is wrong with the audit log."""
    with History.read(store.ledger) as ledger:
        ledger.verify()
    with AuditReader.read(store.ledger) as audit, audit.snapshot():
        fault = verify(audit).fault
    return "" if fault is None else fault.text


def _put_prefixes(store: StoreDirectory, manifest: Manifest) -> None:
    """Put the application's prefixes where they are used; the copies stay as the first ones of the store."""
    store.dbzero.mkdir(mode=0o700)
    copies = Copies(store.copies)
    for prefix in manifest.prefixes:
        found = copies.of(prefix)
        if not found:
            raise StoreDamaged(store.copies / prefix, "it has no copy in it", _WAY_OUT)
        try:
            found[0].check()
        except CopyDamaged as damage:
            raise StoreDamaged(found[0].file, str(damage), _WAY_OUT) from damage
        found[0].put(store.dbzero)
