"""Whether the application's own dbzero prefixes can be gone on from; the newest good copy replaces one that cannot.

They have no ledger behind them. What was changed after that copy is lost, and the report names the calls that can have
changed it. Where there is no good copy, all that the prefix held is lost: handles to its objects say so, and the
application makes the prefix anew when it opens it.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from statek.store.copies import Copies, Copy, CopyDamaged, prefix_files
from statek.store.directory import refuse_unreadable
from statek.store.errors import StoreUnwritable
from statek.store.history import History
from statek.store.missing_calls import calls_since
from statek.store.prefix_probe import PrefixTrouble, look_into
from statek.store.recovery import RecoveryReport, set_aside, tell

log = logging.getLogger(__name__)

_GONE: Final = "its file is gone"


def recover_prefixes(directory: Path, copies: Copies, ledger: History) -> list[RecoveryReport]:
    """Read the application's prefixes through, and put the newest good copy in the place of each that cannot be."""
    for place in itertools.chain.from_iterable(map(copies.unreadable, copies.prefixes())):
        log.warning("%s has the place of a copy, and what it is cannot be read: it is not used", place)
    return [_recover(directory, prefix, reason, copies, ledger) for prefix, reason in troubles(directory, copies)]


def troubles(directory: Path, copies: Copies) -> Iterator[tuple[str, str]]:
    """Yield each prefix that cannot be gone on from, with the reason; one that only has copies is one of them.

    Raises `StoreUnreadable` for what nobody lets us read, and `ProbeEnded`: neither tells how it is.
    """
    refuse_unreadable(directory)
    for file in prefix_files(directory):
        refuse_unreadable(file)
    sizes = {file.stem: file.stat().st_size for file in prefix_files(directory)}
    yield from ((name, _GONE) for name in copies.prefixes() if name not in sizes)
    short = {name: reason for name, size in sizes.items() if (reason := _shortness(copies, name, size))}
    yield from short.items()
    names = [name for name in sizes if name not in short]
    if names and _trouble(directory, names):
        found = ((name, _trouble(directory, [name])) for name in names)
        yield from ((name, f"the prefix does not open ({trouble})") for name, trouble in found if trouble)


def _shortness(copies: Copies, name: str, size: int) -> str:
    """Say it when a file is shorter than its copy: dbzero's files only grow, and some open with their end cut off."""
    newest = next(iter(copies.of(name)), None)
    if newest is None or size >= newest.bytes:
        return ""
    return f"its file has {size} bytes, and a copy of it has {newest.bytes}"


def _trouble(directory: Path, names: Sequence[str]) -> str:
    try:
        look_into(directory, names)
    except PrefixTrouble as trouble:
        return str(trouble)
    return ""


def _recover(directory: Path, prefix: str, reason: str, copies: Copies, ledger: History) -> RecoveryReport:
    lost = set_aside(directory, reason, 0, ledger.last_cursor, prefix=prefix)
    copy = newest_good(copies, prefix)
    if copy is None:
        return tell(lost)
    try:
        copy.put(directory)
    except OSError as error:
        raise StoreUnwritable(directory, error.strerror or type(error).__name__) from error
    missing = calls_since(ledger, copy.cursor)
    return tell(replace(lost, cursor=copy.cursor, copy=str(copy.directory), calls=missing.calls, reads=missing.reads))


def newest_good(copies: Copies, prefix: str) -> Copy | None:
    """Return the newest copy that is what it was when it was verified, and opens; others are told of."""
    for copy in copies.of(prefix):
        try:
            copy.check()
        except CopyDamaged as damage:
            log.warning("the copy %s cannot be used: %s", copy.directory, damage)
        else:
            return copy
    return None
