"""Submissions, their batches, and how one batch's end bears on the next."""

from __future__ import annotations

import pytest
from core_programs import Ask, Program, Say
from core_world import World

from statek.core import machine
from statek.core.events import BatchEnded, BatchSkipped, BatchStarted, ConsolePrinted, JobEnded, LeaseGranted
from statek_policies import Limits, Policy
from statek_protocol.messages.executor import Lost
from statek_protocol.messages.interpreter import (
    Failed,
    Finished,
    GuestError,
    LimitBreach,
    Snapshot,
    TransientValue,
)

OK = Program(((Say(b"ok"),),))
NOT_OK = [Program(((Say(b"no"),),), outcome=outcome) for outcome in ("error", "blocked", "limit")]  # type: ignore[arg-type]


def ended_with(*programs: Program) -> World:
    world = World()
    world.submit(*programs)
    world.go_on()
    world.check_ended()
    return world


def test_batches_of_one_submission_run_in_order_under_one_lease() -> None:
    world = ended_with(OK, OK, OK)
    assert [event.batch for event in world.of(BatchStarted)] == [1, 2, 3]
    assert len(world.of(LeaseGranted)) == 1
    assert [event.outcome for event in world.of(JobEnded)] == ["ok"]


@pytest.mark.parametrize("program", NOT_OK, ids=lambda program: program.outcome)
def test_batches_after_one_that_was_not_ok_are_skipped(program: Program) -> None:
    world = ended_with(OK, program, OK, OK)
    assert [event.batch for event in world.of(BatchEnded)] == [1, 2]
    assert [event.batch for event in world.of(BatchSkipped)] == [3, 4]
    assert [event.outcome for event in world.of(JobEnded)] == [program.outcome]


def test_exit_skips_the_rest_of_its_submission_and_is_no_error() -> None:
    world = ended_with(Program(((Say(b"a"),),), exit_status="done"), OK, OK)
    assert [event.outcome for event in world.of(BatchEnded)] == ["ok"]
    assert [event.batch for event in world.of(BatchSkipped)] == [2, 3]
    assert [(event.outcome, event.exit_status) for event in world.of(JobEnded)] == [("ok", "done")]
    assert (world.job.outcome, world.job.exit_status) == ("ok", "done")


def test_what_was_submitted_apart_from_a_batch_that_exited_still_runs() -> None:
    world = World()
    world.submit(Program((), exit_status="done"), OK)
    world.submit(OK)
    world.go_on()
    world.check_ended()
    assert [event.batch for event in world.of(BatchSkipped)] == [2]
    assert [event.batch for event in world.of(BatchEnded)] == [1, 3]
    assert world.job.exit_status is None


def test_a_batch_that_exits_and_is_replayed_exits_the_same_way() -> None:
    world = World()
    world.submit(Program(((Say(b"once"), Ask("t")), (Say(b"twice"),)), exit_status="done"))
    world.go_on(4)
    world.interpreter_dies()
    world.go_on()
    world.check_ended()
    assert (world.console(1), world.job.exit_status) == (b"oncetwice", "done")


@pytest.mark.parametrize("program", NOT_OK, ids=lambda program: program.outcome)
def test_what_was_submitted_apart_from_a_batch_that_was_not_ok_still_runs(program: Program) -> None:
    world = World()
    world.submit(program, OK)
    world.submit(OK)
    world.go_on()
    world.check_ended()
    assert [event.batch for event in world.of(BatchSkipped)] == [2]
    assert [event.batch for event in world.of(BatchEnded)] == [1, 3]
    assert world.job.outcome == "ok"


def test_a_job_that_has_ended_is_revived_by_another_submission() -> None:
    world = ended_with(NOT_OK[0])
    world.submit(OK)
    assert world.job.status == "READY"
    assert world.job.outcome is None
    world.go_on()
    world.check_ended()
    assert [event.outcome for event in world.of(JobEnded)] == ["error", "ok"]
    assert world.job.error is None


def test_a_batch_runs_under_the_policy_that_came_with_it() -> None:
    narrow = Policy(name="narrow", limits=Limits(calls=1))
    world = World()
    world.submit(OK, OK)
    world.submit(OK, policy=narrow)
    world.grant()
    assert world.lease is not None
    assert world.lease.policy == world.policy
    world.interpreter_dies()
    world.grant()
    assert world.lease.policy == world.policy
    while world.job.running is None or world.job.running.batch < 3:
        world.go_on(1)
    assert world.lease.policy == narrow
    world.go_on()
    assert world.job.outcome == "ok"


def test_a_job_that_cannot_be_placed_fails_with_the_rest_of_its_submission() -> None:
    world = World()
    world.submit(OK, OK)
    world.submit(OK)
    world.apply(machine.abandon(world.job, GuestError("LayersMissing", "none", None)))
    assert [event.batch for event in world.of(BatchSkipped)] == [2]
    assert world.job.status == "READY"
    world.apply(machine.abandon(world.job, GuestError("LayersMissing", "none", None)))
    world.check_ended()
    assert world.job.outcome == "failed"


def test_a_batch_that_fails_from_our_side_ends_with_its_lease() -> None:
    world = World()
    world.submit(OK, OK)
    world.grant()
    assert world.lease is not None
    world.apply(machine.fail(world.job, world.lease, GuestError("SourcesTooLarge", "too much", None)))
    world.check_ended()
    assert world.job.outcome == "failed"


@pytest.mark.parametrize(("cause", "outcome"), [("limit", "limit"), ("seccomp", "blocked")])
def test_an_end_at_a_wall_is_the_batchs_own(cause: str, outcome: str) -> None:
    world = World()
    world.submit(OK, OK)
    world.grant()
    world.interpreter_dies(cause)
    world.check_ended()
    assert world.job.outcome == outcome
    assert [event.batch for event in world.of(BatchSkipped)] == [2]


@pytest.mark.parametrize("name", ["output_bytes", "output_lines"])
def test_output_that_was_cut_off_says_so(name: str) -> None:
    world = World()
    world.submit(OK)
    world.go_on(2)
    world.receive(Lost(1, "limit", f"{name} reached", LimitBreach(name, 10.0, 11.0)))
    assert world.console(1) == f"ok\n[output ends here: {name} allows 10]\n".encode()
    assert world.of(BatchEnded)[0].limit == LimitBreach(name, 10.0, 11.0)


def test_another_limit_leaves_the_output_as_it_is() -> None:
    world = World()
    world.submit(OK)
    world.go_on(2)
    world.receive(Lost(1, "limit", "cpu", LimitBreach("cpu_seconds", 5.0, 6.0)))
    assert world.console(1) == b"ok"


def end_with(transient: tuple[TransientValue, ...]) -> World:
    world = World()
    world.submit(OK)
    world.grant()
    world.receive(Finished(1, "ok", None, None, Snapshot(1, (), (), transient)))
    world.check_ended()
    return world


def test_what_is_not_kept_is_noticed_beside_the_output() -> None:
    world = end_with((TransientValue("gen", "generator", "it runs"),))
    [printed] = world.of(ConsolePrinted)
    assert (printed.stream, printed.data) == ("notice", b"not kept for the next batch: gen (generator: it runs)\n")
    assert world.console(1) == b""
    assert [value.name for value in world.of(BatchEnded)[0].transient] == ["gen"]


def test_much_that_is_not_kept_is_counted() -> None:
    world = end_with(tuple(TransientValue(f"v{number}", "generator", "it runs") for number in range(1000)))
    assert world.console(1, "notice").endswith(b"v19 (generator: it runs) and 980 more\n")


def test_what_an_interpreter_says_is_not_kept_is_bounded() -> None:
    world = end_with(tuple(TransientValue("n" * 16_000, "t", "r" * 16_000) for _ in range(1000)))
    assert len(world.of(BatchEnded)[0].transient) == 3


@pytest.mark.parametrize("code", ["diverged", "workspace", "bug"])
def test_the_longest_detail_of_a_failure_can_be_read_again(code: str) -> None:
    world = World()
    world.submit(OK)
    world.grant()
    world.receive(Failed(1, code, "x" * 16 * 1024))  # type: ignore[arg-type]
    world.check_ended()
    assert world.job.outcome == "failed"


def test_the_longest_reason_of_a_death_can_be_read_again() -> None:
    world = World()
    world.submit(OK)
    while world.job.status == "READY":
        world.grant()
        world.receive(Lost(1, "exited", "x" * 16 * 1024, None))
    world.check_ended()
    assert world.job.error is not None
    assert world.job.error.type == "ExecutorDied"
