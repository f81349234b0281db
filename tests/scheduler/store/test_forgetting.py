"""Jobs that ended long ago are forgotten: wholly, by rule, on record, and nothing else is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from store_histories import POLICY
from store_kills import run_and_kill
from store_lives import ENDED, NOW, begin, fault_of, forget, go_on, live
from store_mirrors import mirror_of, objects

from statek.audit.recorder import Recorder
from statek.core import events
from statek.core.evolve import evolve
from statek.core.jobs import Job, digest
from statek.loop.retaining import Forgetter
from statek.loop.tick import Tick
from statek.store.audit_reader import AuditReader
from statek.store.backup import back_up
from statek.store.checking import check, is_whole
from statek.store.directory import StoreDirectory
from statek.store.job_search import JobSearch
from statek.store.ledger import Ledger
from statek.store.queue_table import QueueItem
from statek.store.repairing import repair
from statek.store.restoring import restore


def rows(store: StoreDirectory, table: str) -> int:
    with closing(sqlite3.connect(store.ledger)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_of_a_forgotten_job_stay_its_name_and_one_event(store: StoreDirectory, ledger: Ledger) -> None:
    names = live(ledger, 3)
    told = ledger.last_cursor
    with JobSearch.read(store.ledger) as search:
        made = [search.begun_us(name) for name in names]
    assert forget(ledger) == 3
    assert ledger.counts() == {}
    assert list(ledger.jobs()) == []
    assert [ledger.job(name).status for name in names] == ["FORGOTTEN"] * 3  # type: ignore[union-attr]
    left = ledger.events(None)
    assert [stored.event.kind for stored in left] == ["job_forgotten"] * 3
    assert ledger.last_cursor == told + 3
    tombstone = left[0].event
    assert isinstance(tombstone, events.JobForgotten)
    assert (tombstone.job, tombstone.events, tombstone.first, tombstone.outcome) == (names[0], told // 3, 1, "limit")
    assert [rows(store, table) for table in ("segments", "submissions", "promises", "blobs", "blob_uses")] == [0] * 5
    assert rows(store, "erasures") == 0
    with JobSearch.read(store.ledger) as search:
        assert [search.begun_us(name) for name in names] == made
    ledger.verify()


def test_nothing_is_forgotten_before_its_time(ledger: Ledger) -> None:
    live(ledger, 2)
    assert forget(ledger, ENDED) == 0
    assert forget(ledger, ENDED + 1) == 2


def test_a_blob_goes_with_the_last_job_that_names_it(ledger: Ledger) -> None:
    live(ledger, 1)
    kept = begin(ledger, "under way")
    assert forget(ledger) == 1
    assert ledger.blob(digest(POLICY)) == POLICY, f"{kept} needs it"
    with pytest.raises(KeyError):
        ledger.blob(digest(b"given to job-0-0"))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_job_that_has_not_ended_is_kept(ledger: Ledger, steps: int) -> None:
    begin(ledger, "under way", steps=steps)
    assert forget(ledger) == 0


def test_a_job_that_was_revived_is_kept_until_it_has_ended_again(ledger: Ledger) -> None:
    [name] = live(ledger, 1)
    go_on(ledger, name, events.BatchSubmitted(3, "more", digest(POLICY)))
    assert forget(ledger) == 0
    go_on(ledger, name, events.BatchSkipped(3), events.JobEnded("ok"), at_us=7_000_000)
    assert forget(ledger, 7_000_000) == 0
    assert forget(ledger, 7_000_001) == 1


def test_a_family_is_kept_while_one_of_it_is_under_way(ledger: Ledger) -> None:
    [parent] = live(ledger, 1)
    live(ledger, 1, parent=parent)
    child = begin(ledger, "the younger child", parent=parent)
    assert forget(ledger) == 1, "the child that has ended, whose parent has too"
    assert ledger.job(parent).status == "DONE"  # type: ignore[union-attr]
    go_on(ledger, child, events.BatchSkipped(1), events.BatchSkipped(2), events.JobEnded("ok"))
    assert forget(ledger) == 2


def test_a_child_is_kept_while_its_parent_is_under_way(ledger: Ledger) -> None:
    parent = begin(ledger, "the parent")
    live(ledger, 2, parent=parent)
    assert forget(ledger) == 0


def test_a_job_that_a_message_waits_for_is_kept(ledger: Ledger) -> None:
    [name] = live(ledger, 1)
    message = QueueItem(1, "mail", "", name, b"one more thing", "", "somebody", NOW)
    ledger.append([], [], {}, queued={1: message})
    assert forget(ledger) == 0
    ledger.append([], [], {}, queued={1: replace(message, dead_reason="nobody reads it")})
    assert forget(ledger) == 1


def test_a_damaged_job_is_kept_for_whoever_looks_into_it(
    store: StoreDirectory, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    live(ledger, 2)
    with closing(sqlite3.connect(store.ledger)) as other, other:
        other.execute("UPDATE events SET body = x'00' WHERE cursor = 5")
    assert forget(ledger) == 1
    assert "job-0-0 is kept as it is" in caplog.text


def test_a_job_of_many_events_is_forgotten_in_portions(store: StoreDirectory, ledger: Ledger) -> None:
    live(ledger, 1, lines=1_700)
    sizes = [rows(store, "events")]
    forgetter, recorder = Forgetter(ledger), Recorder()
    while True:
        tick = Tick(NOW, recorder, ledger.last_cursor)
        decided = forgetter.decide(tick, NOW)
        tick.commit(ledger)
        at_rest = forgetter.carry_out()
        sizes.append(rows(store, "events"))
        if at_rest and decided:
            break
    assert max(before - after for before, after in pairwise(sizes)) <= 500
    assert sizes[-1] == 1
    assert [stored.event.kind for stored in ledger.events(None)] == ["job_forgotten"]


# the audit log


def test_the_audit_log_agrees_with_what_was_forgotten(store: StoreDirectory, ledger: Ledger) -> None:
    live(ledger, 3)
    assert fault_of(store) is None
    forget(ledger, portions=1)
    assert fault_of(store) is None, "in the middle of it"
    forget(ledger)
    assert fault_of(store) is None


def test_an_event_that_somebody_else_took_out_is_still_found(store: StoreDirectory, ledger: Ledger) -> None:
    live(ledger, 2)
    begin(ledger, "under way")
    forget(ledger)
    with closing(sqlite3.connect(store.ledger)) as other, other:
        other.execute("DELETE FROM events WHERE kind = 'batch_submitted'")
    assert "which is not in the ledger" in str(fault_of(store))


def test_events_that_somebody_else_passes_off_as_forgotten_are_found(store: StoreDirectory, ledger: Ledger) -> None:
    """An event that says so does not help: it has no record on the log."""
    [name] = live(ledger, 1)
    with AuditReader.read(store.ledger) as audit:
        records = len(list(audit.chain()))
    forget(ledger)
    with closing(sqlite3.connect(store.ledger)) as other, other:
        other.execute("DELETE FROM audit WHERE sequence > ?", (records,))
    assert "job_forgotten" in str(fault_of(store)), name


def test_a_changed_tombstone_is_found(store: StoreDirectory, ledger: Ledger) -> None:
    live(ledger, 1)
    forget(ledger)
    with closing(sqlite3.connect(store.ledger)) as other, other:
        other.execute("UPDATE events SET at_us = at_us + 1 WHERE kind = 'job_forgotten'")
    assert "is not the one that it was written for" in str(fault_of(store))


# kills

KILLS = 5


def test_a_kill_while_jobs_are_forgotten_leaves_each_whole_or_forgotten(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        live(ledger, 60)
        whole = len(ledger.events("job-0-0"))
    for kill in range(KILLS):
        run_and_kill(store.path, 1 + kill % 4, program="store_pruner.py")
        assert fault_of(store) is None
        with Ledger.open(store.ledger) as ledger:
            ledger.verify()
            for job in [*ledger.jobs(), *ledger.jobs(("FORGOTTEN",))]:
                assert job == folded(ledger, job.job)
                assert job.status == "FORGOTTEN" or len(ledger.events(job.job)) == whole
    with Ledger.open(store.ledger) as ledger:
        assert 0 < len(list(ledger.jobs(("FORGOTTEN",)))) < 60, "the kills came in the middle"
        forget(ledger)
        assert [stored.event.kind for stored in ledger.events(None)] == ["job_forgotten"] * 60
    assert [rows(store, table) for table in ("segments", "promises", "blobs", "blob_uses", "erasures")] == [0] * 5


def folded(ledger: Ledger, name: str) -> Job | None:
    job: Job | None = None
    for stored in ledger.events(name):
        job = evolve(job, stored.event)
    return job


# the objects


def test_the_objects_of_a_forgotten_job_are_gone(store: StoreDirectory, ledger: Ledger) -> None:
    import dbzero as db0

    from statek.store import objects as classes

    owned = [getattr(classes, name) for name in ("JobError", "ReachedLimit", "Usage", "ToolLogItem", "PyEnv", "Job")]

    def count() -> list[int]:
        return [len(list(db0.find(cls))) for cls in owned]

    live(ledger, 4)
    with mirror_of(store) as mirror:
        assert min(mirror.submit(count).result(60)) >= 4
        forget(ledger)
        mirror.notify(ledger.last_cursor)
        assert mirror.wait_until(ledger.last_cursor, 60)
        assert objects(mirror) == {}
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        assert mirror.submit(count).result(60) == [0] * len(owned)


@pytest.mark.parametrize("portions", [1, 2, 3])
def test_objects_that_lay_behind_go_too(store: StoreDirectory, ledger: Ledger, portions: int) -> None:
    """The objects know a part of a job's events; the others are deleted before they are told."""
    live(ledger, 1, lines=900)
    with mirror_of(store):
        pass
    live(ledger, 2, lines=400)
    forget(ledger, portions=portions)
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        names = {job.job for job in ledger.jobs()}
        assert set(objects(mirror)) == names
    forget(ledger)
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        assert objects(mirror) == {}


def test_objects_that_end_at_a_forgotten_event_are_gone_on_from(store: StoreDirectory, ledger: Ledger) -> None:
    live(ledger, 3)
    with mirror_of(store):
        pass
    forget(ledger)
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        assert objects(mirror) == {}


# backup, check, repair


def test_a_store_with_forgotten_jobs_is_whole_and_backed_up(store: StoreDirectory, tmp_path: Path) -> None:
    with Ledger.open(store.ledger) as ledger:
        live(ledger, 3)
        forget(ledger, portions=1)
    assert is_whole(list(check(store)))
    manifest = back_up(store, tmp_path / "backup")
    assert manifest.jobs == 0
    assert manifest.audit_fault == ""
    restored = StoreDirectory(restore(tmp_path / "backup", tmp_path / "restored").store)
    with Ledger.open(restored.ledger) as ledger:
        forget(ledger)
        assert [stored.event.kind for stored in ledger.events(None)] == ["job_forgotten"] * 3
        assert [job.status for job in ledger.jobs(("FORGOTTEN",))] == ["FORGOTTEN"] * 3
    assert fault_of(restored) is None


@pytest.mark.parametrize("portions", [1, 10_000])
def test_a_repaired_ledger_knows_what_was_forgotten(store: StoreDirectory, portions: int) -> None:
    with Ledger.open(store.ledger) as ledger:
        live(ledger, 3, lines=300)
        forget(ledger, portions=portions)
        kept = begin(ledger, "under way", at_us=NOW + 1)
        begin(ledger, "damaged", at_us=NOW + 1)
    with closing(sqlite3.connect(store.ledger)) as other, other:
        other.execute("UPDATE events SET body = x'00' WHERE kind = 'batch_submitted' AND job = 5")
    said = list(repair(store))
    assert "damaged" in said[0], said
    with Ledger.open(store.ledger) as ledger:
        assert ledger.job(kept) is not None
        forget(ledger)
        assert len(list(ledger.jobs(("FORGOTTEN",)))) == 3
        assert {stored.job for stored in ledger.events(None) if stored.event.kind != "job_forgotten"} == {kept}
        ledger.verify()
