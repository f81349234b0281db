"""Looking at jobs in the ledger: every field that the seeds name, pages of logs, searches by index, and sums."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from store_histories import CALL, ENDS, REPLY, SOURCE, fill, talks

from statek.core import events
from statek.core.evolve import evolve
from statek.core.jobs import Job, Usage
from statek.errors import BugInScheduler
from statek.inspection.chat_log import BatchLogItem, LLM_LogItem, SteeringLogItem, SubTaskLogItem, WarmupLogItem
from statek.inspection.plain import plain
from statek.inspection.store_view import StoreView, UnknownJob, find_jobs, get_job
from statek.inspection.values import CHARACTERS, shown_arguments, shown_value
from statek.inspection.views import JobView
from statek.store import totals
from statek.store.database import open_writer
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreDamaged, StoreRefused
from statek.store.job_search import JobSearch, Wanted
from statek.store.ledger import Ledger, Record
from statek.store.totals import Used
from statek_protocol.messages.base import NAME_LIMIT
from statek_protocol.references import FutureRef, HandleRef, PlainReferences
from statek_protocol.values import encode_value


def tell(ledger: Ledger, job: str, end: str = "in words") -> None:
    for tick in talks(job, end):
        ledger.append(tick.records, tick.jobs, tick.blobs)


def view_of(store: StoreDirectory, job: str) -> JobView:
    return get_job(job, store=store.path)


# one job


def test_a_job_of_an_agent_is_seen_with_all_that_was_said_and_done(store: StoreDirectory, ledger: Ledger) -> None:
    tell(ledger, "child-2")
    view = view_of(store, "child-2")
    assert (view.name, view.uuid, view.agent, view.parent) == ("child-2", "child-2", "researcher", "job-0")
    assert (view.status, view.outcome, view.exit_status) == ("DONE", "ok", "all \0 done")
    assert (view.num_turns, view.num_completions, view.num_exceptions, view.batches) == (2, 0, 1, 4)
    assert view.py_env.console == ["ready", "out"]
    assert view.py_env.console_of(3) == ["out"]
    assert view.py_env.push_log == {0: ["find \0 out \udc80"], 1: ["hurry", "please"]}
    assert view.usage.cost.as_tuple() == (0, (1, 3, 2, 4), -6)
    assert (view.usage.input_tokens, view.usage.output_tokens, view.usage.unpriced) == (1_090, 59, 0)
    assert view.created == datetime(1970, 1, 1, tzinfo=UTC)
    assert view.changed_us > view.created_us


def test_the_chat_log_has_messages_warmup_replies_batches_and_subtasks_in_order(
    store: StoreDirectory, ledger: Ledger
) -> None:
    tell(ledger, "child-2")
    log = view_of(store, "child-2").chat_log
    assert [item.cursor for item in log] == sorted(item.cursor for item in log)
    assert [type(item).__name__ for item in log] == [
        *("UserLogItem", "WarmupLogItem", "WarmupLogItem", "LLM_LogItem", "UserLogItem", "UserLogItem"),
        *("BatchLogItem", "BatchLogItem", "SubTaskLogItem", "LLM_LogItem"),
    ]
    hidden, shown = (item for item in log if isinstance(item, WarmupLogItem))
    assert hidden.hidden
    assert (shown.hidden, shown.console, shown.outcome, shown.code) == (False, "ready\n", "ok", SOURCE.decode())
    first, second = (item for item in log if isinstance(item, LLM_LogItem))
    assert (first.text, first.outcome, first.model, first.attempts) == (REPLY.text, "code", "small-1", 2)
    assert (first.cost_micros, first.seconds) == (1_234, 0.5)
    assert second.outcome == "plain"
    failed, skipped = (item for item in log if type(item) is BatchLogItem)
    assert failed.error is not None
    assert (failed.outcome, failed.error.line, failed.console) == ("error", 1, "out\n")
    assert (skipped.outcome, skipped.attempts) == ("skipped", 0)
    (subtask,) = (item for item in log if isinstance(item, SubTaskLogItem))
    assert (subtask.job, subtask.outcome) == ("child-1", "ok")


@pytest.mark.parametrize("end", ENDS)
def test_pages_of_the_chat_log_put_together_are_the_log(store: StoreDirectory, ledger: Ledger, end: str) -> None:
    tell(ledger, "child-2", end)
    view = view_of(store, "child-2")
    for size in (1, 2, 5):
        items, after = [], 0
        while after is not None:
            page = view.chat(after, size)
            items += page.items
            after = page.after
        assert items == view.chat_log


def test_steering_from_outside_is_told_in_the_chat_log(store: StoreDirectory, ledger: Ledger) -> None:
    tell(ledger, "a", "at the harness, after a revival")
    tell(ledger, "b", "cancelled")
    tell(ledger, "c", "without a model")
    steering = {
        job: [(item.act, item.text) for item in view_of(store, job).chat_log if isinstance(item, SteeringLogItem)]
        for job in "abc"
    }
    assert steering["a"] == [("revived", "message"), ("harness", "max_turns: 3 allowed, 3 used")]
    assert steering["b"] == [("cancelled", "not needed any more")]
    assert steering["c"] == [("revived", "retry")]
    turns = {job: [item for item in view_of(store, job).chat_log if isinstance(item, LLM_LogItem)] for job in "abc"}
    assert turns["a"][-1].calls == (CALL.calls[0].arguments,)
    assert turns["b"][-1].outcome == "cancelled"
    assert [turn.outcome for turn in turns["c"]] == ["code", "failed", None]


def test_calls_of_code_are_in_the_tool_log_with_their_errors(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 1)
    first, second = view_of(store, "job-0").tool_log
    assert (first.tool, first.outcome, first.batch, first.number) == ("ask", "ok", 1, 0)
    assert first.error is None
    assert second.error is not None
    assert (second.outcome, second.error.type, second.value) == ("error", "ValueError", None)
    assert (second.answered_us or 0) > second.requested_us


def test_what_a_job_waits_for_is_told_with_its_terms(store: StoreDirectory, ledger: Ledger) -> None:
    suspend(ledger)
    view = view_of(store, "waiting")
    awaited = view.awaited_result
    assert awaited is not None
    assert (awaited.key, awaited.shape, awaited.since_us, awaited.deadline_us) == ("approval-1", "promise", 77, 99)
    assert (awaited.what, awaited.trouble, awaited.failures) == ("the approval", "db down", 3)
    assert (view.status, view.next_instr_num) == ("SUSPENDED", 5)


def suspend(ledger: Ledger) -> None:
    life = [
        events.JobCreated("waiting", "default", "p"),
        events.BatchSubmitted(1, "only", "s"),
        events.LeaseGranted("lease-1", 1, "executor-1", "host-1"),
        events.BatchStarted(1, 0, 0),
        events.FutureCreated(0, "promise", key="approval-1", deadline_us=99),
        events.FutureTroubled(0, "db down", 3),
        events.CallRequested(1, 0, "future.value", b"arguments"),
        events.JobSuspended(1, 0, 0, (), 5, 77, "the approval"),
    ]
    job: Job | None = None
    for event in life:
        job = evolve(job, event)
    assert job is not None
    ledger.append([Record("waiting", 1, event) for event in life], [job], {})


def test_a_job_that_nobody_knows_is_refused_with_the_nearest_names(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 2)
    with pytest.raises(UnknownJob, match=r"'job-O'.*did you mean job-1 or job-0"):
        get_job("job-O", store=store.path)
    with pytest.raises(UnknownJob, match=r"'another' in this store$"):
        get_job("another", store=store.path)


@pytest.mark.parametrize("end", ENDS)
def test_the_plain_form_of_a_job_can_be_sent_as_json(store: StoreDirectory, ledger: Ledger, end: str) -> None:
    tell(ledger, "child-2", end)
    told = json.loads(json.dumps(view_of(store, "child-2").to_plain(), ensure_ascii=False).encode())
    assert told["name"] == "child-2"
    assert told["py_env"]["console"][:2] == ["ready", "out"]
    assert told["chat_log"][0]["kind"] == "user"
    assert told["chat_log"][0]["text"] == "find \0 out \\udc80"
    assert told["created"] == "1970-01-01T00:00:00+00:00"
    assert told["usage"]["cost"].startswith("0.001")
    assert "chat_log" not in view_of(store, "child-2").to_plain(logs=False)


def test_pages_have_a_plain_form_too(store: StoreDirectory, ledger: Ledger) -> None:
    tell(ledger, "child-2")
    page = plain(view_of(store, "child-2").printed(limit=1))
    assert page["items"][0]["data"] == "ready\n"
    assert page["after"] == page["items"][0]["cursor"]


# many jobs


def test_jobs_are_found_by_what_they_are(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 3)
    tell(ledger, "child-2")
    tell(ledger, "child-3", "cancelled")
    suspend(ledger)

    def found(**wanted: str) -> list[str]:
        return [view.name for view in find_jobs(store=store.path, **wanted).jobs]  # type: ignore[arg-type]

    assert found() == ["job-0", "job-1", "job-2", "child-2", "child-3", "waiting"]
    assert found(status="SUSPENDED") == ["waiting"]
    assert found(agent="researcher") == ["child-2", "child-3"]
    assert found(agent="") == ["job-0", "job-1", "job-2", "waiting"]
    assert found(agent="researcher", outcome="cancelled") == ["child-3"]
    assert found(outcome="limit") == ["job-0", "job-1", "job-2"]
    assert found(parent="job-0") == ["child-2", "child-3"]
    assert view_of(store, "job-0").children == ["child-2", "child-3"]
    assert [view.name for view in find_jobs(status=["SUSPENDED", "DONE"], limit=2, store=store.path).jobs] == [
        *("job-0", "job-1")
    ]


def test_a_search_for_what_no_job_can_be_is_refused_with_what_there_is(store: StoreDirectory) -> None:
    with pytest.raises(ValueError, match="no job has the status 'DOEN'; there are: READY, WARMING_UP"):
        find_jobs(status="DOEN", store=store.path)
    with pytest.raises(ValueError, match="no job has the outcome 'fine'; there are: ok, error"):
        find_jobs(outcome="fine", store=store.path)
    with pytest.raises(ValueError, match="at least 1"):
        find_jobs(limit=0, store=store.path)


@pytest.mark.parametrize("newest", [False, True])
def test_pages_of_jobs_meet_every_job_once(store: StoreDirectory, ledger: Ledger, newest: bool) -> None:
    fill(ledger, 5)
    names, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = find_jobs(status="DONE", newest=newest, after=after, limit=2, store=store.path)
        names += [view.name for view in page.jobs]
        after, pages = page.after, pages + 1
    assert sorted(names) == names[:: -1 if newest else 1] == [f"job-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(statuses=("READY",)),
        Wanted(agent="researcher"),
        Wanted(statuses=("READY",), agent="researcher"),
        Wanted(outcome="error"),
        Wanted(parent="job-0"),
    ],
)
def test_a_search_goes_by_an_index_and_not_over_all_jobs(store: StoreDirectory, ledger: Ledger, wanted: Wanted) -> None:
    fill(ledger, 1)
    with JobSearch.read(store.ledger) as search:
        plans: list[str] = []
        rows = search._rows

        def explained(sql: str, parameters: object = ()) -> list[tuple[object, ...]]:
            plans.extend(row[3] for row in rows(f"EXPLAIN QUERY PLAN {sql}", parameters))  # type: ignore[arg-type]
            return []

        search._rows = explained  # type: ignore[method-assign, assignment]
        search.find(wanted, None, 10)
    assert any("SEARCH jobs USING" in plan and "INDEX jobs_by" in plan for plan in plans), plans
    assert not any(plan.startswith("SCAN jobs") for plan in plans), plans


def test_jobs_are_counted_by_agent_and_status(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 3)
    tell(ledger, "child-2")
    tell(ledger, "child-3", "without a model")
    counted = {(count.agent, count.status): count.jobs for count in StoreView(store.path).counts()}
    assert counted == {("", "DONE"): 3, ("researcher", "DONE"): 1, ("researcher", "STARTED"): 1}


def test_a_store_without_a_ledger_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=f"{tmp_path}/none has no jobs yet, or is no store"):
        find_jobs(store=tmp_path / "none")


# sums


def test_what_all_jobs_used_is_summed_up_by_day_agent_and_model(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 3)
    tell(ledger, "child-2", "at the harness, after a revival")
    sums = {(total.agent, total.model): total for total in StoreView(store.path).usage()}
    assert {total.day for total in sums.values()} == {date(1970, 1, 1)}
    assert sums["", ""].used == Used(
        jobs=3, batches=3, failures=3, cpu_seconds=0.75, wall_seconds=4.5, output_bytes=240, calls=6
    )
    told = [stored.event for stored in ledger.events("child-2", limit=1_000)]
    for model in {event.model for event in told if isinstance(event, events.TurnAnswered)}:
        spent = [event.usage for event in told if isinstance(event, events.TurnAnswered) and event.model == model]
        used = sums["researcher", model].used
        assert used.turns == len(spent)
        assert used.input_tokens == sum(usage.input_tokens for usage in spent)
        assert used.output_tokens == sum(usage.output_tokens for usage in spent)
        assert used.cost_micros == sum(usage.cost_micros or 0 for usage in spent)
        assert used.unpriced == sum(usage.cost_micros is None for usage in spent)
    batches = sums["researcher", ""].used
    assert (batches.jobs, batches.batches, batches.failures) == (1, 3, 1)
    assert StoreView(store.path).usage(since=date(1970, 1, 2)) == ()


def test_sums_made_anew_from_the_events_are_those_that_were_kept(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 2)
    tell(ledger, "child-2")
    kept = StoreView(store.path).usage()
    ledger.close()
    connection = open_writer(store.ledger)
    connection.execute("UPDATE usage_totals SET calls = 7")
    totals.make_anew(connection)
    connection.close()
    assert StoreView(store.path).usage() == kept


def test_a_provider_that_claims_absurd_numbers_does_not_stop_the_ledger(store: StoreDirectory, ledger: Ledger) -> None:
    job = evolve(None, events.JobCreated("greedy", "default", "p"))
    most = events.TurnUsage(2**53, 2**53, 2**53, 2**53)
    said = events.TurnAnswered(1, "r", "plain", most)
    for _ in range(3):
        ledger.append([Record("greedy", 1, said)] * 400, [replace(job, agent="a")], {})
    (total,) = StoreView(store.path).usage()
    assert total.used.turns == 1_200
    assert total.used.input_tokens == 2**63 - 1


@pytest.mark.parametrize("seconds", [float("inf"), float("-inf"), 1e308, -1e300, 1e22, 5e-324, -0.0])
def test_no_figure_that_an_executor_tells_stops_the_ledger(ledger: Ledger, seconds: float) -> None:
    metered = events.UsageMetered(1, Usage(cpu_seconds=seconds, wall_seconds=-seconds))
    for _ in range(2):
        ledger.append([Record("job", 1, metered)], [Job("job", "policy")], {})


def test_a_sum_that_was_changed_by_somebody_else_is_damage_and_not_told(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 1)
    ledger.close()
    connection = open_writer(store.ledger)
    connection.execute("UPDATE usage_totals SET calls = calls + 1")
    connection.close()
    with pytest.raises(StoreDamaged, match="the usage of day 0"):
        StoreView(store.path).usage()
    with Ledger.open(store.ledger) as anew, pytest.raises(StoreDamaged, match="a sum of what was used"):
        fill(anew, 1)


# values


def encoded(value: object) -> bytes:
    return encode_value(value, max_bytes=1_000_000, max_depth=100, crossing=PlainReferences())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("it's", '"it\'s"'),
        ([1, (2,), {3}, frozenset(), {"a": None}], "[1, (2,), {3}, set(), {'a': None}]"),
        (HandleRef(3, "Calendar"), "<Calendar 3>"),
        ((FutureRef(2),), "(<future 2>,)"),
    ],
)
def test_values_are_shown_as_python_writes_them(value: object, text: str) -> None:
    assert shown_value(encoded(value)) == text


def test_a_value_that_python_will_not_write_out_is_named() -> None:
    assert shown_value(encoded(range(1 << 20_000))) == "<range>"
    assert shown_value(encoded([1 << 20_000])) == "[<int of 20001 bits>]"


def test_large_and_deep_values_are_shown_in_part() -> None:
    assert len(shown_value(encoded(list(range(10_000))))) <= CHARACTERS + 50
    assert shown_value(encoded(list(range(10_000)))).endswith("99, …]")
    deep: object = 0
    for _ in range(50):
        deep = [deep]
    assert shown_value(encoded(deep)) == "[" * 13 + "…" + "]" * 13
    assert len(shown_value(encoded("x" * 100_000))) <= CHARACTERS + 50


def test_arguments_are_shown_as_they_stand_in_a_call() -> None:
    assert shown_arguments(encoded(((1, "b"), {"key": None}))) == "1, 'b', key=None"
    assert shown_arguments(b"\xc1").startswith("<no value: ")


# what cannot be put on record


def test_an_event_that_could_not_be_read_back_is_refused_and_the_ledger_stays_as_it_was(
    store: StoreDirectory, ledger: Ledger
) -> None:
    fill(ledger, 1)
    before = ledger.last_cursor
    too_long = events.LeaseGranted("l" * (NAME_LIMIT + 1), 1, "executor-1", "host-1")
    job = ledger.job("job-0")
    assert job is not None
    with pytest.raises(BugInScheduler, match=r"lease_granted cannot be put on record: LeaseGranted\.lease: 201 long"):
        ledger.append([Record("job-0", 1, too_long)], [job], {})
    assert ledger.last_cursor == before
    fill(ledger, 1)
    ledger.verify()
