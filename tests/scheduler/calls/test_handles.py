"""Numbers of a job's objects: given once, kept for ever, and never more in memory than may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from statek.calls import handles
from statek.calls.handles import ForgedHandle, HandleTable, HandleTables
from statek.core.events import HandleBound, JobCreated
from statek.core.evolve import evolve
from statek.store.ledger import Ledger, Record


class Thing:
    pass


def test_numbers_go_on_from_what_is_on_record() -> None:
    recorded = [HandleBound(3, "dbzero", "uuid", "Thing", "app.Thing")]
    table = HandleTable(recorded)
    assert table.bind("dbzero", "uuid", Thing).number == 3
    assert table.take_new() == ()
    assert table.bind("dbzero", "other", Thing).number == 4
    assert [binding.number for binding in table.take_new()] == [4]


def test_what_is_undone_was_never_there() -> None:
    table, thing = HandleTable(), Thing()
    table.bind_in_memory(thing)
    table.undo()
    with pytest.raises(ForgedHandle):
        table.binding(0)
    assert table.held_count == 0
    assert table.take_new() == ()


def test_an_object_in_memory_has_one_number_and_another_one_has_another() -> None:
    table, thing = HandleTable(), Thing()
    first, second = table.bind_in_memory(thing), table.bind_in_memory(Thing())
    assert table.bind_in_memory(thing) is first
    assert first.number != second.number
    assert table.held(first.number) is thing


def test_a_binding_from_before_a_crash_gets_a_number_that_is_free() -> None:
    table = HandleTable()
    table.bind("dbzero", "mine", Thing)
    lost = HandleBound(0, "dbzero", "theirs", "Thing", "app.Thing")
    assert table.rebind(lost).number == 1
    assert table.rebind(lost).number == 1


def test_the_jobs_that_were_idle_longest_lose_what_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "HELD_OBJECTS", 3)
    monkeypatch.setattr(handles, "_ROOM_EVERY", 1)
    tables = HandleTables(lambda _: [])
    for job in ("first", "second", "third"):
        table = tables.of(job)
        for _ in range(2):
            table.bind_in_memory(Thing())
    tables.of("second")
    assert [tables.of(job).held_count for job in ("first", "third", "second")] == [0, 0, 2]


def test_a_table_is_made_anew_from_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "TABLES", 1)
    monkeypatch.setattr(handles, "_ROOM_EVERY", 1)
    recorded: dict[str, list[HandleBound]] = {"first": [], "second": []}
    tables = HandleTables(lambda job: recorded[job])
    table = tables.of("first")
    table.bind("dbzero", "uuid", Thing)
    recorded["first"] += table.take_new()
    tables.of("second")
    again = tables.of("first")
    assert again is not table
    assert again.binding(0) == recorded["first"][0]


def test_the_ledger_has_them_in_order_and_those_of_this_job_alone(tmp_path: Path) -> None:
    bound = [HandleBound(number, "dbzero", f"uuid-{number}", "Thing", "app.Thing") for number in range(3)]
    with Ledger.open(tmp_path / "ledger.sqlite3") as ledger:
        for name, events in (("mine", bound), ("theirs", bound[:1])):
            created = JobCreated(name, "default", "policy")
            job = evolve(None, created)
            records = [Record(name, 1, created)]
            for event in events:
                job = evolve(job, event)
                records.append(Record(name, 1, event))
            ledger.append(records, [job], {})
            assert job.handles == len(events)
        assert ledger.handles("mine") == bound
        assert ledger.handles("theirs") == bound[:1]
        assert ledger.handles("nobody") == []
