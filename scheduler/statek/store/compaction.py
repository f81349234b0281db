"""When is dbzero's file of our objects made anew although it is whole? When it has outgrown what lives in it.

dbzero keeps all history: a file grows by about five kilobytes with every commit and never shrinks. The ledger has all
that our objects show, so they are made anew from it: at a start by deleting the file, and while it is in use by having
another one made beside it, which takes its place between two functions of the application. How large a file of only
what lives would be is known from the last time that it was one; before that, from what an event takes. What was
forgotten does not live.

A file that also holds objects of somebody else's stays as it is: the ledger does not have those. And one of whose
objects somebody in this process holds one stays in use until nobody does.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statek.store.copies import OURS
from statek.store.directory import write_durably
from statek.store.errors import StoreUnwritable
from statek.store.history import History
from statek.store.prefix_probe import SUFFIX
from statek.store.recovery import Findings, look_at_ours, objection_to
from statek.store.remaking import Remaking, remove_leftovers

if TYPE_CHECKING:
    from statek.store.session import Session

log = logging.getLogger(__name__)

FACTOR: Final = 8.0
MINIMUM_BYTES: Final = 64 * 1024 * 1024
"""A smaller file is left alone, whatever lives in it."""
_BYTES_PER_EVENT: Final = 300
"""What an event takes in a file that was just made; a hundred and fifty were measured, beside what was printed."""
_NOTE: Final = "statek.size"
_GROWTH: Final = 1.01
"""How much larger a file must have become since the last look; to count the events takes a while."""
_POLL_SECONDS: Final = 1.0
"""Between two looks at a file in the making."""
_HELD_POLL_SECONDS: Final = 10.0
"""Between two looks at whether anybody still holds an object; with a look at everything in the process, at the most."""
_HELD_SECONDS: Final = 3600.0
"""How long a file that was made waits for objects to be let go of."""
_LAG_LIMIT: Final = 20_000
"""Events that it may lack by then: functions wait while they are caught up with, some seconds for so many."""
_SECONDS_PER_EVENT: Final = 0.01
"""How long the making may take beside a minute and the first wait: a hundred times as long as on an idle machine."""
_ROOM: Final = 4.0
"""How many times what lives must be free on the disk: the ledger needs some of it meanwhile."""


@dataclass(frozen=True, slots=True)
class CompactionRules:
    """How much larger than what lives in it the file may become; 0 for any size."""

    factor: float = FACTOR
    minimum_bytes: int = MINIMUM_BYTES
    look_seconds: float = 60.0
    """Between two looks at the size of a file in use."""
    first_wait_seconds: float = 600.0
    """How long no other attempt is made after one that failed; twice as long after each that follows."""
    longest_wait_seconds: float = 86_400.0


class Compaction:
    """Looks at the file at a start and while it is in use, and has it made anew. In dbzero's thread."""

    def __init__(self, directory: Path, ledger_path: Path, rules: CompactionRules) -> None:
        self._directory = directory
        self._ledger_path = ledger_path
        self._file = directory / f"{OURS}{SUFFIX}"
        self._note = directory / _NOTE
        self._rules = rules
        self._is_fresh = False
        self._remaking: Remaking | None = None
        self._look_at = self._give_up_at = 0.0
        """On the monotonic clock: when to look again, and when to give up a file that could not take its place."""
        self._failures = self._looked_bytes = 0

    def start(self, ledger: History) -> None:
        """Delete the file if it is due, so that it is made anew; dbzero is not open yet. Raises `StoreUnwritable`."""
        remove_leftovers(self._directory)
        if self._is_due(ledger) and _is_only_ours(self._directory):
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
    def seconds_to_look(self) -> float | None:
        """Return how soon to look again even if nothing happens; None where the file is not being made anew."""
        if self._remaking is None:
            return None
        return max(_POLL_SECONDS, self._look_at - time.monotonic())

    def compact(self, session: Session, ledger: History, step_size: int) -> bool:
        """Have a smaller file made once ours is due, and let it take our file's place once it is there: then True.

        Nobody sees the objects go back in time: what the new file lacks is caught up with at once.
        """
        if self._remaking is None:
            self._begin_if_due(session, ledger)
            return False
        found = self._remaking.result
        if found is None or time.monotonic() < self._look_at:
            return False
        if isinstance(found, str):
            self._give_up(found)
        elif reason := self._objection_to(found, session, ledger):
            self._give_up(reason)
        elif session.is_held():
            self._wait_for_holders(found, ledger)
        else:
            return self._replace(self._remaking.file, session, ledger, step_size)
        return False

    def stop(self) -> None:
        """End the making of a file, if there is one."""
        if self._remaking is not None:
            self._remaking.end()
            self._remaking = None

    @staticmethod
    def _objection_to(found: Findings, session: Session, ledger: History) -> str | None:
        if session.has_foreign():
            return "there are objects in it that are not ours"
        return objection_to(found, ledger)

    def _wait_for_holders(self, found: Findings, ledger: History) -> None:
        self._look_at = time.monotonic() + _HELD_POLL_SECONDS
        if ledger.last_cursor - found.cursor > _LAG_LIMIT or self._look_at > self._give_up_at:
            self._give_up("an object of it, or a query, is held by something in this process")

    def _replace(self, file: Path, session: Session, ledger: History, step_size: int) -> bool:
        shown = session.cursor
        try:
            session.replace(file)
        except OSError as error:
            self._give_up(error.strerror or type(error).__name__)
            return False
        while session.cursor < shown:
            session.apply_next(ledger, step_size)
            session.commit_if_due()
        session.commit()
        self.stop()
        self._failures = self._looked_bytes = 0
        self._is_fresh = True
        self._look_at = time.monotonic() + self._rules.look_seconds
        log.info("%s was made anew while it was in use: it has %d bytes", self._file, self._size)
        return True

    def _give_up(self, reason: str) -> None:
        """Leave the file as it is for a while, longer each time."""
        self.stop()
        wait = min(self._rules.first_wait_seconds * 2.0**self._failures, self._rules.longest_wait_seconds)
        self._failures += 1
        self._looked_bytes = 0
        self._look_at = time.monotonic() + wait
        text = "%s has outgrown what lives in it (%d bytes) and is not made anew now: %s; tried again in %.0f s"
        log.warning(text, self._file, self._size, reason, wait)

    def _begin_if_due(self, session: Session, ledger: History) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._rules.look_seconds
        if self._size < _GROWTH * self._looked_bytes:
            return
        self._looked_bytes = self._size
        if not self._is_due(ledger) or session.has_foreign():
            return
        events = ledger.event_count()
        try:
            self._check_room(events)
            seconds = 60.0 + self._rules.first_wait_seconds + _SECONDS_PER_EVENT * events
            self._remaking = Remaking(self._directory, self._ledger_path, session.uuid, seconds)
        except OSError as error:
            self._give_up(f"{error.filename or self._directory}: {error.strerror or type(error).__name__}")
        else:
            self._look_at, self._give_up_at = now, now + seconds + _HELD_SECONDS

    def _check_room(self, events: int) -> None:
        """Raise OSError where the disk has too little room for another file, which must not stop the ledger."""
        free, needed = shutil.disk_usage(self._directory).free, _ROOM * self._live(events)
        if free < needed:
            raise OSError(
                errno.ENOSPC, f"{needed:.0f} bytes have to be free on the disk, and {free} are", self._directory
            )

    @property
    def _size(self) -> int:
        try:
            return self._file.stat().st_size
        except FileNotFoundError:
            return 0

    def _is_due(self, ledger: History) -> bool:
        size, rules = self._size, self._rules
        if not rules.factor or size <= rules.minimum_bytes:
            return False
        return size > rules.factor * self._live(ledger.event_count())

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
