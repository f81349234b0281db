"""An application's own prefix, opened and changed in a mirror's thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dbzero as db0
from store_histories import fill

from statek.store.copying import CopyRules
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek.store.recovery import RecoveryReport

PATIENCE = 60.0
PREFIX = "shelf"


@db0.memo(singleton=True, id="test/Shelf")
class Shelf:
    """Some texts by number, in the prefix of this name."""

    def __init__(self) -> None:
        db0.set_prefix(self, PREFIX)
        self.books: dict[int, bytes] = {}


class Application:
    """A mirror with an application on it, and what the mirror reports."""

    def __init__(self, store: StoreDirectory, rules: CopyRules) -> None:
        self.failures: list[BaseException] = []
        self.reports: list[RecoveryReport] = []
        self.troubles: list[tuple[str, str]] = []
        self.mirror = Mirror(
            store.dbzero,
            store.ledger,
            self.failures.append,
            on_recovery=self.reports.append,
            on_open=self._open,
            on_copy_trouble=lambda *trouble: self.troubles.append(trouble),
            copy_rules=rules,
        )

    def put(self, number: int, text: bytes) -> None:
        """Change the application's objects, durably."""

        def change() -> None:
            self._shelf.books[number] = text

        self.mirror.submit(change, durable=True).result(PATIENCE)

    def texts(self) -> dict[int, bytes]:
        return self.mirror.submit(lambda: dict(self._shelf.books.items()), quiet=True).result(PATIENCE)

    def _open(self, _: History) -> None:
        db0.open(PREFIX, "rw")
        self._shelf: Any = Shelf()


@contextmanager
def application(store: StoreDirectory, rules: CopyRules = CopyRules()) -> Iterator[Application]:  # noqa: B008
    """Run one until the block is over; whatever it was asked to copy is copied by then."""
    running = Application(store, rules)
    running.mirror.start()
    try:
        yield running
    finally:
        assert running.mirror.stop(PATIENCE)
    assert running.failures == []


def closed_store(path: Path, jobs: int) -> Path:
    """Make a store with so many jobs and an application's text number 1, all of it copied; nobody has it open."""
    store = StoreDirectory.create_or_open(path)
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, jobs)
    with application(store) as running:
        running.put(1, b"one")
    return store.path
