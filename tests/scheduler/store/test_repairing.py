"""A damaged store is explained by `statek store check`, and repaired as far as it can be without a wrong history."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from store_application import PREFIX, application, closed_store
from store_histories import fill
from store_mirrors import expected, mirror_of, objects

from statek.audit.records import Draft, canonical
from statek.store.checking import Finding, check, is_whole
from statek.store.copies import Copies
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreDamaged, StoreError, StoreLocked, StoreUnreadable
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.ledger_scan import scan
from statek.store.repairing import repair

JOBS = 12
DAMAGED_PAGES = 12


@pytest.fixture
def full(store: StoreDirectory) -> StoreDirectory:
    """Make a store whose ledger has some jobs and nothing else, closed."""
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, JOBS)
    return store


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one that has an application's objects too, and a copy of them."""
    return closed_store(tmp_path_factory.mktemp("template") / "store", JOBS)


def execute(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, parameters)


def damaged(store: StoreDirectory) -> dict[str, Finding]:
    """Return what is damaged, but for the audit log: these histories are written without records."""
    found = {finding.part: finding for finding in check(store) if finding.state == "damaged"}
    return {part: finding for part, finding in found.items() if part != "audit log"}


def names(store: StoreDirectory) -> set[str]:
    with History.read(store.ledger) as ledger:
        ledger.verify()
        return {job.job for job in ledger.jobs()}


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


ALL = {f"job-{number}" for number in range(JOBS)}


def test_a_whole_store_is_whole_and_nothing_is_repaired(written: StoreDirectory) -> None:
    found = [finding for finding in check(written) if finding.part == "audit log" or finding.state == "good"]
    assert {finding.part for finding in found} == {
        *("ledger", "audit log", "prefix statek", f"prefix {PREFIX}", f"copy 00000001 of {PREFIX}")
    }
    before = names(written)
    assert list(repair(written)) == [f"dropped {JOBS + 3} blobs that nothing refers to"]  # of these histories' making
    assert list(repair(written)) == []
    assert names(written) == before


def test_a_dbzero_directory_that_is_gone_is_damage_where_there_are_copies_and_comes_back(
    written: StoreDirectory,
) -> None:
    shutil.rmtree(written.dbzero)
    assert list(damaged(written)) == [f"prefix {PREFIX}"]
    assert any("was put back" in done for done in repair(written))
    assert damaged(written) == {}
    shutil.rmtree(written.dbzero)
    with application(written) as running:
        assert running.texts() == {1: b"one"}


def test_a_prefix_that_is_gone_is_missed_also_where_nobody_can_read_what_its_copies_are(
    written: StoreDirectory,
) -> None:
    (written.dbzero / f"{PREFIX}.db0").unlink()
    (about,) = written.copies.glob("*/*/copy.json")
    about.write_text("{")
    assert set(damaged(written)) == {f"prefix {PREFIX}", f"copy {about.parent}"}
    assert any("are lost: its file is gone" in done for done in repair(written))


def test_a_prefix_without_any_good_copy_is_not_promised_back(written: StoreDirectory) -> None:
    for file in (*written.copies.glob("*/*/*.db0"), written.dbzero / f"{PREFIX}.db0"):
        truncate(file)
    found = damaged(written)[f"prefix {PREFIX}"]
    assert (found.means, "puts the copy back" in found.way_out) == (
        "its objects are lost: there is no good copy",
        False,
    )


@pytest.mark.parametrize("name", ["dbzero/statek.db0", f"dbzero/{PREFIX}.db0", f"copies/{PREFIX}"])
def test_what_nobody_lets_us_read_is_not_damaged_and_nothing_takes_its_place(
    written: StoreDirectory, name: str
) -> None:
    path = written.path / name
    kept = path.rename(written.path / "kept")
    path.symlink_to(path)  # cannot be read by root either
    [found, *_] = damaged(written).values()
    assert f"cannot read {path}" in found.what
    assert found.way_out == f"let this user read {path}"
    with pytest.raises(StoreUnreadable):
        list(repair(written))
    assert not list(written.path.glob("*.damaged-*"))
    path.unlink()
    kept.rename(path)
    assert damaged(written) == {}


def test_a_ledger_that_has_lost_its_end_is_not_said_to_have_it_all(written: StoreDirectory) -> None:
    execute(written.ledger, "DELETE FROM events WHERE cursor > 20")
    found = damaged(written)["prefix statek"]
    assert "the ledger ends at 20" in found.what
    assert "lost" not in found.means


def test_a_ledger_whose_log_is_gone_has_lost_its_end(store: StoreDirectory) -> None:
    log = store.ledger.with_name("ledger.sqlite3-wal")
    with Ledger.open(store.ledger) as ledger:
        fill(ledger, 1)
        draft = Draft(1, "tool_called", "job-0", canonical({}))
        ledger.append([], [], {}, drafts=[draft])
        kept = {file: file.read_bytes() for file in (store.ledger, store.path / "audit.head")}
        assert log.stat().st_size
    for file, content in kept.items():
        file.write_bytes(content)
    log.unlink(missing_ok=True)
    [found] = [found for found in check(store) if "its end is missing" in found.what]
    assert (found.part, found.state, "do again" in found.means) == ("ledger", "damaged", True)


def test_the_file_of_another_prefix_is_not_taken_for_our_objects(written: StoreDirectory) -> None:
    shutil.copyfile(written.dbzero / f"{PREFIX}.db0", written.dbzero / "statek.db0")
    assert "it has no jobs, but objects of" in damaged(written)["prefix statek"].what
    with mirror_of(written) as mirror:
        assert mirror.recovery is not None
        assert objects(mirror) == expected(written)


def test_events_that_are_missing_without_a_trace_are_counted(full: StoreDirectory) -> None:
    execute(full.ledger, "DELETE FROM events WHERE cursor IN (20, 30)")
    found = damaged(full)["ledger"]
    assert found.what == "2 of its events are not there"
    assert "restore a backup" in found.way_out


def test_whichever_event_is_missing_the_others_are_still_read(full: StoreDirectory, tmp_path: Path) -> None:
    with closing(sqlite3.connect(full.ledger)) as connection:
        cursors = [cursor for (cursor,) in connection.execute("SELECT cursor FROM events WHERE job = 1")]
    for cursor in cursors:
        torn = tmp_path / "torn.sqlite3"
        shutil.copyfile(full.ledger, torn)
        execute(torn, "DELETE FROM events WHERE cursor = ?", cursor)
        found = scan(torn)
        assert {job.name for job in found.jobs.values()} == ALL, cursor
        assert {job.number for job in found.damaged} <= {1}, cursor


def test_beside_a_scheduler_its_dbzero_files_are_left_alone(written: StoreDirectory) -> None:
    with written.lock():
        states = {finding.part: finding.state for finding in check(written)}
        with pytest.raises(StoreLocked):
            list(repair(written))
    assert states["dbzero"] == "unknown"
    assert states["ledger"] == "good"


def test_an_event_that_was_changed_costs_its_job_and_no_other(full: StoreDirectory) -> None:
    execute(full.ledger, "UPDATE events SET body = zeroblob(9) WHERE cursor = (SELECT max(cursor) FROM events)")
    assert "is not what was written" in damaged(full)[f"job job-{JOBS - 1}"].what
    told = list(repair(full))
    assert names(full) == ALL - {f"job-{JOBS - 1}"}
    assert f"left out job-{JOBS - 1}" in " ".join(told)
    report = json.loads((full.path / "ledger.damaged-0" / "recovery.json").read_text())
    assert list(report["left_out"]) == [f"job-{JOBS - 1}"]


def test_a_job_whose_state_was_changed_is_restored_from_its_events(full: StoreDirectory) -> None:
    with History.read(full.ledger) as ledger:
        before = ledger.job("job-3")
    execute(full.ledger, "UPDATE jobs SET state = zeroblob(9) WHERE job = 'job-3'")
    assert not is_whole(list(check(full)))
    list(repair(full))
    assert names(full) == ALL
    with History.read(full.ledger) as ledger:
        assert ledger.job("job-3") == before


def test_an_event_that_is_gone_is_noticed(full: StoreDirectory) -> None:
    sql = """DELETE FROM events WHERE cursor =
        (SELECT cursor FROM events WHERE kind = 'usage_metered' ORDER BY cursor LIMIT 1)"""
    execute(full.ledger, sql)
    found = scan(full.ledger)
    assert [job.name for job in found.damaged] == ["job-0"]


def test_damaged_pages_cost_only_the_jobs_that_lie_on_them(full: StoreDirectory) -> None:
    whole = full.ledger.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    chance = random.Random(7)
    survived = 0
    for page in chance.sample(range(1, len(whole) // size), DAMAGED_PAGES):
        full.ledger.write_bytes(whole[: page * size] + chance.randbytes(size) + whole[(page + 1) * size :])
        for old in full.path.glob("ledger.damaged-*/*"):
            old.unlink()
        try:
            told = list(repair(full))
        except StoreError:
            continue  # a root of the tables: then nothing is changed, which the next round would show
        left = names(full)
        for job in ALL - left:
            assert any(job in line or "number" in line for line in told), (page, job, told)
        survived += left == ALL or bool(left)
    assert survived >= DAMAGED_PAGES // 2


def overwrite_root(ledger: Path, table: str) -> None:
    """Overwrite the page from which all others of a table are found."""
    with closing(sqlite3.connect(ledger)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    whole = ledger.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    ledger.write_bytes(whole[: (root - 1) * size] + b"\xff" * size + whole[root * size :])


def test_a_ledger_whose_tables_cannot_be_found_is_left_as_it_is(full: StoreDirectory) -> None:
    hurt = bytearray(full.ledger.read_bytes())
    size, interior = int.from_bytes(hurt[16:18], "big"), 5
    assert hurt[100] == interior, "the list of tables has pages of its own, of which the first one names the last"
    page = int.from_bytes(hurt[108:112], "big")
    hurt[(page - 1) * size : page * size] = b"\xff" * size
    full.ledger.write_bytes(hurt)
    with pytest.raises(StoreDamaged, match=r"its tables cannot be found .*restore a backup"):
        list(repair(full))
    assert full.ledger.read_bytes() == hurt


def test_rows_that_cannot_be_found_are_told_as_lost(full: StoreDirectory) -> None:
    overwrite_root(full.ledger, "queue_items")
    assert "lost: each row of queue_items: its page cannot be read" in list(repair(full))
    assert names(full) == ALL


def test_a_salvaged_ledger_can_be_gone_on_with(written: StoreDirectory) -> None:
    execute(written.ledger, "UPDATE events SET at_us = 5 WHERE cursor = 3")
    list(repair(written))
    with Ledger.open(written.ledger) as ledger:
        ledger.append([], [], {})
        assert ledger.last_cursor > 3
    with mirror_of(written) as mirror:
        assert objects(mirror) == expected(written)
    with application(written) as running:
        assert running.texts() == {1: b"one"}


def test_what_cannot_be_restored_is_not_touched(full: StoreDirectory) -> None:
    full.ledger.write_bytes(b"nothing of ours" * 1_000)
    before = {path.name: path.read_bytes() for path in full.path.iterdir() if path.name != "scheduler.lock"}
    with pytest.raises(StoreDamaged):
        list(repair(full))
    after = {path.name: path.read_bytes() for path in full.path.iterdir() if path.is_file()}
    assert {name: after[name] for name in before} == before


def test_a_store_that_lost_its_ledger_gets_no_empty_one(written: StoreDirectory) -> None:
    written.ledger.unlink()
    assert damaged(written)["ledger"].way_out == "restore a backup"
    with pytest.raises(StoreDamaged):
        list(repair(written))
    assert not written.ledger.exists()


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda store: truncate(store.dbzero / "statek.db0"), "prefix statek"),
        (lambda store: truncate(store.dbzero / f"{PREFIX}.db0"), f"prefix {PREFIX}"),
        (lambda store: (store.dbzero / f"{PREFIX}.db0").unlink(), f"prefix {PREFIX}"),
    ],
)
def test_damaged_objects_are_named_and_made_anew(
    written: StoreDirectory, spoil: Callable[[StoreDirectory], object], part: str
) -> None:
    spoil(written)
    assert set(damaged(written)) == {part}
    assert any(part.split()[1] in line or "made anew" in line for line in repair(written))
    assert damaged(written) == {}
    assert any(finding.state == "note" and "set aside" in finding.part for finding in check(written))


def test_a_changed_copy_is_named_with_what_to_do(written: StoreDirectory) -> None:
    [copy] = Copies(written.copies).of(PREFIX)
    truncate(copy.file)
    assert damaged(written)[f"copy 00000001 of {PREFIX}"].way_out == f"remove {copy.directory}"


def test_a_changed_audit_record_is_named(full: StoreDirectory) -> None:
    execute(full.ledger, "UPDATE audit SET body = '{}' WHERE sequence = 1")
    [found] = [finding for finding in check(full) if finding.part == "audit log"]
    assert found.state == "damaged"
    assert "record 1" in found.what


def test_the_commands_tell_what_they_found_and_did(full: StoreDirectory, tmp_path: Path) -> None:
    def statek(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-P", "-m", "statek", "store", *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})

    execute(full.ledger, "UPDATE events SET at_us = 5 WHERE cursor = 3")
    found = statek("check", "--store", str(full.path), "--json")
    assert (found.returncode, json.loads(found.stdout)["ok"]) == (1, False)
    repaired = statek("repair", "--store", str(full.path))
    assert "left out job-0" in repaired.stdout
    assert statek("check", "--store", str(tmp_path / "none")).returncode == 2
    assert "ledger: good" in statek("check", "--store", str(full.path)).stdout
