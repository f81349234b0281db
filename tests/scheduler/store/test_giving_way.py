"""dbzero's thread lets the loop go first, and follows the ledger all the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from store_histories import fill, ticks
from store_mirrors import PATIENCE, expected, mirror_of, objects

from statek.store import mirror as mirror_module
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger


class Resting(threading.Event):
    """Tells when somebody has asked for it in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self.asked.set()
        return super().wait(timeout)


def append(ledger: Ledger, job: str) -> int:
    for tick in ticks(job):
        ledger.append(tick.records, tick.jobs, tick.blobs)
    return ledger.last_cursor


def test_events_wait_until_the_loop_rests(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "_GIVE_WAY_SECONDS", PATIENCE)
    resting = Resting()
    with mirror_of(store, resting=resting) as mirror:
        mirror.notify(append(ledger, "job-0"))
        assert resting.asked.wait(PATIENCE)
        assert mirror.activity.behind > 0
        resting.set()
        assert mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert objects(mirror) == expected(store)


def test_events_are_shown_also_when_the_loop_never_rests(store: StoreDirectory, ledger: Ledger) -> None:
    resting = Resting()
    with mirror_of(store, resting=resting) as mirror:
        mirror.notify(append(ledger, "job-0"))
        assert mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert resting.asked.is_set()
        assert objects(mirror) == expected(store)


def test_events_that_come_soon_after_one_another_are_applied_together(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "_GATHER_SECONDS", PATIENCE)
    with mirror_of(store) as mirror:
        before = append(ledger, "job-0")
        mirror.notify(before)
        mirror.notify(append(ledger, "job-1"))
        assert mirror.activity.behind == ledger.last_cursor
        assert mirror.wait_until(before, PATIENCE), "somebody waits for them"
        assert mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert objects(mirror) == expected(store)


def test_many_events_wait_for_no_more(store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "_GATHER_SECONDS", PATIENCE)
    caught_up = threading.Event()
    with mirror_of(store) as mirror:
        fill(ledger, 30)
        assert ledger.last_cursor >= mirror_module._GATHERED

        def tell(cursor: Any, told: Any = mirror._tell_applied) -> None:
            told(cursor)
            if cursor == ledger.last_cursor:
                caught_up.set()

        monkeypatch.setattr(mirror, "_tell_applied", tell)
        mirror.notify(ledger.last_cursor)
        assert caught_up.wait(PATIENCE)
