"""Variables in the ledger: replaced with the checkpoint that replaces them, and never another's or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from statek.core.jobs import Job, digest
from statek.core.workspaces import Manifest, StoredSegment, WorkspaceChange
from statek.store.errors import StoreDamaged
from statek.store.ledger import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(path)
    yield opened
    opened.close()


def change(before: Manifest, data: dict[int, bytes], *dropped: int) -> WorkspaceChange:
    stored = tuple((StoredSegment(n, digest(part), len(part), (1,)), part) for n, part in data.items())
    return WorkspaceChange(stored, dropped, before.changed({kept.number: kept for kept, _ in stored}, dropped))


def keep(ledger: Ledger, *changes: WorkspaceChange, job: str = "job-1") -> Job:
    """Append changes as one turn would."""
    state = Job(job, digest(b"policy"), workspace=changes[-1].manifest.root)
    ledger.append([], [state], {}, workspaces=[(job, one) for one in changes])
    return state


def rows(path: Path) -> list[tuple[int, bytes]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT number, data FROM segments ORDER BY job, number").fetchall()


def test_what_was_replaced_or_dropped_is_gone_and_the_rest_stays(ledger: Ledger, path: Path) -> None:
    first = change(Manifest(), {1: b"one", 2: b"two", 3: b"three"})
    keep(ledger, first)
    second = change(first.manifest, {2: b"changed", 7: b"new"}, 3)
    job = keep(ledger, second)
    assert rows(path) == [(1, b"one"), (2, b"changed"), (7, b"new")]
    assert ledger.workspace(job).data == {1: b"one", 2: b"changed", 7: b"new"}
    assert ledger.manifest("job-1") == second.manifest == ledger.workspace(job).manifest


def test_changes_of_one_turn_are_applied_in_order(ledger: Ledger) -> None:
    first = change(Manifest(), {1: b"one", 2: b"two"})
    second = change(first.manifest, {2: b"again"}, 1)
    third = change(second.manifest, {1: b"back"})
    assert ledger.workspace(keep(ledger, first, second, third)).data == {1: b"back", 2: b"again"}


def test_jobs_do_not_meet(ledger: Ledger) -> None:
    one = keep(ledger, change(Manifest(), {1: b"mine"}), job="job-1")
    two = keep(ledger, change(Manifest(), {1: b"other"}), job="job-2")
    assert (ledger.workspace(one).data, ledger.workspace(two).data) == ({1: b"mine"}, {1: b"other"})


def test_a_job_without_variables_has_none(ledger: Ledger) -> None:
    job = Job("job-1", digest(b"policy"))
    ledger.append([], [job], {})
    assert (ledger.workspace(job).data, ledger.manifest("job-1")) == ({}, Manifest())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE segments SET data = x'00' WHERE number = 1",
        "UPDATE segments SET described = x'80' WHERE number = 1",
        "UPDATE segments SET number = 5 WHERE number = 1",
        "UPDATE segments SET checksum = checksum + 1 WHERE number = 1",
        "DELETE FROM segments WHERE number = 1",
        "DELETE FROM segments",
        "UPDATE segments SET (described, checksum, data) = "
        "(SELECT described, checksum, data FROM segments WHERE number = 2) WHERE number = 1",
        "INSERT INTO segments SELECT job, 9, described, checksum, data FROM segments WHERE number = 1",
    ],
)
def test_variables_that_are_not_those_of_the_checkpoint_are_found(ledger: Ledger, path: Path, damage: str) -> None:
    job = keep(ledger, change(Manifest(), {1: b"one", 2: b"two"}))
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    with pytest.raises(StoreDamaged, match="job-1"):
        ledger.workspace(job)
    with pytest.raises(StoreDamaged, match="job-1"):
        ledger.verify()


def test_the_variables_of_an_earlier_checkpoint_are_found_out(ledger: Ledger) -> None:
    first = change(Manifest(), {1: b"one"})
    job = keep(ledger, first)
    keep(ledger, change(first.manifest, {1: b"later"}))
    with pytest.raises(StoreDamaged, match="not those of its last checkpoint"):
        ledger.workspace(replace(job, workspace=first.manifest.root))
