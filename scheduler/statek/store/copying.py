"""When are the application's prefixes copied? At an interval after they changed, and when dbzero was closed.

The file is copied in dbzero's thread, between two commits, which takes about as long as writing it; what takes longer,
making it durable and reading it through, is done by a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statek.store.copies import OURS, Copies, prefix_files
from statek.store.errors import ProbeEnded
from statek.store.prefix_probe import SUFFIX, PrefixTrouble

log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 300.0
KEPT: Final = 3
FIRST_SECONDS: Final = 10.0
"""How soon a prefix is copied that there is no copy of yet."""
_CLOSING_SECONDS: Final = 20.0
"""How long a verification that is under way is waited for at the end."""


@dataclass(frozen=True, slots=True)
class CopyRules:
    """How often the application's prefixes are copied, and how many copies are kept of each."""

    seconds: float = INTERVAL_SECONDS
    """After a change, how long until the next copy; 0 for no copies at all."""
    kept: int = KEPT


class Copier:
    """Takes the copies. All of it in dbzero's thread, which nobody else writes those files in."""

    def __init__(
        self, directory: Path, copies: Copies, rules: CopyRules, on_trouble: Callable[[str, str], None]
    ) -> None:
        """`on_trouble` takes a prefix and what is wrong with its copy, in any thread."""
        self._directory = directory
        self._copies = copies
        self._rules = rules
        self._on_trouble = on_trouble
        self._due: dict[str, float] = {}
        self._verifying: threading.Thread | None = None
        self._ended: list[str] = []
        """Prefixes whose copies could not be verified because that was ended from outside."""
        self._newest = {prefix: found[0].at_us for prefix in copies.prefixes() if (found := copies.of(prefix))}
        """When the newest copy of each prefix was taken, in µs of Unix time."""

    @property
    def age(self) -> float | None:
        """Return how old the oldest among the newest copies is, in seconds; None where there is none. Any thread's."""
        newest = list(self._newest.values())
        return max(0.0, time.time() - min(newest) / 1e6) if newest else None

    def opened(self) -> None:
        """Say that dbzero was opened and the application loaded: what it changed until now nobody has told."""
        self.changed(file.stem for file in prefix_files(self._directory) if self._may_differ(file))

    def changed(self, prefixes: Iterable[str]) -> None:
        """Say that something in these prefixes has changed."""
        if not self._rules.seconds:
            return
        for prefix in prefixes:
            if prefix != OURS and prefix not in self._due:
                first = not self._copies.of(prefix)
                wait = min(self._rules.seconds, FIRST_SECONDS) if first else self._rules.seconds
                self._due[prefix] = time.monotonic() + wait

    @property
    def seconds_to_copy(self) -> float | None:
        """Return how long the next copy can wait; None where none is to be made."""
        if not self._due:
            return None
        seconds = max(0.0, min(self._due.values()) - time.monotonic())
        return max(seconds, 1.0) if self._is_verifying else seconds

    def copy_if_due(self, cursor: int, commit: Callable[[], None]) -> None:
        """Copy what has waited long enough; the ledger's calls up to that event have changed what they change."""
        now = time.monotonic()
        due = [prefix for prefix, when in self._due.items() if when <= now]
        if not due or self._is_verifying:
            return
        commit()
        begun = self._begin(due)
        self._verifying = threading.Thread(target=self._finish, args=(begun, cursor), name="statek-copies", daemon=True)
        self._verifying.start()

    def close(self, cursor: int) -> None:
        """Copy what has changed since; dbzero is closed."""
        if self._verifying is not None:
            self._verifying.join(_CLOSING_SECONDS)
        if self._is_verifying:
            log.warning("a copy is still being verified: what changed since is not copied before the next start")
            return
        self.changed(self._ended)
        self._finish(self._begin(list(self._due)), cursor)

    @property
    def _is_verifying(self) -> bool:
        return self._verifying is not None and self._verifying.is_alive()

    def _may_differ(self, file: Path) -> bool:
        newest = next(iter(self._copies.of(file.stem)), None)
        if newest is None:
            return True
        found = file.stat()
        return found.st_size != newest.bytes or found.st_mtime_ns // 1_000 > newest.at_us

    def _begin(self, prefixes: Collection[str]) -> list[tuple[Path, int]]:
        """Copy the files; a prefix that has none any more was dropped by the application."""
        begun: list[tuple[Path, int]] = []
        for prefix in prefixes:
            del self._due[prefix]
            source = self._directory / f"{prefix}{SUFFIX}"
            try:
                if source.exists():
                    begun.append((self._copies.begin(source), time.time_ns() // 1_000))
            except OSError as error:
                self._tell(prefix, f"it cannot be written: {error.strerror or type(error).__name__}")
        return begun

    def _finish(self, begun: Iterable[tuple[Path, int]], cursor: int) -> None:
        for new, at_us in begun:
            try:
                made = self._copies.finish(new, cursor, at_us, self._rules.kept)
            except OSError as error:
                self._tell(new.parent.name, f"it cannot be written: {error.strerror or type(error).__name__}")
            except ProbeEnded as error:
                self._ended.append(new.parent.name)
                self._tell(new.parent.name, str(error))
            except PrefixTrouble as error:
                self._tell(new.parent.name, f"it does not open, so the prefix itself may be damaged: {error}")
            else:
                if made is not None:
                    self._newest[made.prefix] = made.at_us
                    log.info("prefix %r is copied to %s: %d objects", made.prefix, made.directory, made.objects)

    def _tell(self, prefix: str, trouble: str) -> None:
        log.error("there is no new copy of the prefix %r: %s; the copies before it are kept", prefix, trouble)
        self._on_trouble(prefix, trouble)
