"""A person decides about a held job through a client: once, and only where there is something to decide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loop_stand import POLICY, FakeExecutor, Stand, finished, stand

from statek.cli.outcome import JobOutcome
from statek_policies import Policy
from statek_protocol.messages.client import Accepted, Decide, Decided, JobEvent, Refused
from statek_protocol.messages.executor import Cancel, Lost, Pull
from statek_protocol.messages.interpreter import Run, Violated

HOLDING = POLICY.with_fields(on_violation="hold")
ENDING = POLICY.with_fields(on_violation="end")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path / "ledger") as made:
        yield made


def violated(here: Stand, policy: Policy) -> tuple[str, FakeExecutor]:
    """Run a job under a policy until a violation has had its consequence."""
    executor = here.executor()
    here.submit(b"hostile", policy=policy)
    here.turn()
    [accepted] = here.told(Accepted)
    here.turn()
    lease = executor.lease
    executor.send(lease, Violated(1, "attribute.dunder", "no", 3, "runtime"))
    here.turn()
    assert executor.all(Cancel)
    executor.send(lease, Lost(1, "stopped", "its batch violated the policy", None))
    here.turn()
    return accepted.job, executor


def last(here: Stand, kind: type[Refused]) -> Refused:
    return here.told(kind)[-1]


def test_a_held_job_refuses_batches_until_it_is_released(here: Stand) -> None:
    job, executor = violated(here, HOLDING)
    assert (here.job(job).status, here.job(job).held) == ("SUSPENDED", 1)
    here.submit(b"more", key="more", job=job, policy=None)
    here.turn()
    assert last(here, Refused).code == "job_held"
    here.ask(Decide("decision", job, "release"))
    here.turn()
    assert here.told(Decided) == [Decided("decision", job, 0)]
    assert here.job(job).status == "DONE"
    here.submit(b"more", key="again", job=job, policy=None)
    executor.say(Pull(2))
    here.turn()
    assert [run.batch for run in executor.all(Run)] == [1, 2]


def test_what_waits_in_a_held_job_is_granted_when_it_is_released(here: Stand) -> None:
    executor = here.executor()
    here.submit(b"hostile", policy=HOLDING)
    here.turn()
    [accepted] = here.told(Accepted)
    here.submit(b"waits", key="waits", job=accepted.job, policy=None)
    here.turn()
    executor.send(executor.lease, Violated(1, "attribute.dunder", "no", 3, "runtime"))
    executor.send(executor.lease, Lost(1, "stopped", "its batch violated the policy", None))
    executor.say(Pull(2))
    here.turn()
    assert [run.batch for run in executor.all(Run)] == [1]
    here.ask(Decide("decision", accepted.job, "release"))
    here.turn()
    assert here.told(Decided) == [Decided("decision", accepted.job, 1)]
    [first, second] = executor.all(Run)
    executor.send(executor.lease, finished(second))
    here.turn()
    assert (first.batch, here.job(accepted.job).outcome) == (1, "ok")


def test_a_decision_that_is_sent_again_is_answered_and_not_carried_out_again(here: Stand) -> None:
    job, _ = violated(here, HOLDING)
    for _ in range(3):
        here.ask(Decide("decision", job, "end"))
        here.turn()
    assert here.told(Decided) == [Decided("decision", job, 0)] * 3
    assert here.kinds(job).count("hold_decided") == 1
    assert here.job(job).closed


@pytest.mark.parametrize("choice", ["release", "end"])
def test_there_is_nothing_to_decide_about_a_job_that_is_not_held(here: Stand, choice: str) -> None:
    accepted = here.submitted()
    here.ask(Decide("decision", accepted.job, choice))  # type: ignore[arg-type]
    here.turn()
    assert last(here, Refused).code == "not_held"
    here.ask(Decide("decision", "job-0", choice))  # type: ignore[arg-type]
    here.turn()
    assert last(here, Refused).code == "unknown_job"


def test_a_job_that_was_ended_for_a_violation_takes_no_further_batch(here: Stand) -> None:
    job, _ = violated(here, ENDING)
    here.submit(b"more", key="more", job=job, policy=POLICY)
    here.turn()
    refused = last(here, Refused)
    assert refused.code == "job_ended"
    assert "start a new one" in refused.reason
    assert here.kinds(job).count("batch_submitted") == 1


def test_a_held_job_is_still_held_by_the_next_scheduler(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with stand(path) as before:
        job, _ = violated(before, HOLDING)
    with stand(path) as after:
        executor = after.executor()
        after.turn()
        assert not executor.all(Run)
        after.ask(Decide("decision", job, "end"))
        after.turn()
        assert after.job(job).closed


def test_a_scheduler_that_dies_between_a_violation_and_its_consequence_leaves_that_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with stand(path) as before:
        executor = before.executor()
        before.submit(b"hostile", policy=ENDING)
        before.turn()
        [accepted] = before.told(Accepted)
        before.turn()
        executor.send(executor.lease, Violated(1, "attribute.dunder", "no", 3, "runtime"))
        before.turn()
        assert before.job(accepted.job).status == "STARTED"
    with stand(path) as after:
        executor = after.executor()
        after.turn()
        assert not executor.all(Run)
        assert (after.job(accepted.job).status, after.job(accepted.job).outcome) == ("DONE", "blocked")


def test_fields_of_a_policy_are_changed_by_a_submission_and_refused_when_they_cannot_be_meant(here: Stand) -> None:
    job, _ = violated(here, HOLDING)
    here.ask(Decide("decision", job, "release"))
    here.submit(b"more", key="good", job=job, policy=None, fields={"on_violation": "end", "tools": ["a"]})
    here.submit(b"more", key="bad", job=job, policy=None, fields={"tool": ["a"]})
    here.turn()
    changed = here.loop.policy(here.job(job).policy)
    assert (changed.on_violation, changed.tools, changed.name) == ("end", ("a",), HOLDING.name)
    assert "did you mean 'tools'" in last(here, Refused).reason


def outcome_of(*events: tuple[str, dict[str, object]]) -> JobOutcome:
    """What `statek exec` makes of events about a job of which batch 3 is its own."""
    outcome = JobOutcome("job", 3, 3)
    for cursor, (kind, body) in enumerate(events):
        outcome.take(JobEvent(cursor, kind, body))
    return outcome


def test_whose_batch_is_held_up_by_another_ones_violation_is_told_so() -> None:
    outcome = outcome_of(("job_held", {"batch": 2}))
    assert (outcome.ended, outcome.status, outcome.outcome, outcome.exit_status) == (True, "SUSPENDED", "blocked", 3)


def test_whose_batch_is_skipped_for_another_ones_violation_is_told_so() -> None:
    outcome = outcome_of(("batch_skipped", {"batch": 3}), ("job_ended", {"outcome": "blocked", "final": True}))
    assert (outcome.ended, outcome.final, outcome.outcome, outcome.exit_status) == (True, True, "blocked", 3)
