"""The loop between a job's batches: whose model is asked, what a reply becomes, what people want of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from talk_stand import AGENT, UNBOUNDED, TalkStand, ended, lease_of, printed, talk_stand

from statek.agents.requests import LostReply, ModelFailure
from statek.core.agents import Harness
from statek.core.events import (
    BatchSubmitted,
    HarnessReached,
    JobCancelled,
    JobEnded,
    JobRevived,
    MessagePushed,
    ReplyLost,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    TurnUsage,
    UsageMetered,
)
from statek.core.jobs import Usage
from statek.errors import SubmissionRefused
from statek.loop import waiting
from statek.loop.queueing import NewItem
from statek.store.job_search import JobSearch
from statek.store.ledger import Ledger
from statek.store.totals import UsageTotal
from statek_protocol.messages.base import EXIT_STATUS_LIMIT
from statek_protocol.messages.client import CancelJob, Follow, NewBatch, Refused, RetryJob, Steered, Submit
from statek_protocol.messages.executor import Metered, Release
from statek_protocol.messages.interpreter import Run


def totals(path: Path) -> list[UsageTotal]:
    with JobSearch.read(path) as search:
        return search.usage()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[TalkStand]:
    with talk_stand(tmp_path / "ledger") as made:
        yield made


# turns


def test_a_conversation_goes_from_the_warm_up_to_an_exit(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start("print('warm')", message="What is 6 times 7?")
    lease, run = lease_of(executor)
    assert here.base.job(job).status == "WARMING_UP"
    executor.send(lease, printed(run, "warm\n"))
    executor.send(lease, ended(run))
    here.base.turn()
    assert here.question.request.model == "small"
    assert "You help." in here.question.texts[0]
    assert "What is 6 times 7?" in here.question.texts[1]
    assert "warm" in here.question.texts[1]
    executor.offer()
    here.write("print(6 * 7)")
    lease, run = lease_of(executor)
    assert run.source == b"print(6 * 7)\n"
    executor.send(lease, printed(run, "42\n"))
    executor.send(lease, ended(run))
    here.base.turn()
    assert here.question.texts[-2:] == ["```python\nprint(6 * 7)\n```", "<output>\n42\n</output>"]
    executor.offer()
    here.write("exit('42')")
    lease, run = lease_of(executor)
    executor.send(lease, ended(run, "42"))
    here.base.turn()
    done = here.base.job(job)
    assert (done.status, done.outcome, done.exit_status) == ("DONE", "ok", "42")
    assert done.conversation is not None
    assert (done.conversation.input_tokens, done.conversation.output_tokens) == (200, 40)


def test_nothing_is_asked_before_it_is_durable(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        asked = len(here.asked)
        here.base.ledger.close()
        with pytest.raises(Exception, match=r"closed|Closed"):
            here.start()
        assert len(here.asked) == asked


def test_a_reply_is_on_record_with_its_usage_and_price(here: TalkStand) -> None:
    job = here.start()
    here.question.reply("done", model="gpt-4o-mini-2024-07-18", input_tokens=100_000, cached_tokens=0)
    here.base.turn()
    [answer] = here.of(job, TurnAnswered)
    assert (answer.outcome, answer.model) == ("plain", "gpt-4o-mini-2024-07-18")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.seconds) == (100_000, 20, 0.5)
    assert answer.usage.cost_micros == 15_012
    assert here.base.job(job).exit_status == "done"


def test_what_the_provider_says_that_it_costs_counts_where_the_table_has_no_price(here: TalkStand) -> None:
    job = here.start()
    here.reply("done")
    assert here.of(job, TurnAnswered)[0].usage.cost_micros == 3_000


LOST = LostReply("gpt-4o-mini-2024-07-18", 100_000, 0, 20, None)


def test_attempts_that_came_to_nothing_count_for_the_job_beside_the_reply(here: TalkStand) -> None:
    job = here.start()
    here.reply("done", model="gpt-4o-mini-2024-07-18", input_tokens=1_000, lost=(LOST, LOST))
    [*lost, answer] = [event for event in here.base.events(job) if isinstance(event, ReplyLost | TurnAnswered)]
    assert [event.usage for event in lost] == [TurnUsage(100_000, 0, 20, 15_012)] * 2
    assert answer.usage.input_tokens == 1_000
    talk = here.base.job(job).conversation
    assert talk is not None
    assert (talk.input_tokens, talk.output_tokens) == (201_000, 60)
    assert talk.cost_micros == 2 * 15_012 + (answer.usage.cost_micros or 0)
    [total] = [total.used for total in totals(here.base.ledger.path) if total.model]
    assert (total.turns, total.input_tokens, total.cost_micros) == (1, 201_000, talk.cost_micros)


def test_attempts_that_came_to_nothing_are_held_against_the_bounds(here: TalkStand) -> None:
    bounded = replace(AGENT, harness=Harness(max_tokens=150_000))
    job = here.start(definition=bounded)
    here.reply("```python\n1\n```", lost=(LOST, LOST))
    assert here.base.job(job).outcome == "limit"
    other = here.start(definition=bounded)
    here.question.fail(lost=(LOST,))
    here.base.turn()
    found = here.base.job(other)
    assert found.conversation is not None
    assert (found.outcome, found.conversation.input_tokens) == ("failed", 100_000)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"finish_reason": "length"}, "cut off"),
        ({"refusal": "I will not."}, "You declined"),
    ],
)
def test_a_reply_of_no_use_is_told_to_the_model(here: TalkStand, fields: dict[str, str], told: str) -> None:
    job = here.start()
    here.reply("hm", **fields)
    assert len(here.asked) == 2
    assert told in here.question.texts[-1]
    assert here.base.job(job).status == "STARTED"


def test_an_agent_that_wants_code_asks_for_it(here: TalkStand) -> None:
    here.start(definition=replace(AGENT, plain_reply="asks"))
    here.reply("Let me think.")
    assert here.question.texts[-2] == "Let me think."
    assert "no code" in here.question.texts[-1]


@pytest.mark.parametrize("kind", ["rate_limited", "timeout", "unreachable", "refused", "malformed", "internal"])
def test_a_job_whose_provider_gave_up_has_failed_and_says_why(here: TalkStand, kind: str) -> None:
    job = here.start()
    here.fail(kind)
    done = here.base.job(job)
    assert (done.status, done.outcome) == ("DONE", "failed")
    assert [(event.turn, event.cause) for event in here.of(job, TurnFailed)] == [(1, kind)]
    assert done.error is not None
    assert "it took too long" in done.error.message


def test_a_job_for_which_no_model_is_named_fails_with_the_way_out(here: TalkStand) -> None:
    here.base.loop.conversing.models.prompting._model = ""  # type: ignore[union-attr]
    job = here.start(definition=replace(AGENT, model=""))
    error = here.base.job(job).error
    assert error is not None
    assert "STATEK_MODEL" in error.message


def test_a_prompt_that_cannot_fit_fails_its_job_alone(here: TalkStand) -> None:
    large = here.start(definition=replace(AGENT, instructions="x" * 100_000, context_tokens=2_000))
    other = here.start()
    error = here.base.job(large).error
    assert error is not None
    assert "context_tokens" in error.message
    assert here.base.job(other).status == "STARTED"
    assert len(here.asked) == 1


def test_a_late_reply_of_another_attempt_changes_nothing(here: TalkStand) -> None:
    job = here.start()
    first = here.question
    here.cancel(job)
    here.retry(job)
    assert first.cancelled
    events = here.base.kinds(job)
    first.write("print('late')")
    here.base.turn()
    assert here.base.kinds(job) == events


# places


def test_so_many_jobs_are_active_as_may_be_whether_at_executors_or_models(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger", max_concurrency=3) as here:
        executor = here.base.executor(workers=3)
        jobs = [here.start() for _ in range(5)]
        assert len(here.asked) == 3
        here.base.submitted(b"source")
        assert not executor.all(Run)
        here.asked[0].reply("bye")
        here.asked[1].reply("bye")
        here.base.turn()
        assert (len(here.asked), len(executor.all(Run))) == (4, 1)
        assert {here.base.job(job).status for job in jobs[:2]} == {"DONE"}


def test_a_provider_that_hangs_keeps_nobody_elses_jobs(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger", most={"slow": 2, "fast": 10}, max_concurrency=10) as here:
        for _ in range(8):
            here.start(definition=replace(AGENT, provider="slow"))
        for _ in range(4):
            here.start(definition=replace(AGENT, name="other", provider="fast"))
        assert [question.provider for question in here.asked] == ["slow"] * 2 + ["fast"] * 4


def test_a_job_with_a_reply_goes_on_before_others_begin(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        executor = here.base.executor(workers=1)
        busy = here.start("1")
        first = here.start()
        waiting = [here.start("2") for _ in range(3)]
        here.write("print('reply')")
        lease, run = lease_of(executor)
        executor.send(lease, ended(run))
        executor.offer()
        here.base.turn()
        assert here.base.job(busy).status == "STARTED"
        assert executor.all(Run)[-1].source == b"print('reply')\n"
        assert here.base.job(first).leased
        assert {here.base.job(job).status for job in waiting} == {"READY"}


def test_jobs_whose_replies_wait_for_executors_keep_half_of_the_places_at_most(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger", max_concurrency=4) as here:
        for _ in range(12):
            here.start()
        for _ in range(3):
            for question in here.asked:
                question.write("1")
            here.base.turn()
        assert here.base.loop.conversing.replied >= 4
        assert here.base.loop.conversing.asking == 2


# messages


def test_a_message_is_told_in_the_next_turn(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start()
    assert here.push(job, "and hurry")
    here.write("1")
    lease, run = lease_of(executor)
    executor.send(lease, ended(run))
    here.base.turn()
    assert "and hurry" in here.question.texts[-1]


def test_a_message_that_came_after_the_question_is_no_part_of_it(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger", max_concurrency=1) as here:
        here.start()
        second = here.start(message="first")
        assert here.push(second, "too late")
        here.asked[0].reply("bye")
        here.base.turn()
        assert "first" in here.question.texts[-1]
        assert "too late" not in "".join(here.question.texts)
        here.reply("bye")
        assert "too late" in here.question.texts[-1]


def test_a_message_revives_a_job_with_its_history(here: TalkStand) -> None:
    job = here.start(message="hello")
    here.reply("Hello yourself.")
    assert here.base.job(job).status == "DONE"
    assert here.push(job, "and now?")
    assert len(here.of(job, JobRevived)) == 1
    texts = here.question.texts
    assert (texts[-2], "and now?" in texts[-1], "hello" in texts[1]) == ("Hello yourself.", True, True)


def test_a_message_revives_a_job_that_was_ended_before_its_warm_up_with_that(here: TalkStand) -> None:
    job = here.start("rates = 1", "print('warm')", message="hello")
    assert here.cancel(job) == "cancelled"
    assert here.push(job, "and now?")
    assert (here.base.job(job).status, here.asked) == ("READY", [])
    executor = here.base.executor()
    lease, run = lease_of(executor)
    executor.send(lease, ended(run))
    here.base.turn()
    run = executor.all(Run)[-1]
    executor.send(lease, printed(run, "warm\n"))
    executor.send(lease, ended(run))
    here.base.turn()
    said = here.question.texts[1]
    assert (said.count("print('warm')"), said.count("rates = 1"), "It printed nothing" in said) == (1, 1, True)
    assert "warm\n" in said
    assert ("hello" in said, "and now?" in here.question.texts[-1]) == (True, True)
    assert here.push(job, "and then?"), "once is enough"
    assert [event.batch for event in here.of(job, BatchSubmitted)] == [1, 2, 3, 4]


def test_a_message_to_nobody_is_not_taken(here: TalkStand) -> None:
    assert not here.push("job-x", "hello")
    plain = here.base.submitted(b"source").job
    assert not here.push(plain, "hello")


# cancelling and trying again


def test_a_cancelled_job_has_its_question_given_up(here: TalkStand) -> None:
    job = here.start()
    assert here.cancel(job) == "cancelled"
    assert here.question.cancelled
    done = here.base.job(job)
    assert (done.status, done.outcome) == ("DONE", "cancelled")
    assert here.cancel(job) == "nothing"
    assert len(here.of(job, JobCancelled)) == 1
    assert here.base.loop.conversing.asking == 0


def test_a_job_that_runs_is_cancelled_and_its_interpreter_ended(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start()
    here.write("while True: pass")
    lease, _ = lease_of(executor)
    assert here.cancel(job) == "cancelled"
    assert [stamp.lease for stamp, message in executor.heard if stamp and isinstance(message, Release)] == [lease.lease]
    assert here.base.job(job).outcome == "cancelled"


def test_what_a_batch_used_counts_for_its_job_after_that_was_cancelled(here: TalkStand) -> None:
    executor, other = here.base.executor(), here.base.executor("b")
    job = here.start()
    here.write("while True: pass")
    lease, run = lease_of(executor)
    here.cancel(job)
    metered = Metered(run.batch, 1.5, 2.0, 1_000, 10, 3)
    other.send(lease, metered)
    executor.send(lease, Metered(run.batch + 1, 1.0, 1.0, 1, 1, 1))
    executor.send(lease, metered)
    executor.send(lease, metered)
    here.base.turn()
    assert here.of(job, UsageMetered) == [UsageMetered(run.batch, Usage(1.5, 2.0, 1_000, 10, 3))]
    assert here.base.job(job).usage == Usage(1.5, 2.0, 1_000, 10, 3)
    assert here.base.loop.refused == {"stale": 3}


def test_a_job_that_waits_for_an_executor_is_cancelled_and_never_runs(here: TalkStand) -> None:
    job = here.start("1")
    assert here.cancel(job) == "cancelled"
    executor = here.base.executor()
    assert not executor.all(Run)


def test_a_request_that_is_made_again_does_nothing_twice(here: TalkStand) -> None:
    job = here.start()
    assert [here.cancel(job, "a"), here.cancel(job, "a")] == ["cancelled", "cancelled"]
    assert [here.retry(job, "b"), here.retry(job, "b")] == ["retried", "retried"]
    assert [event.turn for event in here.of(job, TurnRequested)] == [1, 2]


def test_clients_cancel_and_retry(here: TalkStand) -> None:
    job = here.start()
    here.base.ask(CancelJob("1", job, "not needed"))
    here.base.turn()
    here.base.ask(RetryJob("2", job))
    here.base.turn()
    here.base.ask(RetryJob("3", job))
    here.base.turn()
    here.base.ask(CancelJob("4", "job-x", ""))
    here.base.turn()
    assert here.base.told(Steered) == [
        Steered("1", job, "cancelled", "DONE"),
        Steered("2", job, "retried", "STARTED"),
        Steered("3", job, "nothing", "STARTED"),
    ]
    assert [(refused.request, refused.code) for refused in here.base.told(Refused)] == [("4", "unknown_job")]


def test_a_job_that_is_not_there_is_refused(here: TalkStand) -> None:
    with pytest.raises(SubmissionRefused, match="no job"):
        here.cancel("job-x")
    with pytest.raises(SubmissionRefused, match="no job"):
        here.retry("job-x")


def test_a_plain_job_is_cancelled_and_tried_again(here: TalkStand) -> None:
    job = here.base.submitted(b"first", b"second").job
    assert here.cancel(job) == "cancelled"
    assert here.retry(job) == "retried"
    assert here.base.job(job).status == "READY"
    executor = here.base.executor()
    assert executor.all(Run)[-1].source == b"first"
    assert [event.batch for event in here.of(job, BatchSubmitted)] == [1, 2, 3, 4]


def test_a_client_brings_no_code_into_the_job_of_an_agent(here: TalkStand) -> None:
    job = here.start()
    here.base.ask(Submit("key", job, None, {}, {}, (NewBatch("x", b"1"),)))
    here.base.turn()
    [refused] = here.base.told(Refused)
    assert refused.code == "agent_job"
    assert "job push" in refused.reason


@pytest.mark.parametrize("by", ["exit", "reply"])
def test_a_job_may_end_with_as_much_as_an_exit_can_say(tmp_path: Path, by: str) -> None:
    said = "\U0001f600" * EXIT_STATUS_LIMIT
    with talk_stand(tmp_path / "ledger") as here:
        executor = here.base.executor()
        parent = here.start()
        job = here.start(*(["exit(x)"] if by == "exit" else []), parent=parent)
        if by == "exit":
            lease, run = lease_of(executor)
            executor.send(lease, ended(run, said))
            here.base.turn()
        else:
            here.reply(f"{said} and more")
    with Ledger.open(tmp_path / "ledger") as ledger:
        done = ledger.job(job)
        assert done is not None
        assert (done.outcome, done.exit_status) == ("ok", said)
        completion = ledger.completion(f"job/{job}")
        assert completion is not None
        assert said.encode() in (completion.value or b"")


# subtasks


@pytest.mark.parametrize(
    ("end", "value", "error"),
    [
        ("reply", "the result", None),
        ("cancel", None, "JobCancelled"),
        ("fail", None, "SubTaskFailed"),
    ],
)
def test_the_end_of_a_subtask_completes_its_key(
    here: TalkStand, end: str, value: str | None, error: str | None
) -> None:
    parent = here.start()
    child = here.start(parent=parent)
    if end == "reply":
        here.reply("the result")
    elif end == "cancel":
        here.cancel(child)
    else:
        here.fail()
    completion = here.base.ledger.completion(f"job/{child}")
    assert completion is not None
    assert (completion.error.type if completion.error else None) == error
    assert (completion.value is None) == (value is None)
    assert value is None or value.encode() in (completion.value or b"")


def test_a_reason_that_no_wire_can_carry_is_told_with_escapes(here: TalkStand) -> None:
    job = here.start()
    here.base.ask(Follow("f1", job, 0))
    here.base.loop.do(lambda tick: here.base.loop.steering.cancel(tick, job, "half of \ud83d"))
    here.base.turn()
    error = here.base.job(job).error
    assert error is not None
    assert error.message == "half of \\ud83d"


def test_a_job_is_cancelled_with_its_subtasks_and_theirs(here: TalkStand) -> None:
    parent = here.start()
    done = here.start(parent=parent)
    here.reply("done")
    child = here.start(parent=parent)
    grandchild = here.start("1", parent=child)
    other = here.start()
    here.cancel(parent)
    assert {here.base.job(job).outcome for job in (parent, child, grandchild)} == {"cancelled"}
    assert (here.base.job(done).outcome, here.base.job(other).status) == ("ok", "STARTED")
    error = here.base.job(grandchild).error
    assert error is not None
    assert error.message == f"the job {child}, whose subtask it is, was cancelled"


def test_subtasks_without_futures_leave_room_for_what_is_completed_early(
    here: TalkStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "EARLY_KEPT", 3)
    parent = here.start()
    children = [here.start(parent=parent) for _ in range(5)]
    for child in children:
        here.cancel(child)
    told: list[str] = []
    here.base.loop.do(lambda tick: told.append(here.base.loop.waiting.complete(tick, "early", waiting.CANCELLED)[0]))
    here.base.turn()
    assert told == ["kept"]
    assert all(here.base.ledger.completion(f"job/{child}") for child in children)


def test_only_the_first_end_of_a_subtask_counts(here: TalkStand) -> None:
    child = here.start(parent=here.start())
    here.reply("first")
    here.push(child, "again")
    here.reply("second")
    completion = here.base.ledger.completion(f"job/{child}")
    assert completion is not None
    assert completion.value is not None
    assert b"first" in completion.value


def test_the_model_of_a_parent_is_told_of_a_subtask_for_which_its_code_has_no_future(here: TalkStand) -> None:
    parent = here.start()
    here.reply("I have begun it.")
    assert here.base.job(parent).status == "DONE"
    child = here.start(parent=parent)
    here.reply("the result")
    assert here.base.job(parent).status == "STARTED"
    assert any(f"The subtask {child} has ended: ok: the result" in text for text in here.question.texts)
    here.reply("Fine.")
    assert here.base.job(parent).exit_status == "Fine."


def test_nobody_is_told_of_subtasks_where_a_job_was_cancelled(here: TalkStand) -> None:
    parent = here.start()
    here.start(parent=parent)
    here.cancel(parent)
    assert (here.base.job(parent).status, here.base.job(parent).outcome) == ("DONE", "cancelled")
    assert not here.of(parent, MessagePushed)


# restarts


def test_a_reply_that_was_awaited_is_asked_for_again_by_the_next_scheduler(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        job = here.start(message="hello")
    with talk_stand(tmp_path / "ledger") as here:
        assert [(event.turn, event.attempt) for event in here.of(job, TurnRequested)] == [(1, 0), (1, 1)]
        assert "hello" in here.question.texts[-1]
        here.reply("bye")
        assert here.base.job(job).outcome == "ok"


def test_a_scheduler_that_asks_no_models_leaves_turns_to_another(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        job = here.start()
    with talk_stand(tmp_path / "ledger") as here:
        here.base.loop.conversing.models = None
        assert here.base.job(job).status == "STARTED"
        asked = len(here.asked)
        here.start()
        assert len(here.asked) == asked


def test_a_reply_that_is_there_when_the_scheduler_stops_is_kept(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        job = here.start()
        here.question.write("print(1)")
        here.base.loop.stopped()
    with Ledger.open(tmp_path / "ledger") as ledger:
        kept = ledger.job(job)
        assert kept is not None
        assert (kept.status, len(kept.pending)) == ("READY", 1)


def test_a_scheduler_that_ends_takes_replies_and_asks_nothing_more(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        job = here.start()
        here.base.loop.conversing.settle()
        here.reply("", finish_reason="length")
        assert [event.outcome for event in here.of(job, TurnAnswered)] == ["malformed"]
        assert len(here.asked) == 1


def test_a_question_that_was_given_up_at_the_end_leaves_its_job_as_it_is(tmp_path: Path) -> None:
    with talk_stand(tmp_path / "ledger") as here:
        job = here.start()
        here.question.on_done(ModelFailure("cancelled", "the question was cancelled", False, 0))
        here.base.loop.stopped()
        assert here.base.job(job).status == "STARTED"


# bounds


def test_a_bound_of_the_harness_ends_the_job_and_says_so(here: TalkStand) -> None:
    job = here.start(definition=replace(UNBOUNDED, harness=replace(UNBOUNDED.harness, max_turns=1)))
    here.reply("", finish_reason="length")
    assert here.base.job(job).outcome == "limit"
    assert [event.limit.name for event in here.of(job, HarnessReached)] == ["max_turns"]
    assert [event.outcome for event in here.of(job, JobEnded)] == ["limit"]


def test_a_message_to_a_job_at_its_bound_is_not_lost_in_it(here: TalkStand) -> None:
    job = here.start(definition=replace(UNBOUNDED, harness=replace(UNBOUNDED.harness, max_turns=1)))
    here.reply("Done.")
    assert here.base.job(job).outcome == "ok"
    assert not here.push(job, "And now?")
    assert not here.of(job, MessagePushed)
    assert here.base.job(job).outcome == "ok"
    item = NewItem("main", job, None, b"And now?", "key", "user")
    numbers: list[int] = []
    here.base.loop.delivering.begin(None, ())
    here.base.loop.do(lambda tick: numbers.append(here.base.loop.queueing.push(tick, item)))
    here.base.turn()
    here.base.turn()
    (letter,) = here.base.ledger.dead_letters("main")
    assert "max_turns" in (letter.dead_reason or "")
    assert "statek job retry" in (letter.dead_reason or "")


def test_whoever_retries_a_job_at_its_bound_grants_it_once_more(here: TalkStand) -> None:
    job = here.start(definition=replace(UNBOUNDED, harness=replace(UNBOUNDED.harness, max_turns=2)))
    here.reply("", finish_reason="length")
    here.reply("", finish_reason="length")
    assert here.base.job(job).outcome == "limit"
    assert here.retry(job) == "retried"
    here.reply("Done.")
    after = here.base.job(job)
    assert (after.outcome, after.exit_status) == ("ok", "Done.")
    assert here.push(job, "And now?"), "there is one more turn"
    here.reply("Bye.")
    assert not here.push(job, "And then?")


def test_a_job_that_no_grant_lets_go_on_stays_as_it_is(here: TalkStand) -> None:
    job = here.start(definition=replace(UNBOUNDED, harness=replace(UNBOUNDED.harness, max_turns=0)))
    assert here.base.job(job).outcome == "limit"
    assert here.retry(job) == "nothing"
    assert here.base.job(job).outcome == "limit"
