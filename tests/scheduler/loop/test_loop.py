"""What the loop does around the machine's decisions: durable first, then said; and never more than decided."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loop_stand import POLICY, Stand, finished, stand

from statek.calls.offered import Offered
from statek.core.events import BatchEnded, CallAnswered, CallRequested, ConsolePrinted, LeaseEnded, PolicyViolated
from statek.store.errors import StoreUnwritable
from statek.store.ledger import Ledger
from statek_policies import Limits, Policy
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import Accepted, Alive, Events, Follow, Ping, Refused
from statek_protocol.messages.executor import UNACKNOWLEDGED_LIMIT, Credit, Grant, Lost, Metered, Release
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Finished,
    LimitBreach,
    Load,
    Observed,
    Reply,
    Run,
    Segment,
    Snapshot,
    TransientValue,
    Violated,
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path / "ledger") as made:
        yield made


def refuse_writes(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    def append(*_: object) -> range:
        raise StoreUnwritable(path, "no space left on device")

    monkeypatch.setattr(Ledger, "append", append)


# the order of things


def test_a_job_goes_from_submission_to_its_end(here: Stand) -> None:
    executor = here.executor()
    accepted = here.submitted(b"print(1)")
    assert [message.kind for stamp, message in executor.heard if stamp] == ["grant", "load", "run"]
    [run] = executor.all(Run)
    assert (run.batch, run.source, run.first_instruction, run.first_call) == (1, b"print(1)", 0, 0)
    executor.send(executor.lease, Console(1, b"1\n"))
    executor.send(executor.lease, Metered(1, 0.5, 1.0, 10, 2, 0))
    executor.send(executor.lease, finished(run))
    here.turn()
    job = here.job(accepted.job)
    assert (job.status, job.outcome, job.usage.cpu_seconds) == ("DONE", "ok", 0.5)
    assert executor.all(Release)


def test_nothing_is_said_of_a_submission_that_is_not_durable(
    here: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    executor = here.executor()
    before = len(executor.heard)
    here.submit(b"source")
    refuse_writes(monkeypatch, tmp_path)
    with pytest.raises(StoreUnwritable):
        here.turn()
    assert not here.answers.sent
    assert len(executor.heard) == before


@pytest.mark.parametrize(
    "message",
    [
        Call(1, 0, "search", b"arguments"),
        Call(1, 0, "forbidden", b"arguments"),
        Finished(1, "ok", None, None, None),
        Console(1, b"x"),
        Call(1, 7, "out of turn", b""),
    ],
    ids=["call", "denied call", "end", "output", "fault"],
)
def test_nothing_follows_from_a_message_that_is_not_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    with stand(tmp_path / "ledger") as here:
        executor = here.executor()
        here.submit(b"one", b"two", policy=Policy(name="narrow", tools=("search",), required_layers=frozenset()))
        here.turn()
        job = here.told(Accepted)[0].job
        here.follow(job)
        here.turn()
        said, told = len(here.executors.sent), len(here.answers.sent)
        executor.send(executor.lease, message)
        with monkeypatch.context() as patch:
            refuse_writes(patch, tmp_path)
            with pytest.raises(StoreUnwritable):
                here.turn()
        assert not here.tools.started
        assert (len(here.executors.sent), len(here.answers.sent)) == (said, told)
    with stand(tmp_path / "ledger") as again:
        assert again.job(job).status == "READY"
        assert "batch_ended" not in again.kinds(job)


# submissions


def test_a_submission_that_is_sent_again_starts_nothing_twice(here: Stand) -> None:
    first = here.submitted(b"source")
    assert here.submitted(b"source") == first
    here.submit(b"source")
    here.submit(b"source")
    here.turn()
    assert here.told(Accepted) == [first] * 4
    assert here.kinds(first.job).count("batch_submitted") == 1


def test_a_submission_that_comes_twice_in_one_turn_starts_nothing_twice(here: Stand) -> None:
    here.submit(b"source")
    here.submit(b"source")
    here.turn()
    first, second = here.told(Accepted)
    assert first == second
    assert here.job(first.job).batches == 1


def test_a_replay_waits_for_a_scheduler_that_has_the_tools_it_has_called(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as before:
        executor = before.executor()
        job = before.submitted(b"source").job
        executor.send(executor.lease, Call(1, 0, "search", b""))
        before.turn()
    with stand(tmp_path / "ledger") as without:
        without.tools.offered = Offered(("delete",))
        executor = without.executor()
        assert not executor.all(Grant)
        assert without.job(job).status == "READY"
    with stand(tmp_path / "ledger") as after:
        assert after.executor().all(Grant) == [Grant(job)]


def test_a_submission_is_known_after_a_restart(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as before:
        first = before.submitted(b"source")
    with stand(tmp_path / "ledger") as after:
        assert after.submitted(b"source") == first


def test_a_known_job_takes_more_batches_in_the_turn_in_which_it_ends(here: Stand) -> None:
    executor = here.executor()
    accepted = here.submitted(b"one")
    executor.send(executor.lease, finished(executor.all(Run)[0]))
    here.submit(b"two", key="second", job=accepted.job, policy=None)
    here.turn()
    second = here.told(Accepted)[-1]
    assert (second.first_batch, here.job(accepted.job).status) == (2, "READY")
    later = [stored.event.kind for stored in here.ledger.events(accepted.job, second.cursor)]
    assert later[0] == "batch_submitted", "who follows from there is not told of the end before"
    executor.hello()
    here.turn()
    assert executor.all(Run)[-1].source == b"two"


def test_two_submissions_to_one_job_in_one_turn_are_two(here: Stand) -> None:
    accepted = here.submitted(b"one")
    here.submit(b"two", key="2", job=accepted.job, policy=None)
    here.submit(b"three", key="3", job=accepted.job, policy=None)
    here.turn()
    assert [answer.first_batch for answer in here.told(Accepted)] == [1, 2, 3]
    assert here.job(accepted.job).batches == 3


def test_limits_change_the_policy_that_the_job_has_or_just_got(here: Stand) -> None:
    accepted = here.submitted(b"one")
    narrow = POLICY.with_limits(calls=7)
    here.submit(b"two", key="2", job=accepted.job, policy=narrow)
    here.submit(b"three", key="3", job=accepted.job, policy=None, limits={"cpu_seconds": 2})
    here.turn()
    assert here.loop.policy(here.job(accepted.job).policy) == narrow.with_limits(cpu_seconds=2)


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"job": "job-unknown"}, "unknown_job", "no job 'job-unknown'"),
        ({"policy": None}, "policy", "needs a policy"),
        ({"limits": {"no_such": 1}}, "policy", "no_such"),
        ({"limits": {"self": 1}}, "policy", "self"),
        ({"limits": {"calls": 1.5}}, "policy", "whole number"),
        ({"limits": {"calls": "x" * 1_000_000}}, "policy", "calls"),
        ({"limits": {"calls": [["deep"]]}}, "policy", "calls"),
    ],
    ids=str,
)
def test_a_submission_that_cannot_be_is_refused_with_the_reason(
    here: Stand, changes: dict[str, object], code: str, reason: str
) -> None:
    here.submit(b"source", **changes)  # type: ignore[arg-type]
    here.turn()
    [refused] = here.told(Refused)
    assert refused.code == code
    assert reason in refused.reason
    assert here.ledger.last_cursor == 0


def test_a_ping_tells_who_is_there(here: Stand) -> None:
    here.executor("a", workers=2)
    here.executor("b", workers=3)
    here.ask(Ping("p"))
    here.turn()
    assert here.told(Alive) == [Alive("p", 2, 5)]


# following


def test_who_follows_is_told_what_is_durable_once_and_in_order(here: Stand) -> None:
    executor = here.executor()
    accepted = here.submitted(b"one")
    here.follow(accepted.job, accepted.cursor)
    here.turn()
    executor.send(executor.lease, Console(1, b"hello"))
    here.turn()
    executor.send(executor.lease, finished(executor.all(Run)[0]))
    here.turn()
    events = [event for page in here.told(Events) for event in page.events]
    kinds = [event.kind for event in events]
    assert kinds == ["lease_granted", "batch_started", "console_printed", "batch_ended", "job_ended", "lease_ended"]
    assert [event.cursor for event in events] == sorted({event.cursor for event in events})


def test_who_asks_is_answered_also_when_there_is_nothing_new(here: Stand) -> None:
    accepted = here.submitted()
    here.follow(accepted.job, here.ledger.last_cursor)
    here.turn()
    assert here.told(Events) == [Events("follow", accepted.job, ())]


def test_a_job_that_is_not_there_cannot_be_followed(here: Stand) -> None:
    here.follow("job-unknown")
    here.turn()
    assert here.told(Refused)[0].code == "unknown_job"


def test_a_follower_that_is_gone_is_forgotten(here: Stand) -> None:
    executor = here.executor()
    accepted = here.submitted()
    here.follow(accepted.job)
    here.turn()
    here.answers.gone.add(b"client")
    executor.send(executor.lease, Console(1, b"hello"))
    here.turn()
    here.answers.gone.clear()
    told = len(here.answers.sent)
    executor.send(executor.lease, Console(1, b"hello"))
    here.turn()
    assert len(here.answers.sent) == told


def test_a_follower_that_has_not_asked_for_long_is_forgotten(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = here.submitted()
    now = 1000.0
    monkeypatch.setattr("statek.api.followers.time.monotonic", lambda: now)
    here.follow(accepted.job, request="old")
    here.turn()
    now += 61
    here.follow(accepted.job, request="new")
    here.turn()
    told = len(here.told(Events))
    here.executor()
    assert [page.request for page in here.told(Events)[told:]] == ["new"]


def test_events_of_any_size_reach_a_follower(here: Stand) -> None:
    executor = here.executor()
    accepted = here.submitted()
    long = "ü" * 16_000
    for number in range(300):
        executor.send(executor.lease, Violated(1, "import", long, number, "runtime"))
    transient = tuple(TransientValue(long, "generator", long) for _ in range(1000))
    executor.send(executor.lease, Finished(1, "ok", None, None, Snapshot(1, (Segment(1, b"", (1,)),), (), transient)))
    here.turn()
    here.follow(accepted.job)
    here.turn()
    told = [event.cursor for page in here.told(Events) for event in page.events]
    assert here.job(accepted.job).status == "DONE"
    assert told == sorted(set(told))
    assert len(told) > 300


# tools


def test_a_call_is_durable_before_its_tool_runs_and_its_answer_before_the_guest_has_it(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Call(1, 0, "search", b"arguments"))
    here.turn()
    [(name, call, waited)] = here.tools.started
    assert (name, call.tool, call.arguments, call.repeated, waited) == (job, "search", b"arguments", False, 0.0)
    assert isinstance(here.events(job)[-1], CallRequested)
    here.answer(job, 0)
    here.turn()
    assert executor.all(Reply) == [Reply(1, 0, b"value", None)]
    assert isinstance(here.events(job)[-1], CallAnswered)


def test_a_call_that_comes_with_its_executors_end_runs_all_the_same_and_is_answered_later(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Call(1, 0, "search", b""))
    executor.send(executor.lease, Lost(1, "signal", "killed", None))
    here.turn()
    assert len(here.tools.started) == 1
    here.answer(job, 0)
    here.turn()
    again = here.executor("b")
    again.send(again.lease, Call(1, 0, "search", b""))
    here.turn()
    assert again.all(Reply) == [Reply(1, 0, b"value", None)]
    assert len(here.tools.started) == 1


def test_a_repeated_call_whose_answer_comes_in_the_same_turn_is_not_run_again(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Call(1, 0, "search", b""))
    executor.send(executor.lease, Lost(1, "signal", "killed", None))
    here.turn()
    again = here.executor("b")
    again.send(again.lease, Call(1, 0, "search", b""))
    here.answer(job, 0)
    here.turn()
    assert len(here.tools.started) == 1
    assert again.all(Reply) == [Reply(1, 0, b"value", None)]


def test_a_repeated_call_is_told_how_long_it_has_waited(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as before:
        executor = before.executor()
        job = before.submitted().job
        executor.send(executor.lease, Call(1, 0, "search", b""))
        before.turn()
    with stand(tmp_path / "ledger") as after:
        executor = after.executor()
        executor.send(executor.lease, Call(1, 0, "search", b""))
        after.turn()
        [(name, call, waited)] = after.tools.started
        assert (name, call.repeated) == (job, True)
        assert waited >= 0.0


def test_a_call_of_a_batch_that_has_ended_in_the_same_turn_is_not_run(here: Stand) -> None:
    executor = here.executor()
    here.submitted()
    executor.send(executor.lease, Call(1, 0, "search", b""))
    executor.send(executor.lease, Lost(1, "limit", "cpu", None))
    here.turn()
    assert not here.tools.started


def test_a_tool_that_the_policy_denies_is_named_to_the_guest_and_refused_when_called(here: Stand) -> None:
    executor = here.executor()
    here.submit(b"source", policy=Policy(name="narrow", tools=("sea*",), required_layers=frozenset()))
    here.turn()
    assert set(executor.all(Load)[0].tools) == {"search", "delete"}
    executor.send(executor.lease, Call(1, 0, "delete", b""))
    here.turn()
    assert not here.tools.started
    [reply] = executor.all(Reply)
    assert reply.error is not None
    assert reply.error.type == "PolicyViolation"


def test_an_answer_to_a_job_that_has_ended_is_dropped(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Call(1, 0, "search", b""))
    here.turn()
    executor.send(executor.lease, Lost(1, "seccomp", "open", None))
    here.turn()
    kinds = here.kinds(job)
    here.answer(job, 0)
    here.turn()
    assert here.kinds(job) == kinds


# leases, restarts, room


def test_a_restart_takes_up_what_was_unfinished_from_its_last_checkpoint(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger") as before:
        executor = before.executor()
        job = before.submitted(b"source").job
        waiting = before.submitted(b"other", key="other").job
        for message in (
            Observed(1, b"before"),
            Call(1, 0, "search", b""),
            Checkpoint(1, Snapshot(3, (Segment(1, b"variables", (1,)),), (), ())),
        ):
            executor.send(executor.lease, message)
            before.turn()
            if isinstance(message, Call):
                before.answer(job, 0)
                before.turn()
        executor.send(executor.lease, Observed(1, b"after"))
        before.turn()
    with stand(tmp_path / "ledger") as after:
        assert after.job(job).status == "READY"
        [ended] = [event for event in after.events(job) if isinstance(event, LeaseEnded)]
        assert not ended.blamed
        executor = after.executor(workers=2)
        assert {grant.job for grant in executor.all(Grant)} == {job, waiting}
        [load] = [load for load in executor.all(Load) if load.workspace]
        assert (load.workspace, [source.source for source in load.sources]) == (
            (Segment(1, b"variables", (1,)),),
            [b"source"],
        )
        [run] = [run for run in executor.all(Run) if run.source == b"source"]
        assert (run.first_instruction, run.first_call, run.observed) == (3, 1, (b"after",))


def test_jobs_wait_for_room_and_come_in_order(here: Stand) -> None:
    names = [here.submitted(key=str(number)).job for number in range(3)]
    executor = here.executor(workers=2)
    assert [grant.job for grant in executor.all(Grant)] == names[:2]
    executor.send(executor.lease, Lost(1, "limit", "cpu", None))
    here.turn()
    executor.hello(workers=2)
    here.turn()
    assert names[2] in [grant.job for grant in executor.all(Grant)]


def test_no_more_jobs_run_at_once_than_the_scheduler_may(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger", max_concurrency=2) as here:
        executor = here.executor(workers=10)
        for number in range(4):
            here.submitted(key=str(number))
        assert len(executor.all(Grant)) == 2


def test_a_job_that_no_host_may_run_waits_for_one(here: Stand) -> None:
    here.executor(layers={})
    job = here.submitted().job
    here.turn()
    assert here.job(job).status == "READY"
    assert here.executor("b").all(Grant)


def test_a_job_that_no_host_may_run_fails_where_no_other_host_will_come(tmp_path: Path) -> None:
    with stand(tmp_path / "ledger", give_up_unplaceable=True) as here:
        job = here.submitted(b"one", b"two").job
        here.submit(b"three", key="2", job=job, policy=Policy(name="none", required_layers=frozenset()))
        here.turn()
        assert here.job(job).status == "READY", "nobody has come yet"
        executor = here.executor(layers={})
        here.turn()
        assert [event.outcome for event in here.events(job) if isinstance(event, BatchEnded)] == ["failed"]
        error = next(event.error for event in here.events(job) if isinstance(event, BatchEnded))
        assert error is not None
        assert "seccomp" in error.message
        assert [run.source for run in executor.all(Run)] == [b"three"]


def test_a_batch_that_ends_with_its_lease_in_one_turn_does_not_start_the_next_one_there(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted(b"one", b"two").job
    executor.send(executor.lease, finished(executor.all(Run)[0]))
    executor.send(executor.lease, Lost(2, "limit", "at once", None))
    here.turn()
    assert here.job(job).status == "DONE"
    assert len(executor.all(Run)) == 1


def test_what_does_not_fit_into_a_message_fails_its_job_alone(here: Stand) -> None:
    executor = here.executor(workers=2)
    big = b"#" * 8_000_000
    other = here.submitted(b"other", key="other").job
    sources = [big + bytes([65 + number]) for number in range(12)]
    job = here.submitted(*sources[:6]).job
    here.submitted(*sources[6:], key="more", job=job)
    lease = executor.lease
    for number in range(1, 12):
        here.turn()
        executor.send(
            lease,
            Finished(number, "ok", None, None, Snapshot(1, (Segment(1, b"", tuple(range(1, number + 1))),), (), ())),
        )
        here.turn()
    executor.send(lease, Lost(12, "stopped", "moved", None))
    here.turn()
    executor.hello(workers=2)
    here.turn()
    here.turn()
    ended = here.job(job)
    assert (ended.status, ended.outcome) == ("DONE", "failed")
    assert ended.error is not None
    assert ended.error.type == "JobTooLarge"
    assert here.job(other).status != "DONE"


def test_credit_is_given_for_what_is_durable(here: Stand) -> None:
    executor = here.executor()
    here.submitted()
    for _ in range(UNACKNOWLEDGED_LIMIT):
        executor.send(executor.lease, Console(1, b"x"))
    here.turn()
    assert executor.all(Credit)[-1].sequence == UNACKNOWLEDGED_LIMIT


def test_an_out_of_turn_message_ends_the_lease_and_its_job_is_tried_again(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Call(1, 5, "search", b""))
    executor.send(executor.lease, Console(1, b"after the fault"))
    here.turn()
    assert here.loop.refused == {"out_of_turn": 1, "stale": 1}
    assert executor.all(Release)
    assert here.job(job).status == "READY"
    assert not any(isinstance(event, ConsolePrinted) for event in here.events(job))
    assert here.executor("b").all(Run)


def test_a_violation_of_a_limit_that_is_not_there_does_not_end_the_loop(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Finished(1, "limit", None, LimitBreach("changed", 1.0, 1.0), None))
    here.turn()
    assert here.loop.refused["out_of_turn"] == 1
    assert not any(isinstance(event, PolicyViolated) for event in here.events(job))


def test_a_policys_limits_are_those_of_its_batch(here: Stand) -> None:
    executor = here.executor()
    here.submit(b"source", policy=Policy(name="p", limits=Limits(calls=0), required_layers=frozenset()))
    here.turn()
    executor.send(executor.lease, Call(1, 0, "search", b""))
    here.turn()
    [reply] = executor.all(Reply)
    assert reply.error is not None
    assert reply.error.type == "LimitError"


def test_follow_is_answered_in_the_turn_of_the_submission(here: Stand) -> None:
    accepted = here.submitted()
    here.submit(b"two", key="2", job=accepted.job, policy=None)
    here.ask(Follow("f", accepted.job, 0))
    here.turn()
    assert here.told(Events)
