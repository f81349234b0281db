"""What reaching a limit means: when a batch may not go on, what is put on record, and what a replay may print."""

from __future__ import annotations

import pytest
from core_programs import Program, Say
from core_world import World

from statek.core.decisions import LeaseFault
from statek.core.events import BatchEnded, BatchStarted, CallAnswered, LimitReached, Progress
from statek_policies import Limits, Policy
from statek_policies.limits import REFUSALS_LIMIT
from statek_protocol.messages.executor import Cancel, Lost, Metered
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    LimitBreach,
    Reply,
    Segment,
    Snapshot,
)

SNAPSHOT = Snapshot(1, (Segment(1, b"[]", ()),), (), ())


def begun(limits: Limits, *programs: Program) -> World:
    world = World(Policy(name="test", limits=limits))
    world.submit(*(programs or (Program(()),)))
    world.grant()
    return world


def at_the_limit(calls: int = 1) -> World:
    """A guest that has been told of the limit as often as it may go on after."""
    world = begun(Limits(calls=calls))
    for number in range(calls + REFUSALS_LIMIT):
        world.receive(Call(1, number, "ask", b"", 3))
        if world.running:
            world.finish_tool((1, number))
    return world


def condemned() -> World:
    world = at_the_limit()
    world.receive(Call(1, REFUSALS_LIMIT + 1, "ask", b"", 3))
    return world


def test_a_guest_that_goes_on_at_a_limit_is_answered_so_often_and_then_ended() -> None:
    world = at_the_limit()
    assert [message.kind for message in world.sent] == ["reply"] * (REFUSALS_LIMIT + 1)
    world.receive(Call(1, REFUSALS_LIMIT + 1, "ask", b"", 3))
    assert isinstance(world.sent[-1], Cancel)
    assert len([message for message in world.sent if isinstance(message, Reply)]) == REFUSALS_LIMIT + 1
    assert world.of(LimitReached) == [LimitReached(1, LimitBreach("calls", 1.0, REFUSALS_LIMIT + 2.0))]
    assert len(world.started) == 1


def test_its_batch_ends_at_the_limit_with_what_it_had_done() -> None:
    world = condemned()
    world.receive(Metered(1, 0.1, 0.2, 5, 0, REFUSALS_LIMIT + 2))
    world.receive(Lost(1, "stopped", "its batch went on at the limit calls", None))
    world.check_ended()
    [ended] = world.of(BatchEnded)
    assert (ended.outcome, ended.limit) == ("limit", LimitBreach("calls", 1.0, REFUSALS_LIMIT + 2.0))
    assert ended.progress == Progress(0, 0, REFUSALS_LIMIT + 2, {"ask": REFUSALS_LIMIT + 2}, 0)
    assert world.job.usage.cpu_seconds == 0.1


@pytest.mark.parametrize("message", [Finished(1, "ok", None, None, SNAPSHOT), Failed(1, "bug", "")])
def test_nothing_that_its_interpreter_still_says_counts_but_the_end(message: Finished | Failed) -> None:
    world = condemned()
    world.receive(Console(1, b"still here\n"))
    world.receive(Checkpoint(1, SNAPSHOT))
    world.receive(Call(1, REFUSALS_LIMIT + 2, "ask", b"", 3))
    assert isinstance(world.sent[-1], Cancel)
    world.receive(message)
    assert world.job.outcome == "limit"
    assert world.console(1) == b""
    assert not world.segments


@pytest.mark.parametrize("end", ["dies", "silent", "restart"])
def test_it_is_not_run_again_whatever_dies(end: str) -> None:
    world = condemned()
    match end:
        case "dies":
            world.interpreter_dies()
        case "silent":
            world.executor_falls_silent()
        case _:
            world.scheduler_restarts()
    world.check_ended()
    assert world.job.outcome == "limit"
    assert len(world.of(BatchStarted)) == 1


def test_refusals_count_over_all_attempts_at_a_batch() -> None:
    world = at_the_limit()
    world.executor_falls_silent(blamed=False)
    world.grant()
    for number in range(REFUSALS_LIMIT + 1):
        world.receive(Call(1, number, "ask", b"", 3))
    assert len(world.of(CallAnswered)) == REFUSALS_LIMIT + 1
    world.receive(Call(1, REFUSALS_LIMIT + 1, "ask", b"", 3))
    assert isinstance(world.sent[-1], Cancel)


def test_what_a_supervisor_measured_is_what_was_used() -> None:
    world = begun(Limits(cpu_seconds=2.0))
    world.receive(Metered(1, 2.25, 3.0, 5, 0, 0))
    world.receive(Finished(1, "limit", None, LimitBreach("cpu_seconds", 1.0, 1.0), SNAPSHOT))
    assert world.job.limit == LimitBreach("cpu_seconds", 2.0, 2.25)


@pytest.mark.parametrize("name", ["cpu_seconds", "wall_seconds", "calls"])
def test_an_interpreter_cannot_say_that_it_reached_what_it_did_not(name: str) -> None:
    world = begun(Limits(cpu_seconds=2.0, wall_seconds=2.0, calls=2))
    world.receive(Metered(1, 1.5, 1.5, 5, 0, 0))
    with pytest.raises(LeaseFault, match=f"it ended at {name}, of which it had used"):
        world.receive(Finished(1, "limit", None, LimitBreach(name, 2.0, 9.0), SNAPSHOT))


@pytest.mark.parametrize(
    ("outcome", "limit"),
    [("ok", LimitBreach("variables", 1.0, 2.0)), ("limit", None), ("error", LimitBreach("calls", 1.0, 2.0))],
)
def test_an_end_at_a_limit_names_one_and_no_other_end_does(outcome: str, limit: LimitBreach | None) -> None:
    with pytest.raises(LeaseFault, match="a limit"):
        begun(Limits()).receive(Finished(1, outcome, None, limit, SNAPSHOT))  # type: ignore[arg-type]


def test_calls_are_summed_up_by_name_the_most_frequent_ones_only() -> None:
    world = begun(Limits())
    for number in range(60):
        world.receive(Call(1, number, f"tool_{number}" if number < 50 else "often", b"", 0))
        world.finish_tool((1, number))
    world.receive(Lost(1, "limit", "", LimitBreach("cpu_seconds", 5.0, 6.0)))
    [ended] = world.of(BatchEnded)
    assert ended.progress is not None
    assert ended.progress.calls == 60
    assert len(ended.progress.calls_by_name) == 20
    assert ended.progress.calls_by_name["often"] == 10


def interrupted(printed: bytes, more: bytes, limits: Limits) -> World:
    """A batch that printed something before a checkpoint and more after it, and is taken up again from there."""
    world = begun(limits)
    world.receive(Console(1, printed))
    world.receive(Checkpoint(1, SNAPSHOT))
    world.receive(Console(1, more))
    world.interpreter_dies()
    world.grant()
    return world


def test_output_is_limited_over_all_attempts_at_a_batch() -> None:
    world = interrupted(b"12345\n", b"67\n", Limits(output_bytes=12))
    world.receive(Console(1, b"67\n"))
    world.receive(Console(1, b"8\n"))
    with pytest.raises(LeaseFault, match="13 bytes"):
        world.receive(Console(1, b"9\n"))


def test_lines_are_limited_over_all_attempts_at_a_batch() -> None:
    world = interrupted(b"1\n2\n", b"3\n", Limits(output_lines=4))
    world.receive(Console(1, b"3\n"))
    world.receive(Console(1, b"4\nand on"))
    with pytest.raises(LeaseFault, match="5 lines"):
        world.receive(Console(1, b"\n"))


def test_an_attempt_is_told_how_much_was_printed_before_it() -> None:
    world = interrupted(b"1\n2\n", b"3\n", Limits())
    running = world.job.running
    assert running is not None
    assert (running.console_at_checkpoint, running.lines_at_checkpoint) == (4, 2)
    assert (running.console_bytes, running.console_lines) == (6, 3)


def test_a_batch_that_goes_on_at_a_limit_leaves_what_was_submitted_apart() -> None:
    world = begun(Limits(calls=0), Program(()), Program(((Say(b"never"),),)))
    world.submit(Program(((Say(b"apart"),),)))
    for number in range(REFUSALS_LIMIT + 1):
        world.receive(Call(1, number, "ask", b"", 3))
    world.receive(Lost(1, "stopped", "", None))
    world.go_on()
    assert world.console(2) == b""
    assert world.console(3) == b"apart"
    assert world.job.outcome == "ok"
