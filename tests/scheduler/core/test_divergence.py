"""A replay that takes another way than the first run ends as failed, and leaves nothing new on the record."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from core_programs import Ask, Program, Say
from core_world import World

from statek.core.events import BatchEnded, CallRequested, ConsolePrinted
from statek.core.machine import GuestMessage
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    Observed,
    Segment,
    Snapshot,
    Violated,
)

FIRST = Program(((Say(b"hello "), Ask("search", b"a"), Say(b"world\n"), Ask("search", b"b"), Say(b"!"), Ask("last")),))
ASKED_A = Call(1, 0, "search", b"a")
ASKED_B = Call(1, 1, "search", b"b")
ASKED_LAST = Call(1, 2, "last", b"")
SNAPSHOT = Snapshot(0, (Segment(1, b"workspace", ()),), (), ())


def said(text: bytes) -> Console:
    return Console(1, text)


def replaying() -> World:
    """A world whose batch has printed and called three times, and begins again."""
    world = World(chunk=100)
    world.submit(FIRST)
    while len(world.of(CallRequested)) < 3:
        world.go_on(1)
    world.finish_tool((1, 2))
    world.interpreter_dies()
    world.grant()
    return world


HONEST = [said(b"hello "), ASKED_A, said(b"world\n"), ASKED_B, said(b"!"), ASKED_LAST]


def play(world: World, messages: Sequence[GuestMessage]) -> None:
    """Send these for as long as the lease is in force."""
    for message in messages:
        if world.lease is not None:
            world.receive(message)


def check_diverged(messages: Sequence[GuestMessage]) -> str:
    """Return what the job's error says."""
    world = replaying()
    before = len(world.events)
    play(world, messages)
    assert world.job.status == "DONE"
    assert [type(event).__name__ for event in world.events[before:]] == ["BatchEnded", "JobEnded", "LeaseEnded"]
    [ended] = world.of(BatchEnded)
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert ended.error.type == "ReplayDiverged"
    assert world.console(1) == b"hello world\n!"
    return ended.error.message


def test_the_same_way_is_no_divergence_however_the_output_is_cut() -> None:
    world = replaying()
    pieces = [said(b"h"), said(b"ello "), ASKED_A, said(b"world"), said(b"\n"), ASKED_B, said(b"!"), ASKED_LAST]
    play(world, [*pieces, said(b"and more"), Finished(1, "ok", None, None, SNAPSHOT)])
    assert world.job.outcome == "ok"
    assert world.console(1) == b"hello world\n!and more"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([said(b"HELLO "), *HONEST[1:]], id="first bytes"),
        pytest.param([*HONEST[:4], said(b"?"), ASKED_LAST], id="last byte"),
        pytest.param([*HONEST[:4], said(b"?and more")], id="in the overlapping part of one message"),
        pytest.param([said(b"hello World\n!and more")], id="one long message"),
    ],
)
def test_other_console_bytes(messages: list[GuestMessage]) -> None:
    check_diverged(messages)


@pytest.mark.parametrize(
    "call", [Call(1, 0, "search", b"x"), Call(1, 0, "other", b"a"), Call(1, 0, "search", b"a" * 1000)]
)
def test_another_call_or_other_arguments(call: Call) -> None:
    assert "call 0 was search" in check_diverged([said(b"hello "), call])


def test_a_call_before_what_was_printed_before_it() -> None:
    check_diverged([said(b"hel"), ASKED_A])


def test_a_call_after_more_output_than_before_it() -> None:
    check_diverged([said(b"hello w"), ASKED_A])


def test_new_output_where_there_had_been_a_call() -> None:
    assert "printed where it had called search" in check_diverged([said(b"hello world\n!"), said(b"more")])


def test_a_new_call_where_it_had_printed() -> None:
    world = World(chunk=100)
    world.submit(Program(((Say(b"only output"),),)))
    world.go_on(2)
    world.interpreter_dies()
    world.grant()
    world.receive(said(b"only"))
    world.receive(ASKED_A)
    assert world.job.error is not None
    assert world.job.error.type == "ReplayDiverged"
    assert not world.of(CallRequested)


@pytest.mark.parametrize("length", range(len(HONEST)))
def test_an_end_before_all_was_repeated(length: int) -> None:
    assert "ended before" in check_diverged([*HONEST[:length], Finished(1, "ok", None, None, SNAPSHOT)])


def test_more_readings_of_the_clock_than_before() -> None:
    assert "clock" in check_diverged([said(b"hello "), Observed(1, b"noon")])


def test_an_interpreter_that_says_so_itself() -> None:
    assert "clock" in check_diverged([said(b"hello "), Failed(1, "diverged", "it read the clock less often")])


def test_a_checkpoint_on_the_way_is_not_taken() -> None:
    world = replaying()
    before = list(world.events)
    for message in HONEST:
        world.receive(Checkpoint(1, SNAPSHOT))
        world.receive(message)
    assert world.events == before
    assert world.job.workspace is None
    world.receive(Checkpoint(1, SNAPSHOT))
    assert world.job.workspace is not None


def test_output_after_the_last_call_of_the_replay_is_new() -> None:
    world = replaying()
    play(world, [*HONEST, said(b"new")])
    assert world.of(ConsolePrinted)[-1].data == b"new"


def test_a_violation_that_a_replay_repeats_is_told_once_and_a_further_one_too() -> None:
    world = World()
    world.submit(Program(()))
    world.go_on(1)
    world.receive(Violated(1, "import", "os", 1, "runtime"))
    world.interpreter_dies()
    world.grant()
    world.receive(Violated(1, "import", "os", 1, "runtime"))
    assert [event.detail for event in world.events if event.kind == "policy_violated"] == ["os"]  # type: ignore[attr-defined]
    world.receive(Violated(1, "import", "sys", 2, "runtime"))
    assert [event.detail for event in world.events if event.kind == "policy_violated"] == ["os", "sys"]  # type: ignore[attr-defined]
