"""Is a store whole? Each of its parts is read through; what is wrong with one, what that means, and what can be done.

Nothing is changed, and no lock of the store is taken. While a scheduler runs its dbzero files cannot be read, so only
their copies are; the ledger and its audit log can be, at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from statek.audit.verification import Known, verify
from statek.store.audit_head import NAME as HEAD_FILE
from statek.store.audit_head import read_head
from statek.store.audit_reader import AuditReader
from statek.store.copies import OURS, Copies, Copy, CopyDamaged, prefix_files
from statek.store.directory import StoreDirectory
from statek.store.errors import ProbeEnded, StoreDamaged, StoreError, StoreUnreadable
from statek.store.history import History
from statek.store.ledger_scan import Scan, scan
from statek.store.prefixes import newest_good, troubles
from statek.store.recovery import REPORT, objection

State = Literal["good", "damaged", "unknown", "note"]
_SHOWN: Final = 20
"""Faults of one part that are named one by one."""
_MISSING: Final = "each row that is there can be read, but a job that goes on may do again what it did"
_MISSING_WAY_OUT: Final = "restore a backup; `statek audit --verify` names those of them that it has spoken of"
_COPY_MEANS: Final = "what was changed since its newest good copy is lost"
_COPY_WAY_OUT: Final = "the next start, or `statek store repair`, puts the copy back"
_REPAIR: Final = "stop the scheduler and run `statek store repair`, or restore a backup"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a store, and how it is."""

    part: str
    state: State
    """Good, damaged, not looked at, or something to know about that is no damage of the store as it is."""
    what: str
    means: str = ""
    way_out: str = ""


def check(store: StoreDirectory) -> Iterator[Finding]:
    """Yield one finding or more for each part; takes as long as reading all of it."""
    yield from _check_ledger(store)
    yield from _check_audit(store)
    if store.is_locked():
        yield Finding("dbzero", "unknown", "a scheduler runs on the store, and only it can read these files")
    else:
        yield from _check_dbzero(store)
    try:
        yield from _check_copies(Copies(store.copies))
    except StoreUnreadable as error:
        yield _unreadable("copies", error)
    yield from _reports(store)


def is_whole(findings: list[Finding]) -> bool:
    """Tell whether nothing is damaged."""
    return all(finding.state != "damaged" for finding in findings)


def _check_ledger(store: StoreDirectory) -> Iterator[Finding]:
    if not store.ledger.exists():
        state: State = "damaged" if store.dbzero.exists() else "good"
        yield Finding(
            "ledger", state, "there is none", "no job is known", "restore a backup" if state != "good" else ""
        )
        return
    try:
        with History.read(store.ledger) as ledger:
            ledger.verify()
            jobs, events, missing = sum(ledger.counts().values()), ledger.event_count(), ledger.missing_events()
        if missing:
            yield Finding("ledger", "damaged", f"{missing} of its events are not there", _MISSING, _MISSING_WAY_OUT)
            yield from _damage_of(store.ledger)
        else:
            yield Finding("ledger", "good", f"{jobs} jobs, {events} events")
    except StoreDamaged as damage:
        yield Finding("ledger", "damaged", damage.what, "see what follows", _REPAIR)
        yield from _damage_of(store.ledger)
    except StoreError as error:
        yield Finding("ledger", "damaged", str(error), "it cannot be read", "see to the reason that is given")


def _damage_of(path: Path) -> Iterator[Finding]:
    try:
        found = scan(path)
    except StoreError as error:
        means = "nothing can be read of it, so nothing can be repaired"
        yield Finding("ledger", "damaged", str(error), means, "restore a backup")
        return
    yield from jobs_of(found)


def jobs_of(found: Scan) -> Iterator[Finding]:
    """Say of a damaged ledger which jobs it has lost."""
    for job in found.damaged[:_SHOWN]:
        name = job.name or f"the job of number {job.number}"
        status = job.stored.status if job.stored is not None else "status unknown"
        means = "it cannot be gone on with, nor its history be told as a whole"
        yield Finding(f"job {name}", "damaged", f"({status}) {'; '.join(job.faults[:_SHOWN])}", means, _REPAIR)
    if len(found.damaged) > _SHOWN:
        yield Finding("jobs", "damaged", f"{len(found.damaged) - _SHOWN} more jobs are damaged", "as above", _REPAIR)
    for what in found.lost[:_SHOWN]:
        yield Finding("ledger", "damaged", what, "it belongs to no job that can be told", _REPAIR)


def _check_audit(store: StoreDirectory) -> Iterator[Finding]:
    if not store.ledger.exists():
        return
    try:
        noted = read_head(store.ledger)
        known = [] if noted is None else [Known(noted.hash, noted.sequence, HEAD_FILE)]
        with AuditReader.read(store.ledger) as reader, reader.snapshot():
            verdict = verify(reader, known)
    except StoreError as error:
        yield Finding("audit log", "damaged", str(error), _AUDIT_MEANS, _AUDIT_WAY_OUT)
        return
    if verdict.fault is None:
        yield Finding("audit log", "good", f"{verdict.head.sequence} records in order")
    elif noted is not None and noted.sequence > verdict.head.sequence and verdict.fault.what == "head":
        yield Finding("ledger", "damaged", verdict.fault.text, _END_MEANS, _END_WAY_OUT)
    else:
        yield Finding("audit log", "damaged", verdict.fault.text, _AUDIT_MEANS, _AUDIT_WAY_OUT)


_END_MEANS: Final = "what happened since is lost, and jobs that go on may do again what they did"
_END_WAY_OUT: Final = "restore a backup; a start goes on from what there is"
_AUDIT_MEANS: Final = "what it says of that place is no evidence; jobs go on"
_AUDIT_WAY_OUT: Final = "keep the store as it is for whoever has to look into it"


def _check_dbzero(store: StoreDirectory) -> Iterator[Finding]:
    if store.dbzero.exists():
        yield from _check_objects(store)
    try:
        yield from _check_prefixes(store)
    except ProbeEnded as ended:
        yield Finding("the application's prefixes", "unknown", str(ended))
    except StoreUnreadable as error:
        yield _unreadable("the application's prefixes", error)


def _check_prefixes(store: StoreDirectory) -> Iterator[Finding]:
    copies = Copies(store.copies)
    bad = dict(troubles(store.dbzero, copies))
    for file in prefix_files(store.dbzero):
        if file.stem not in bad:
            what = f"every object of it can be read; its file has {file.stat().st_size} bytes"
            yield Finding(f"prefix {file.stem}", "good", what)
    for name, reason in bad.items():
        yield _lost_prefix(name, reason, copies)


def _unreadable(part: str, error: StoreUnreadable) -> Finding:
    return Finding(part, "damaged", str(error), "nobody knows how it is", f"let this user read {error.path}")


def _lost_prefix(name: str, reason: str, copies: Copies) -> Finding:
    means, way_out = _COPY_MEANS, _COPY_WAY_OUT
    if newest_good(copies, name) is None:
        means = "its objects are lost: there is no good copy"
        way_out = "restore a backup, or let the application make them anew"
    return Finding(f"prefix {name}", "damaged", reason, means, way_out)


def _check_objects(store: StoreDirectory) -> Iterator[Finding]:
    try:
        with History.read(store.ledger) as ledger:
            reason = objection(store.dbzero, ledger)
    except ProbeEnded as ended:
        yield Finding(f"prefix {OURS}", "unknown", str(ended))
        return
    except StoreUnreadable as error:
        if error.path != store.ledger:
            yield _unreadable(f"prefix {OURS}", error)
        return
    except StoreError as error:
        yield Finding(f"prefix {OURS}", "unknown", f"the ledger cannot be read: {error}")
        return
    if reason is None:
        yield Finding(f"prefix {OURS}", "good", "every object of it can be read")
        return
    means = "it can be made anew of what the ledger has"
    yield Finding(f"prefix {OURS}", "damaged", reason, means, "the next start, or `statek store repair`, makes it anew")


def _check_copies(copies: Copies) -> Iterator[Finding]:
    for prefix in copies.prefixes():
        for copy in copies.of(prefix):
            yield _check_copy(copy)
        for place in copies.unreadable(prefix):
            yield Finding(f"copy {place}", "damaged", "what it is cannot be read", "it is not used", "remove it")


def _check_copy(copy: Copy) -> Finding:
    part = f"copy {copy.directory.name} of {copy.prefix}"
    try:
        copy.check()
    except ProbeEnded as ended:
        return Finding(part, "unknown", str(ended))
    except CopyDamaged as damage:
        return Finding(part, "damaged", str(damage), "it is never put back; older ones are", f"remove {copy.directory}")
    return Finding(part, "good", f"as of event {copy.cursor}, {copy.objects} objects in {copy.bytes} bytes")


def _reports(store: StoreDirectory) -> Iterator[Finding]:
    """Tell of what was set aside earlier: somebody may still have to act upon it."""
    for aside in sorted(store.path.glob("*.damaged-*")):
        way_out = f"remove {aside} when nobody needs it any more"
        yield Finding(f"set aside {aside.name}", "note", _text_of(aside / REPORT), "", way_out)


def _text_of(report: Path) -> str:
    try:
        return str(json.loads(report.read_bytes())["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return "there is no report with it"
