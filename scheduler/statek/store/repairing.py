"""What can be done for a damaged store, without a scheduler on it? Only what can be restored is touched.

In order: the ledger, if it is damaged, from what can be read of it; then what is derived from it; then the prefixes of
the application from their copies. Nothing is deleted but what nobody can need: what is replaced is set aside beside the
store, with a report.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Final

from statek.audit.records import Draft, canonical
from statek.store import blob_uses
from statek.store.audit_head import NAME as HEAD_FILE
from statek.store.copies import Copies
from statek.store.database import open_writer, writing
from statek.store.directory import StoreDirectory, sync_directory, write_durably
from statek.store.errors import StoreDamaged, StoreUnwritable
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.ledger_scan import scan
from statek.store.prefixes import recover_prefixes
from statek.store.recovery import REPORT, new_directory, recover, set_aside, tell
from statek.store.salvage import Salvage, salvage

_KEPT: Final = ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", HEAD_FILE)
"""The files of a ledger."""


def repair(store: StoreDirectory) -> Iterator[str]:
    """Repair what can be repaired, saying each thing that was done; raises a `StoreError`. Takes the store's lock."""
    with store.lock():
        if not store.ledger.exists():
            raise StoreDamaged(store.ledger, "it is not there", "restore a backup")
        yield from _repair_ledger(store)
        dropped = _drop_orphan_blobs(store.ledger)
        if dropped:
            yield f"dropped {dropped} blobs that nothing refers to"
        yield from _repair_dbzero(store)


def _repair_dbzero(store: StoreDirectory) -> Iterator[str]:
    with History.read(store.ledger) as ledger:
        report = recover(store.dbzero, ledger, thorough=True)
        if report is not None:
            yield str(report)
        yield from map(str, recover_prefixes(store.dbzero, Copies(store.copies), ledger))


def _repair_ledger(store: StoreDirectory) -> Iterator[str]:
    """Salvage the ledger if it is damaged; its dbzero objects are of other jobs then, and are made anew."""
    try:
        with History.read(store.ledger) as ledger:
            ledger.verify()
    except StoreDamaged as damage:
        reason = damage.what
    else:
        return
    made = _salvage(store)
    aside = _swap(store)
    text = f"the ledger was damaged ({reason}): {_sentence(made)}; as it was it is kept in {aside}"
    said = {"text": text, "reason": reason, **asdict(made)}
    write_durably(aside / REPORT, json.dumps(said, indent=1) + "\n")
    cursor = _note(store, reason, made, aside)
    if (store.dbzero / "statek.db0").exists():
        tell(set_aside(store.dbzero, "the ledger was salvaged and may have other jobs", 0, cursor))
    yield text
    yield from (f"left out {job}: {'; '.join(faults)}" for job, faults in made.left_out.items())
    yield from (f"lost: {what}" for what in made.lost)


def _salvage(store: StoreDirectory) -> Salvage:
    new = _new_ledger(store)
    try:
        shutil.rmtree(new.parent, ignore_errors=True)  # left by a repair that was killed
        new.parent.mkdir(mode=0o700)
    except OSError as error:
        raise StoreUnwritable(new, error.strerror or type(error).__name__) from error
    return salvage(store.ledger, new, scan(store.ledger))


def _swap(store: StoreDirectory) -> Path:
    """Put the new ledger in the place of the damaged one, of which another name is kept first.

    A write-ahead log is bound to no file: were it left, SQLite would play it into the new ledger.
    """
    new = _new_ledger(store)
    try:
        aside = new_directory(store.path / "ledger", 0)
        kept = [store.path / name for name in _KEPT if (store.path / name).exists()]
        for file in kept:
            os.link(file, aside / file.name)
        sync_directory(aside)
        for file in kept:
            if file != store.ledger:
                file.unlink()
        new.rename(store.ledger)
        (new.parent / HEAD_FILE).rename(store.path / HEAD_FILE)
        shutil.rmtree(new.parent)
        sync_directory(store.path)
    except OSError as error:
        raise StoreUnwritable(store.ledger, error.strerror or type(error).__name__) from error
    return aside


def _new_ledger(store: StoreDirectory) -> Path:
    return store.path / "ledger.salvaged" / store.ledger.name


def _sentence(made: Salvage) -> str:
    if not made.left_out:
        return f"a new one has all {made.jobs} jobs"
    return f"a new one has {made.jobs} jobs, {len(made.left_out)} could not be taken over"


def _note(store: StoreDirectory, reason: str, made: Salvage, aside: Path) -> int:
    """Put it on the audit log; returns the last event that is in the ledger."""
    counts = {"jobs": made.jobs, "left_out": len(made.left_out), "lost": len(made.lost)}
    body = canonical({"reason": reason, "aside": aside.name, **counts})
    with Ledger.open(store.ledger) as ledger:
        ledger.append([], [], {}, drafts=[Draft(time.time_ns() // 1_000, "store_salvaged", None, body)])
        return ledger.last_cursor


def _drop_orphan_blobs(path: Path) -> int:
    """Delete the blobs that no event refers to; returns how many there were. The index of uses is made anew first."""
    with closing(open_writer(path)) as connection, writing(path):
        connection.execute("BEGIN IMMEDIATE")
        blob_uses.make_anew(connection)
        dropped = blob_uses.drop_unused(connection)
        connection.execute("COMMIT")
    return dropped
