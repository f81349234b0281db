"""What an honest interpreter cannot say at this point is a fault of the lease, and changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_programs import Ask, Look, Program, Say
from core_world import World

from statek.core import calls, machine
from statek.core.decisions import LeaseFault
from statek.core.events import CallAnswered, LeaseEnded, UsageMetered
from statek.core.machine import OBSERVED_LIMIT, GuestMessage
from statek_policies import Limits, Policy
from statek_protocol.messages.executor import Lost, Metered
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    LimitBreach,
    Observed,
    Segment,
    Snapshot,
    Violated,
)

SNAPSHOT = Snapshot(1, (Segment(1, b"workspace", (1,)),), (), ())


def check_fault(world: World, message: GuestMessage) -> None:
    job, lease, events = world.live, world.lease, list(world.events)
    with pytest.raises(LeaseFault):
        world.receive(message)
    assert (world.live, world.lease, world.events) == (job, lease, events)


def begun(*programs: Program, policy: Policy | None = None) -> World:
    world = World() if policy is None else World(policy)
    world.submit(*programs or (Program(((Say(b"x"), Ask("search"), Look()), ())),))
    world.go_on(1)
    return world


def awaiting() -> World:
    world = begun()
    while not world.running:
        world.go_on(1)
    return world


def finished(snapshot: Snapshot | None = SNAPSHOT, limit: LimitBreach | None = None) -> Finished:
    return Finished(1, "ok" if limit is None else "limit", None, limit, snapshot)


@pytest.mark.parametrize(
    "message",
    [
        Console(2, b"x"),
        Call(2, 0, "search", b""),
        Observed(7, b""),
        Checkpoint(2, SNAPSHOT),
        Violated(2, "import", "os", 1, "runtime"),
        Metered(2, 0.0, 0.0, 0, 0, 0),
        Failed(2, "bug", ""),
        Finished(2, "ok", None, None, SNAPSHOT),
        Finished(1, "error", None, None, SNAPSHOT, exited=True),
        Finished(1, "ok", None, None, SNAPSHOT, exit_status="without an exit"),
    ],
)
def test_another_batch_than_the_one_in_hand(message: GuestMessage) -> None:
    check_fault(begun(), message)


@pytest.mark.parametrize("number", [1, 2, 10**9])
def test_a_call_whose_number_is_not_due(number: int) -> None:
    check_fault(begun(), Call(1, number, "search", b""))


@pytest.mark.parametrize(
    "message",
    [Console(1, b"x"), Call(1, 1, "search", b""), Observed(1, b"noon"), Checkpoint(1, SNAPSHOT), finished()],
    ids=lambda message: message.kind,
)
def test_anything_that_the_guest_would_do_while_it_waits_for_a_reply(message: GuestMessage) -> None:
    check_fault(awaiting(), message)


@pytest.mark.parametrize(
    "message",
    [Violated(1, "seccomp", "open", None, "kernel"), Metered(1, 0.0, 0.0, 0, 0, 0), Failed(1, "bug", "no reply read")],
    ids=lambda message: message.kind,
)
def test_what_the_supervisor_and_our_own_code_may_say_while_a_call_is_outstanding(message: GuestMessage) -> None:
    awaiting().receive(message)


def test_a_checkpoint_behind_the_last_one() -> None:
    world = begun()
    world.receive(Checkpoint(1, SNAPSHOT))
    check_fault(world, Checkpoint(1, Snapshot(0, (), (), ())))
    check_fault(world, finished(Snapshot(0, (), (), ())))


def test_a_workspace_larger_than_the_policy_allows() -> None:
    policy = Policy(limits=Limits(workspace_bytes=4))
    check_fault(
        begun(policy=policy), Checkpoint(1, Snapshot(1, (Segment(1, b"123", ()), Segment(2, b"45", ())), (), ()))
    )
    check_fault(begun(policy=policy), finished(Snapshot(1, (Segment(1, b"123", ()), Segment(2, b"45", ())), (), ())))


@pytest.mark.parametrize("batches", [(2,), (10**9,), (1, 1), (1, 2)])
def test_a_workspace_that_needs_sources_which_are_not_there(batches: tuple[int, ...]) -> None:
    check_fault(begun(), Checkpoint(1, Snapshot(1, (Segment(1, b"", batches),), (), ())))
    check_fault(begun(Program(()), Program(())), finished(Snapshot(1, (Segment(1, b"", batches),), (), ())))


@pytest.mark.parametrize("name", ["changed", "names", "to_wire", "__class__", "__init__", "no_such_limit"])
def test_an_end_at_a_limit_that_there_is_not(name: str) -> None:
    check_fault(begun(), finished(limit=LimitBreach(name, 1.0, 2.0)))


def test_the_allowance_of_a_limit_is_the_policys_own() -> None:
    world = begun()
    world.receive(Finished(1, "limit", None, LimitBreach("variables", 1.0, 20_000.0), None))
    assert world.job.limit == LimitBreach("variables", float(world.policy.limits.variables), 20_000.0)


def test_usage_that_cannot_be_a_number_of_anything() -> None:
    check_fault(begun(), finished(limit=LimitBreach("variables", 1.0, float("inf"))))


def test_an_attempt_is_metered_once() -> None:
    world = begun()
    world.receive(Metered(1, 1.0, 1.0, 5, 6, 7))
    check_fault(world, Metered(1, 1.0, 1.0, 5, 6, 7))
    world.interpreter_dies()
    world.grant()
    world.receive(Metered(1, 1.0, 1.0, 4, 6, 7))
    world.receive(finished())
    assert len(world.of(UsageMetered)) == 2
    assert (world.job.usage.cpu_seconds, world.job.usage.peak_memory_bytes, world.job.usage.calls) == (2.0, 5, 14)


def test_more_observations_than_a_run_could_carry() -> None:
    world = begun()
    job, lease = world.job, world.lease
    assert job.running is not None
    assert lease is not None
    full = replace(job, running=replace(job.running, observed=OBSERVED_LIMIT))
    with pytest.raises(LeaseFault):
        machine.receive(full, lease, Observed(1, b""))
    behind = replace(full.running, observed_at_checkpoint=1)  # type: ignore[arg-type]
    machine.receive(replace(full, running=behind), lease, Observed(1, b""))


def test_more_output_than_the_policy_allows() -> None:
    """The supervisor cuts it off: what comes beyond that has come past the supervisor."""
    world = begun(policy=Policy(limits=Limits(output_bytes=10)))
    printed = world.lease.console_bytes
    world.receive(Console(1, b"x" * (10 - printed)))
    check_fault(world, Console(1, b"x"))


def test_an_answer_to_a_batch_that_is_over_is_dropped() -> None:
    world = awaiting()
    world.receive(Lost(1, "limit", "too long", LimitBreach("wall_seconds", 1.0, 2.0)))
    events = list(world.events)
    world.finish_tool((1, 0))
    assert world.events == events


def test_a_second_answer_to_a_call_is_dropped() -> None:
    world = awaiting()
    world.finish_tool((1, 0))
    world.apply(calls.answer(world.job, world.lease, CallAnswered(1, 0, b"other", None)))
    assert len(world.of(CallAnswered)) == 1
    world.go_on()
    world.check_record([1])


def test_a_loss_between_two_batches_is_taken_as_it_comes() -> None:
    world = begun(Program(((Say(b"1"),),)), Program(((Say(b"2"),),)))
    while world.job.running is None or world.job.running.batch == 1:
        world.go_on(1)
    world.receive(Lost(None, "seccomp", "between", None))
    assert world.of(LeaseEnded)[-1].reason == "between"
    world.go_on()
    world.check_ended()
    world.check_record([1, 2])
