"""The log on disk: one transaction with the events, one fsync, and a place in stores that were there before it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from audit_stores import Store, run_a_batch
from loop_stand import Stand, stand

from statek.audit.chain import NOTHING
from statek.audit.records import Draft
from statek.core.events import BatchSkipped
from statek.core.jobs import Job
from statek.store.audit_head import NAME, read_head
from statek.store.errors import StoreOutdated, StoreUnwritable
from statek.store.history import History
from statek.store.ledger import Ledger, Record


def test_a_log_begins_with_the_stores_own_random_id(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other.sqlite3")
    for one in (store, other):
        Ledger.open(one.path).close()
    first, second = store.records()[0], other.records()[0]
    assert (first.kind, first.sequence, first.previous) == ("genesis", 1, NOTHING)
    assert first.said["store"] != second.said["store"]


def test_what_could_not_be_written_leaves_chain_and_events_as_they_were(store: Store) -> None:
    with Ledger.open(store.path) as ledger:
        ledger.append([], [Job("job", "policy")], {})
        before = ledger.audit.head
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'full'); END")
        with pytest.raises(Exception, match="full"):
            ledger.append([Record("job", 1, BatchSkipped(1))], [], {}, (), [Draft(1, "scheduler_started", None, "{}")])
        assert ledger.audit.head == before
        assert ledger.last_cursor == 0
        assert not ledger.events(None)
    store.tamper("DROP TRIGGER refuse")
    assert store.verdict().head == before


def test_the_head_beside_the_ledger_is_that_of_the_last_commit_and_the_owners_alone(here: Stand, store: Store) -> None:
    for key in ("one", "two"):
        run_a_batch(here, here.executor(key), key)
        assert read_head(store.path) == here.ledger.audit.head
    assert store.path.with_name(NAME).stat().st_mode & 0o777 == 0o600


def test_a_head_file_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    store.path.with_name(NAME).symlink_to(precious)
    with pytest.raises(Exception, match=NAME):
        Ledger.open(store.path)
    assert precious.read_text() == ""


def test_a_store_that_is_older_than_its_log_gets_one_and_says_so(here: Stand, store: Store) -> None:
    run_a_batch(here, here.executor(), "key")
    events = here.ledger.last_cursor
    here.ledger.close()
    store.path.with_name(NAME).unlink()
    store.tamper("DROP TABLE audit", "PRAGMA user_version = 1")
    _drop_what_the_upgrade_makes(store)
    with pytest.raises(StoreOutdated, match="start a scheduler"):
        History.read(store.path)
    with stand(store.path) as upgraded:
        run_a_batch(upgraded, upgraded.executor(), "another")
    verdict = store.verdict(head_file=True)
    assert verdict.fault is None
    assert verdict.before == events


def _drop_what_the_upgrade_makes(store: Store) -> None:
    """Other tables that the format before did not have."""
    with closing(sqlite3.connect(store.path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    first = {"jobs", "events", "blobs", "submissions"}
    store.tamper(*(f"DROP TABLE {name}" for name in names - first if not name.startswith("sqlite_")))
    with closing(sqlite3.connect(store.path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        columns = [column[1] for column in connection.execute("PRAGMA table_info(jobs)")]
    store.tamper(*(f"DROP INDEX {name}" for (name,) in found if name not in _FIRST_INDICES))
    store.tamper(*(f"ALTER TABLE jobs DROP COLUMN {name}" for name in columns if name not in _FIRST_COLUMNS))


_FIRST_INDICES = {"jobs_by_status", "events_of_job", "events_of_batch"}
_FIRST_COLUMNS = {"number", "job", "status", "outcome", "state", "checksum"}


def test_a_turn_costs_one_commit_with_its_records(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[str] = []
    here.ledger._connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    executor = here.executor()
    assert len(commits) == 1, "an executor that joins is a record without an event"
    here.submit(b"source")
    here.turn()
    assert len(commits) == 2
    assert executor.lease


def test_refused_writes_are_refused_with_the_log_as_well(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(*_: object) -> range:
        raise StoreUnwritable(Path("store"), "no space left on device")

    monkeypatch.setattr(Ledger, "append", append)
    with pytest.raises(StoreUnwritable):
        here.executor()
