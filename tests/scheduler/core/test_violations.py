"""What a violation does to its job: nothing more, or it is held until a person decides, or it is ended for good."""

from __future__ import annotations

from typing import Literal

import pytest
from core_programs import Ask, Program, Say, Trespass
from core_world import World

from statek.core import holds
from statek.core.decisions import Decision
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    CallAnswered,
    ConsolePrinted,
    JobEnded,
    JobHeld,
    PolicyViolated,
    UsageMetered,
)
from statek.core.holds import Choice, why_not_submit
from statek_policies import Policy
from statek_policies.rules import OnViolation
from statek_protocol.messages.executor import Cancel, Lost, Metered
from statek_protocol.messages.interpreter import Console, Finished, Violated

OK = Program(((Say(b"ok"),),))
HOSTILE = Program(((Say(b"before"),), (Trespass(),), (Say(b"after"),), (Ask("pay"),)))
Strict = Literal["hold", "end"]
STRICT: tuple[Strict, ...] = ("hold", "end")


def world(on_violation: OnViolation, *programs: Program) -> World:
    made = World(policy=Policy(name="test", on_violation=on_violation))
    made.submit(*programs)
    return made


def caught(on_violation: OnViolation, *more: Program) -> World:
    """A world in which a batch has violated the policy and its interpreter was ended for it."""
    made = world(on_violation, HOSTILE, OK)
    for program in more:
        made.submit(program)
    made.grant()
    while not any(isinstance(message, Cancel) for message in made.sent):
        made.step()
    made.receive(Metered(1, 0.5, 1.0, 1000, 10, 1))
    made.receive(Lost(1, "stopped", "its batch violated the policy", None))
    return made


def decide(made: World, choice: Choice) -> None:
    made.apply(holds.decide(made.job, choice, "request"))


def test_where_the_policy_only_refuses_a_guest_goes_on_after_a_violation() -> None:
    made = world("refuse", HOSTILE)
    made.go_on()
    assert made.console(1) == b"beforeafter"
    assert [event.outcome for event in made.of(BatchEnded)] == ["ok"]
    made.check_ended()


@pytest.mark.parametrize("on_violation", STRICT)
def test_else_its_interpreter_is_ended_and_nothing_of_it_counts_any_more(on_violation: Strict) -> None:
    made = caught(on_violation)
    assert made.console(1) == b"before"
    assert [event.outcome for event in made.of(BatchEnded)] == ["blocked"]
    assert [event.consequence for event in made.of(PolicyViolated)] == [on_violation]
    assert [event.batch for event in made.of(BatchSkipped)] == [2]
    assert [event.usage.cpu_seconds for event in made.of(UsageMetered)] == [0.5]
    assert not made.started
    assert made.lease is None


def test_a_job_that_is_ended_takes_nothing_more() -> None:
    made = caught("end", OK)
    assert [event.batch for event in made.of(BatchSkipped)] == [2, 3]
    assert [(event.outcome, event.final) for event in made.of(JobEnded)] == [("blocked", True)]
    made.check_ended()
    refusal = why_not_submit(made.job)
    assert refusal is not None
    assert refusal[0] == "job_ended"


def test_a_job_that_is_held_keeps_what_was_submitted_apart_until_a_person_decides() -> None:
    made = caught("hold", OK)
    assert made.job.status == "SUSPENDED"
    assert (made.job.held, made.job.outcome) == (1, "blocked")
    assert [batch.batch for batch in made.job.pending] == [3]
    assert not made.of(JobEnded)
    refusal = why_not_submit(made.job)
    assert refusal is not None
    assert refusal[0] == "job_held"
    assert "statek job release job-1" in refusal[1]
    assert made.go_on() == 0


def test_a_released_job_goes_on_with_what_waits() -> None:
    made = caught("hold", OK)
    decide(made, "release")
    assert (made.job.held, made.job.status) == (None, "READY")
    assert why_not_submit(made.job) is None
    made.go_on()
    made.check_ended()
    assert made.console(3) == b"ok"
    assert not made.job.closed


def test_a_released_job_in_which_nothing_waits_is_done_and_may_be_revived() -> None:
    made = caught("hold")
    decide(made, "release")
    assert [(event.outcome, event.final) for event in made.of(JobEnded)] == [("blocked", False)]
    made.check_ended()
    made.submit(OK)
    made.go_on()
    assert made.job.outcome == "ok"


def test_a_held_job_that_a_person_ends_runs_nothing_more() -> None:
    made = caught("hold", OK)
    decide(made, "end")
    assert [event.batch for event in made.of(BatchSkipped)] == [2, 3]
    assert made.job.closed
    made.check_ended()


def test_a_held_job_is_held_after_a_restart() -> None:
    made = caught("hold", OK)
    made.scheduler_restarts()
    assert (made.job.status, made.job.held) == ("SUSPENDED", 1)
    assert made.go_on() == 0


@pytest.mark.parametrize("on_violation", STRICT)
@pytest.mark.parametrize("gone", ["scheduler_restarts", "executor_falls_silent", "interpreter_dies"])
def test_a_batch_that_violated_the_policy_is_not_run_again_whatever_dies_before_its_end(
    on_violation: Strict, gone: str
) -> None:
    made = world(on_violation, HOSTILE)
    made.grant()
    while not made.of(PolicyViolated):
        made.step()
    getattr(made, gone)()
    assert [event.outcome for event in made.of(BatchEnded)] == ["blocked"]
    assert bool(made.of(JobHeld)) == (on_violation == "hold")
    assert made.go_on() == 0


@pytest.mark.parametrize("on_violation", STRICT)
def test_all_that_is_wrong_with_a_source_is_told_before_its_job_ends(on_violation: Strict) -> None:
    made = world(on_violation, OK)
    made.grant()
    for line in (1, 2, 3):
        decision = made.receive(Violated(1, "import.not_offered", "no", line, "compile"))
        assert not decision.instructions
    made.receive(Metered(1, 0.1, 0.1, 1000, 0, 0))
    made.receive(Finished(1, "blocked", None, None, None))
    assert [event.line for event in made.of(PolicyViolated)] == [1, 2, 3]
    assert [event.outcome for event in made.of(BatchEnded)] == ["blocked"]
    assert made.lease is None


@pytest.mark.parametrize("on_violation", STRICT)
def test_an_interpreter_cannot_go_on_after_a_violation_by_saying_that_all_is_well(on_violation: Strict) -> None:
    made = world(on_violation, OK, OK)
    made.grant()
    made.receive(Violated(1, "import.not_offered", "no", 1, "compile"))
    made.receive(Console(1, b"still here"))
    made.receive(Finished(1, "ok", None, None, None))
    assert not made.of(ConsolePrinted)
    assert [event.outcome for event in made.of(BatchEnded)] == ["blocked"]
    assert made.lease is None


@pytest.mark.parametrize("on_violation", STRICT)
def test_a_call_of_a_condemned_batch_is_neither_run_nor_answered(on_violation: Strict) -> None:
    made = world(on_violation, Program(((Ask("pay"),),)))
    made.grant()
    made.receive(Violated(1, "import.not_offered", "no", 1, "compile"))
    made.step()
    assert not made.started
    assert not made.of(CallAnswered)
    assert any(isinstance(message, Cancel) for message in made.sent)


@pytest.mark.parametrize("on_violation", STRICT)
def test_a_denied_tool_is_a_violation_too(on_violation: Strict) -> None:
    made = World(policy=Policy(name="test", tools=("mail_*",), on_violation=on_violation))
    made.submit(Program(((Ask("pay"),),)))
    made.grant()
    made.step()
    assert [(event.rule, event.consequence) for event in made.of(PolicyViolated)] == [("tool.denied", on_violation)]
    assert [type(message) for message in made.sent] == [Cancel]


@pytest.mark.parametrize("on_violation", STRICT)
def test_what_the_kernel_ends_is_a_violation_too(on_violation: Strict) -> None:
    made = world(on_violation, OK)
    made.grant()
    decision: Decision = made.receive(Lost(1, "seccomp", "a system call", None))
    assert decision.lease is None
    assert made.job.closed == (on_violation == "end")
    assert (made.job.held == 1) == (on_violation == "hold")


def test_a_limit_is_no_violation() -> None:
    made = world("end", OK)
    made.grant()
    made.receive(Lost(1, "limit", "cpu_seconds reached", None))
    assert made.job.outcome == "limit"
    assert not made.job.closed
