"""When is dbzero's file of our objects made anew although it is whole? When it has outgrown what lives in it.

dbzero keeps all history: a file grows by about five kilobytes with every commit and never shrinks. The ledger has all
that our objects show, so they are made anew from it at a start. How large a file of only what lives would be is known
from the last time that it was one; before that, from what an event takes. What was forgotten does not live.

A file that also holds objects of somebody else's stays as it is: the ledger does not have those.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statek.store.copies import OURS
from statek.store.directory import write_durably
from statek.store.errors import StoreUnwritable
from statek.store.history import History
from statek.store.prefix_probe import SUFFIX
from statek.store.recovery import look_at_ours

log = logging.getLogger(__name__)

FACTOR: Final = 8.0
MINIMUM_BYTES: Final = 64 * 1024 * 1024
"""A smaller file is left alone, whatever lives in it."""
_BYTES_PER_EVENT: Final = 300
"""What an event takes in a file that was just made; a hundred and fifty were measured, beside what was printed."""
_NOTE: Final = "statek.size"


@dataclass(frozen=True, slots=True)
class CompactionRules:
    """How much larger than what lives in it the file may become; 0 for any size."""

    factor: float = FACTOR
    minimum_bytes: int = MINIMUM_BYTES


class Compaction:
    """Looks at the file at a start, and notes how large it is when it was just made. In dbzero's thread."""

    def __init__(self, directory: Path, rules: CompactionRules) -> None:
        self._file = directory / f"{OURS}{SUFFIX}"
        self._note = directory / _NOTE
        self._rules = rules
        self._is_fresh = False

    def start(self, ledger: History) -> None:
        """Delete the file if it is due, so that it is made anew; dbzero is not open yet. Raises `StoreUnwritable`."""
        if self._is_due(ledger.event_count()) and _is_only_ours(self._file.parent):
            log.info("%s has outgrown what lives in it (%d bytes) and is made anew", self._file, self._size)
            try:
                self._file.unlink()
            except OSError as error:
                raise StoreUnwritable(self._file, error.strerror or type(error).__name__) from error
        self._is_fresh = not self._file.exists()

    def caught_up(self, ledger: History, commit: Callable[[], None]) -> None:
        """Note the size of a file that was just made, once it shows all events that there are."""
        if not self._is_fresh:
            return
        events = ledger.event_count()
        if not events:
            return
        self._is_fresh = False
        commit()
        try:
            write_durably(self._note, json.dumps({"bytes": self._size, "events": events}))
        except OSError as error:
            log.warning("the size of %s cannot be noted: %s", self._file, error)

    @property
    def _size(self) -> int:
        try:
            return self._file.stat().st_size
        except FileNotFoundError:
            return 0

    def _is_due(self, events: int) -> bool:
        size = self._size
        return bool(self._rules.factor) and size > max(
            self._rules.minimum_bytes, self._rules.factor * self._live(events)
        )

    def _live(self, events: int) -> float:
        """Estimate how large a file would be that holds only what lives."""
        try:
            noted = json.loads(self._note.read_bytes())
            size, at = int(noted["bytes"]), int(noted["events"])
        except (OSError, ValueError, TypeError, KeyError):
            return float(events * _BYTES_PER_EVENT)
        if events > at:
            return size + (events - at) * float(_BYTES_PER_EVENT)
        return size * events / max(at, 1)


def _is_only_ours(directory: Path) -> bool:
    found = look_at_ours(directory)
    if isinstance(found, str) or found.foreign:
        why = found if isinstance(found, str) else f"it holds objects of {found.foreign} classes that are not ours"
        log.info("the objects in %s are not made anew although they could be smaller: %s", directory, why)
        return False
    return True
