"""A file of ours that was closed in good order is not read through at the next start; any other is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from store_histories import fill
from store_kills import run_and_kill
from store_mirrors import expected, mirror_of, objects

from statek.store import recovery
from statek.store.checking import check
from statek.store.closed_note import NAME
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return where a probe was started."""
    started: list[Path] = []
    probe = recovery.probe

    def noting(directory: Path, seconds: float) -> object:
        started.append(directory)
        return probe(directory, seconds)

    monkeypatch.setattr(recovery, "probe", noting)
    return started


@pytest.fixture
def closed(store: StoreDirectory) -> StoreDirectory:
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 2)
    with mirror_of(store):
        assert not (store.dbzero / NAME).exists(), "not while somebody has it open"
    assert (store.dbzero / NAME).exists()
    return store


def test_a_file_that_was_closed_in_good_order_is_gone_on_from_at_once(
    closed: StoreDirectory, probes: list[Path]
) -> None:
    with Ledger.open(closed.ledger) as ledger:
        fill(ledger, 1)
    with mirror_of(closed) as mirror:
        assert mirror.recovery is None
        assert objects(mirror) == expected(closed)
    assert probes == []


def test_a_file_that_was_changed_since_is_read_through(closed: StoreDirectory, probes: list[Path]) -> None:
    file = closed.dbzero / "statek.db0"
    file.write_bytes(file.read_bytes()[:-4_096])
    with mirror_of(closed) as mirror:
        assert mirror.recovery is not None
        assert objects(mirror) == expected(closed)
    assert len(probes) == 1


def test_a_file_that_only_looks_newer_is_read_through(closed: StoreDirectory, probes: list[Path]) -> None:
    os.utime(closed.dbzero / "statek.db0")
    with mirror_of(closed) as mirror:
        assert mirror.recovery is None
    assert len(probes) == 1


def test_a_file_whose_scheduler_was_killed_is_read_through(store: StoreDirectory, probes: list[Path]) -> None:
    run_and_kill(store.path, 60, "mirror", until=(store.dbzero / "statek.db0").exists)
    with mirror_of(store):
        pass
    assert len(probes) == 1


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"file": 1}', "no json"])
def test_a_note_that_is_none_counts_for_nothing(closed: StoreDirectory, probes: list[Path], said: str) -> None:
    (closed.dbzero / NAME).write_text(said)
    with mirror_of(closed) as mirror:
        assert mirror.recovery is None
    assert len(probes) == 1


def test_a_note_does_not_make_another_ledgers_objects_ours(closed: StoreDirectory) -> None:
    note = closed.dbzero / NAME
    said = json.loads(note.read_text())
    said["found"]["checksum"] += 1
    note.write_text(json.dumps(said))
    with mirror_of(closed) as mirror:
        assert mirror.recovery is not None
        assert "made from another ledger" in mirror.recovery.reason


def test_a_check_reads_it_through_whatever_the_note_says(closed: StoreDirectory, probes: list[Path]) -> None:
    assert [finding.state for finding in check(closed) if finding.part == "prefix statek"] == ["good"]
    assert len(probes) == 1
