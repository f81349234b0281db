"""Whether the dbzero store on disk can be gone on from, and what is done when it cannot.

It can when a probe process opens it, counts what its own counter says, and finds it to be of this ledger: not ahead of
it, and with the same last event. Anything else is set aside under another name, reported, and made anew from the
ledger.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from statek.core.events import JobForgotten
from statek.store.closed_note import read_note
from statek.store.directory import refuse_unreadable, sync_directory
from statek.store.errors import ProbeEnded, StoreUnwritable
from statek.store.history import History

log = logging.getLogger(__name__)

OBJECTS_FORMAT: Final = 7
"""What `objects.FORMAT` has to be; written again here because importing dbzero is slow."""
PREFIX: Final = "statek"
"""As `objects.PREFIX`, for the same reason."""
_PREFIX_FILE: Final = f"{PREFIX}.db0"
_PREFIX_FILES: Final = (_PREFIX_FILE, f"{_PREFIX_FILE}.lock")
_PROBE_SECONDS: Final = 60.0
_PROBE_SECONDS_PER_MB: Final = 1.0
"""How long the probe may take at most. It reads a megabyte in a tenth of a second; the rest is for a busy machine."""
_ERROR_LINES: Final = 3
_FROM_OUTSIDE: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
"""Signals that no damaged file raises."""
_ASIDE_LIMIT: Final = 10_000
REPORT: Final = "recovery.json"
"""Beside what was set aside: the report about it."""
_CALLS_SHOWN: Final = 10
"""Calls that a report's sentence names; its file names them all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a probe found in a store that opened."""

    format: int | None
    counted: int
    """Jobs by the store's own counter, beside the jobs that can be walked over in two ways."""
    in_dict: int
    by_type: int
    cursor: int
    checksum: int
    foreign: int = 0
    """Classes of objects in it that are not ours: the application's, or markers of changes to its objects."""


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """A store that could not be gone on from: why, where it is now, and how far the ledger goes."""

    reason: str
    cursor: int
    """The last event in the store, 0 when it could not be told."""
    ledger_cursor: int
    aside: Path
    prefix: str = ""
    """The application's prefix that this is about; empty for our own, which loses nothing."""
    copy: str = ""
    """The copy that was put back in its place; empty where there was no good one."""
    calls: tuple[str, ...] = ()
    """Calls whose changes of the application's objects may be missing, each by its key and name."""
    reads: int = 0
    """Other operations on objects since: they change nothing unless a property of the application's does."""

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the report says, as plain values."""
        return {**asdict(self), "aside": self.aside.name, "text": str(self)}

    def __str__(self) -> str:
        if self.prefix and not self.copy:
            return (
                f"the application's dbzero objects in {self.prefix!r} are lost: {self.reason}; there is no good copy; "
                f"handles to them say so; the file as it was is kept in {self.aside}"
            )
        if self.prefix:
            return (
                f"the application's dbzero objects in {self.prefix!r} are as they were at event {self.cursor}: "
                f"{self.reason}; {self.copy} was put back; {_named(self.calls)}; all of it is in {self.aside / REPORT}"
            )
        return (
            f"the dbzero objects are made anew from the ledger's {self.ledger_cursor} events: {self.reason}; "
            f"the store as it was is kept in {self.aside}"
        )


def _named(calls: tuple[str, ...]) -> str:
    if not calls:
        return "no call since can have changed any"
    rest = f" and {len(calls) - _CALLS_SHOWN} more" if len(calls) > _CALLS_SHOWN else ""
    return f"what these calls changed since may be missing: {', '.join(calls[:_CALLS_SHOWN])}{rest}"


def recover(directory: Path, ledger: History, *, thorough: bool = False) -> RecoveryReport | None:
    """Probe the store, if there is one, and set it aside when it cannot be gone on from.

    One that was closed in good order and is as it was left is not read through, unless that is asked for. Raises
    `ProbeEnded` where the probe was ended from outside, and `StoreUnreadable`: the store stays as it is.
    """
    found = _look_at(directory, ledger, thorough=thorough)
    if found is None:
        return None
    reason, cursor = found
    return tell(set_aside(directory, reason, cursor, ledger.last_cursor))


def objection(directory: Path, ledger: History) -> str | None:
    """Say why the store there cannot be gone on from; None when it can, or there is none. Raises `ProbeEnded`."""
    found = _look_at(directory, ledger, thorough=True)
    return None if found is None else found[0]


def _look_at(directory: Path, ledger: History, *, thorough: bool) -> tuple[str, int] | None:
    """Probe the store: the reason why it cannot be gone on from, and the last event in it, as far as that is known."""
    refuse_unreadable(directory)
    refuse_unreadable(directory / _PREFIX_FILE)
    if not (directory / _PREFIX_FILE).exists():
        return None
    noted = None if thorough else _noted(directory)
    found = noted or look_at_ours(directory)
    if isinstance(found, str):
        return found, 0
    reason = objection_to(found, ledger)
    return None if reason is None else (reason, found.cursor)


def _noted(directory: Path) -> Findings | None:
    """Return what is in a store that was closed in good order and is as it was left."""
    said = read_note(directory)
    try:
        return None if said is None else Findings(**said)
    except TypeError:
        return None  # of another release


def look_at_ours(directory: Path) -> Findings | str:
    """Probe our objects, with as much time as their size asks for."""
    size = (directory / _PREFIX_FILE).stat().st_size
    return probe(directory, _PROBE_SECONDS + _PROBE_SECONDS_PER_MB * size / 1e6)


def probe(directory: Path, seconds: float) -> Findings | str:
    """Look at the store in a process of its own; a text says why it could not be looked at. Raises `ProbeEnded`."""
    command = (sys.executable, "-P", "-m", "statek.store.probe", str(directory))
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"it did not open within {seconds:g} s"
    refuse_if_ended(ended, directory, (PREFIX,))
    if ended.returncode != 0:
        return f"it does not open ({last_words(ended)})"
    values: dict[str, Any] = json.loads(ended.stdout)
    return Findings(**values)


def set_aside(directory: Path, reason: str, cursor: int, ledger_cursor: int, *, prefix: str = "") -> RecoveryReport:
    """Move the files of a prefix, our own unless named, out of the way; those of other prefixes stay."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        aside = new_directory(directory, cursor)
        for name in (f"{prefix}.db0", f"{prefix}.db0.lock") if prefix else _PREFIX_FILES:
            if (directory / name).exists():
                (directory / name).rename(aside / name)
        sync_directory(aside)
        sync_directory(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StoreUnwritable(directory, error.strerror or type(error).__name__) from error
    return RecoveryReport(reason, cursor, ledger_cursor, aside, prefix)


def tell(report: RecoveryReport) -> RecoveryReport:
    """Write the report beside what was set aside, and into the log."""
    try:
        (report.aside / REPORT).write_text(json.dumps(report.facts, indent=1) + "\n")
    except OSError as error:
        raise StoreUnwritable(report.aside / REPORT, error.strerror or type(error).__name__) from error
    log.warning("%s", report)
    return report


def objection_to(found: Findings, ledger: History) -> str | None:
    """Say what is wrong with a store that opens; None when it can be gone on from."""
    if found.format is None:
        return f"it has no jobs, but objects of {found.foreign} classes that are not ours" if found.foreign else None
    if found.format != OBJECTS_FORMAT:
        return f"it has format {found.format} instead of {OBJECTS_FORMAT}"
    if not found.counted == found.in_dict == found.by_type:
        return f"of {found.counted} jobs it has {found.in_dict} by name and {found.by_type} by type"
    if found.cursor > ledger.last_cursor:
        return (
            f"it shows event {found.cursor} and the ledger ends at {ledger.last_cursor}: "
            f"the ledger lost its end, or is another one"
        )
    if found.cursor and not _is_of(found, ledger):
        return f"its event {found.cursor} is not the ledger's: it was made from another ledger"
    return None


def _is_of(found: Findings, ledger: History) -> bool:
    """Tell whether the last event in the store is one of that ledger, or was until its job was forgotten."""
    for stored in ledger.events(None, found.cursor - 1, 1):
        if stored.cursor == found.cursor:
            return stored.checksum == found.checksum
    after = found.cursor
    while page := ledger.events(None, after, kinds=(JobForgotten.kind,)):
        for stored in page:
            event = stored.event
            if isinstance(event, JobForgotten) and event.first <= found.cursor <= event.last:
                return found.cursor < event.last or event.last_checksum == found.checksum
        after = page[-1].cursor
    return False


def new_directory(directory: Path, cursor: int) -> Path:
    """Make a directory beside the store, with a number at its end when that name is taken."""
    for number in range(1, _ASIDE_LIMIT):
        aside = directory.with_name(f"{directory.name}.damaged-{cursor}" + (f".{number}" if number > 1 else ""))
        try:
            aside.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return aside
    raise StoreUnwritable(directory, f"{_ASIDE_LIMIT} damaged stores lie beside it already; remove old ones")


def refuse_if_ended(ended: subprocess.CompletedProcess[str], directory: Path, names: Sequence[str]) -> None:
    """Raise `ProbeEnded` for a probe that was ended from outside, which tells nothing of what it read.

    By a stop of the whole process group, or by the kernel when memory ran out.
    """
    if -ended.returncode in _FROM_OUTSIDE:
        raise ProbeEnded(directory, names, signal.Signals(-ended.returncode).name)


def last_words(ended: subprocess.CompletedProcess[str]) -> str:
    """Give the end of what a process said that failed."""
    lines = ended.stderr.strip().splitlines()[-_ERROR_LINES:]
    return "; ".join([f"exit status {ended.returncode}", *(line.strip() for line in lines if line.strip())])
