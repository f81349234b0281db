"""dbzero's file of the jobs is made anew when it has outgrown what lives in it, and not when it has not."""

from __future__ import annotations

from pathlib import Path

import dbzero as db0
import pytest
from store_application import PATIENCE
from store_histories import ENDS, talks, ticks
from store_mirrors import expected, mirror_of, objects

from statek.store.compaction import CompactionRules
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger

SMALL = 1_000
"""Bytes; every file of these tests is larger."""


@db0.memo(singleton=True, id="test/Stranger", prefix="statek")
class Stranger:
    """An object of an application that opened no prefix of its own."""

    def __init__(self) -> None:
        self.text = "here"


@pytest.fixture
def grown(store: StoreDirectory) -> StoreDirectory:
    """Make a store with a commit for nearly every event, in which objects of every class of ours are."""
    with Ledger.open(store.ledger) as ledger, mirror_of(store) as mirror:
        for number, end in enumerate((*ENDS, *[""] * 5)):
            for tick in talks(f"talk-{number}", end) if end else ticks(f"job-{number}"):
                cursors = ledger.append(tick.records, tick.jobs, tick.blobs)
                mirror.notify(cursors[-1])
                assert mirror.wait_until(cursors[-1], PATIENCE)
    return store


def size_after_a_start(store: StoreDirectory, factor: float) -> int:
    with mirror_of(store, 1.0, compaction_rules=CompactionRules(factor, SMALL)) as mirror:
        assert objects(mirror) == expected(store)
        assert mirror.recovery is None
    return file_of(store).stat().st_size


def file_of(store: StoreDirectory) -> Path:
    return store.dbzero / "statek.db0"


def test_a_file_that_has_outgrown_its_jobs_is_made_anew_once(grown: StoreDirectory) -> None:
    (grown.dbzero / "statek.size").unlink()
    before = file_of(grown).stat().st_size
    after = size_after_a_start(grown, 3)
    assert after < before / 3
    inode = file_of(grown).stat().st_ino
    size_after_a_start(grown, 3)
    assert file_of(grown).stat().st_ino == inode


def test_a_file_is_left_alone_where_no_factor_is_set(grown: StoreDirectory) -> None:
    before = file_of(grown).stat()
    assert size_after_a_start(grown, 0) >= before.st_size
    assert file_of(grown).stat().st_ino == before.st_ino


def test_a_file_that_holds_objects_of_others_is_left_alone(grown: StoreDirectory) -> None:
    with mirror_of(grown) as mirror:
        mirror.submit(lambda: str(Stranger().text), durable=True).result(PATIENCE)
    (grown.dbzero / "statek.size").unlink()
    inode = file_of(grown).stat().st_ino
    size_after_a_start(grown, 2)
    assert file_of(grown).stat().st_ino == inode
    with mirror_of(grown) as mirror:
        assert mirror.submit(lambda: str(Stranger().text)).result(PATIENCE) == "here"
