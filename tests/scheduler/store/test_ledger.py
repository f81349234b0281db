"""The ledger: what is appended is there, in order, for the writer and for readers beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from store_histories import POLICY, SOURCE, fill, ticks

from statek.core import events
from statek.core.evolve import evolve
from statek.core.jobs import Job, digest
from statek.errors import BugInScheduler
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreUnreadable
from statek.store.history import History
from statek.store.ledger import Ledger, Record, Submission


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    assert ledger.last_cursor == 0
    assert ledger.counts() == {}
    assert list(ledger.jobs()) == []
    assert ledger.events(None) == []
    assert ledger.job("nobody") is None
    assert ledger.submission("none") is None
    assert ledger.answer("nobody", 1, 0) is None


def test_what_is_not_there_is_a_key_error(ledger: Ledger) -> None:
    with pytest.raises(KeyError):
        ledger.blob(digest(b"nothing"))
    with pytest.raises(KeyError):
        ledger.source("nobody", 1)


def test_events_get_consecutive_cursors_and_come_back_in_order(ledger: Ledger) -> None:
    cursors: list[int] = []
    records: list[Record] = []
    for tick in ticks("job-0"):
        cursors += ledger.append(tick.records, tick.jobs, tick.blobs)
        records += tick.records
    stored = ledger.events(None)
    assert cursors == list(range(1, len(records) + 1)) == [event.cursor for event in stored]
    assert records == [Record(event.job, event.at_us, event.event) for event in stored]


def test_a_jobs_row_is_the_fold_of_its_events(ledger: Ledger) -> None:
    fill(ledger, 3)
    state: Job | None = None
    for stored in ledger.events("job-1"):
        state = evolve(state, stored.event)
    assert ledger.job("job-1") == state


def test_events_can_be_read_by_job_kind_page_and_batch(ledger: Ledger) -> None:
    last = fill(ledger, 3)
    everything = ledger.events(None, limit=last)
    of_one = [event for event in everything if event.job == "job-1"]
    assert ledger.events("job-1") == of_one
    assert ledger.events("job-1", after=of_one[4].cursor, limit=2) == of_one[5:7]
    prints = [event for event in of_one if event.event.kind == "console_printed"]
    assert ledger.events("job-1", kinds={"console_printed"}) == prints
    assert len(ledger.events(None, kinds={"console_printed"})) == 3 * len(prints)
    answers = ledger.batch_events("job-1", 1, {"call_answered", "clock_observed"})
    assert [event.event.kind for event in answers] == ["clock_observed", "call_answered", "call_answered"]
    assert [event.event.kind for event in ledger.batch_events("job-1", 2)] == ["batch_submitted", "batch_skipped"]
    assert ledger.events("job-1", kinds=()) == []


def test_a_call_has_the_answer_that_was_recorded(ledger: Ledger) -> None:
    fill(ledger, 2)
    first, second = ledger.answer("job-1", 1, 0), ledger.answer("job-1", 1, 1)
    assert first == events.CallAnswered(1, 0, b"value", None)
    assert second is not None
    assert second.error is not None
    assert second.error.message == "no \0 luck in job-1"
    assert ledger.answer("job-1", 1, 2) is None
    assert ledger.answer("job-1", 2, 0) is None


def test_a_batch_has_its_name_and_source(ledger: Ledger) -> None:
    fill(ledger, 1)
    assert ledger.source("job-0", 2) == ("second", SOURCE)
    assert ledger.blob(digest(POLICY)) == POLICY
    with pytest.raises(KeyError):
        ledger.source("job-0", 3)


def test_jobs_are_counted_and_walked_over_by_status(ledger: Ledger) -> None:
    fill(ledger, 3)
    waiting = [Job(f"waiting-{number:04}", digest(POLICY), "SUSPENDED") for number in range(1_200)]
    ledger.append([], waiting, {})
    assert ledger.counts() == {"DONE": 3, "SUSPENDED": 1_200}
    assert list(ledger.jobs({"SUSPENDED"})) == waiting
    assert [job.job for job in ledger.jobs(["DONE", "READY"])] == ["job-0", "job-1", "job-2"]
    assert len(list(ledger.jobs())) == 1_203


def test_a_walk_over_jobs_goes_on_while_jobs_change(ledger: Ledger) -> None:
    ledger.append([], [Job(f"job-{number}", digest(POLICY)) for number in range(600)], {})
    seen = 0
    for job in ledger.jobs({"READY"}):
        ledger.append([], [replace(job, status="STARTED")], {})
        seen += 1
    assert seen == 600
    assert ledger.counts() == {"STARTED": 600}


def test_a_submission_is_found_under_its_key_and_cannot_be_made_twice(ledger: Ledger) -> None:
    fill(ledger, 1)
    submission = Submission("key \0 1", "job-0", 1, 17)
    ledger.append([], [], {}, [submission])
    assert ledger.submission("key \0 1") == submission
    assert ledger.submission("key ") is None
    before = ledger.last_cursor
    printed = Record("job-0", 1, events.ConsolePrinted(1, "output", b"twice\n"))
    with pytest.raises(BugInScheduler):
        ledger.append([printed], [], {}, [submission])
    assert ledger.last_cursor == before == len(ledger.events(None))


def test_an_event_of_an_unknown_job_is_refused_and_leaves_nothing_behind(ledger: Ledger) -> None:
    known = Job("known", digest(POLICY))
    with pytest.raises(BugInScheduler):
        ledger.append([Record("unknown", 1, events.BatchSkipped(1))], [known], {digest(b"x"): b"x"})
    assert ledger.job("known") is None
    assert ledger.append([Record("known", 1, events.BatchSkipped(1))], [known], {}) == range(1, 2)


def test_records_that_cannot_be_made_leave_nothing_behind(ledger: Ledger) -> None:
    def jobs() -> Iterator[Job]:
        yield Job("known", digest(POLICY))
        raise RuntimeError("the caller's own trouble")

    with pytest.raises(RuntimeError, match="own trouble"):
        ledger.append([], jobs(), {})
    assert ledger.job("known") is None
    ledger.append([], [Job("known", digest(POLICY))], {})


def test_a_blob_that_is_there_stays_as_it_is(ledger: Ledger) -> None:
    big = bytes(range(256)) * 4_096
    for _ in range(2):
        ledger.append([], [], {digest(big): big, digest(b""): b""})
    assert ledger.blob(digest(big)) == big
    assert ledger.blob(digest(b"")) == b""


def test_a_ledger_opens_again_where_it_ended(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        last = fill(ledger, 2)
    with Ledger.open(store.ledger) as ledger:
        assert ledger.last_cursor == last
        assert ledger.append([Record("job-0", 1, events.BatchSkipped(2))], [], {}) == range(last + 1, last + 2)
        ledger.verify()


def test_a_reader_sees_what_is_durable_and_can_change_nothing(store: StoreDirectory, ledger: Ledger) -> None:
    with History.read(store.ledger) as reader:
        assert reader.last_cursor == 0
        last = fill(ledger, 1)
        assert reader.last_cursor == last
        assert reader.events(None) == ledger.events(None)
        reader.verify()


def test_a_ledger_can_be_read_without_its_writer(store: StoreDirectory) -> None:
    with Ledger.open(store.ledger) as ledger:
        last = fill(ledger, 1)
    with History.read(store.ledger) as reader:
        assert reader.last_cursor == last


def test_reading_a_ledger_that_is_not_there_makes_none(store: StoreDirectory) -> None:
    with pytest.raises(StoreUnreadable):
        History.read(store.ledger)
    assert not store.ledger.exists()
