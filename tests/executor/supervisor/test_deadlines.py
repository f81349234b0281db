"""When a batch is warned and ended, by clocks that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_executor.supervisor.deadlines import (
    GRACE_SECONDS,
    SHORTEST_WAIT_SECONDS,
    Deadlines,
    Kill,
    Wait,
    Warn,
)
from statek_protocol.messages.interpreter import LimitBreach

CPU, WALL = 5.0, 30.0


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines(cpu_limit=CPU, wall_limit=WALL, now=100.0, cpu=7.0)


def test_nothing_is_due_at_the_start_and_the_first_look_is_at_the_nearest_limit(deadlines: Deadlines) -> None:
    assert deadlines.check(100.0, 7.0) == Wait(CPU)


def test_a_limit_is_warned_of_once_and_ends_after_its_grace(deadlines: Deadlines) -> None:
    assert deadlines.check(105.0, 12.0) == Warn("cpu_seconds")
    assert deadlines.check(105.0, 12.0) == Wait(GRACE_SECONDS)
    found = deadlines.check(106.0, 12.0 + GRACE_SECONDS)
    assert found == Kill(LimitBreach("cpu_seconds", CPU, CPU + GRACE_SECONDS))


def test_the_wall_is_a_limit_of_its_own(deadlines: Deadlines) -> None:
    assert deadlines.check(100.0 + WALL, 7.0) == Warn("wall_seconds")
    found = deadlines.check(100.0 + WALL + GRACE_SECONDS, 7.0)
    assert found == Kill(LimitBreach("wall_seconds", WALL, WALL + GRACE_SECONDS))


def test_both_limits_are_warned_of_when_both_are_reached(deadlines: Deadlines) -> None:
    assert deadlines.check(100.0 + WALL, 7.0 + CPU) == Warn("cpu_seconds")
    assert deadlines.check(100.0 + WALL, 7.0 + CPU) == Warn("wall_seconds")
    assert deadlines.check(100.0 + WALL, 7.0 + CPU) == Wait(GRACE_SECONDS)


def test_a_wait_for_a_reply_does_not_count(deadlines: Deadlines) -> None:
    deadlines.pause(110.0)
    assert deadlines.used(1000.0, 7.0) == {"cpu_seconds": 0.0, "wall_seconds": 10.0}
    assert deadlines.check(1000.0, 7.0) == Wait(CPU)
    deadlines.resume(1000.0)
    assert deadlines.used(1001.0, 7.5) == {"cpu_seconds": 0.5, "wall_seconds": 11.0}


def test_cpu_counts_while_the_wall_stands(deadlines: Deadlines) -> None:
    deadlines.pause(100.0)
    assert deadlines.check(200.0, 7.0 + CPU) == Warn("cpu_seconds")


def test_a_reply_that_nobody_waited_for_changes_nothing(deadlines: Deadlines) -> None:
    deadlines.resume(150.0)
    assert deadlines.used(150.0, 7.0)["wall_seconds"] == 50.0


def test_a_wait_is_never_so_short_that_it_spins(deadlines: Deadlines) -> None:
    assert deadlines.check(100.0, 7.0 + CPU - 1e-9) == Wait(SHORTEST_WAIT_SECONDS)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.sampled_from(["go", "pause", "resume"])), max_size=60))
def test_whatever_happens_a_limit_is_warned_of_before_it_ends_and_never_without_being_used_up(
    steps: list[tuple[float, float, str]],
) -> None:
    deadlines = Deadlines(cpu_limit=CPU, wall_limit=WALL, now=0.0, cpu=0.0)
    now = cpu = waited = 0.0
    paused = False
    warned = set()
    for seconds, share, what in steps:
        now += seconds
        cpu += seconds * share
        waited += seconds if paused else 0.0
        if what == "pause" and not paused:
            deadlines.pause(now)
        if what == "resume":
            deadlines.resume(now)
        paused = what == "pause" or (paused and what == "go")
        match deadlines.check(now, cpu):
            case Warn(limit):
                assert limit not in warned
                warned.add(limit)
            case Kill(breach):
                used = {"cpu_seconds": cpu, "wall_seconds": now - waited}[breach.name]
                assert used == pytest.approx(breach.used)
                assert used >= breach.allowed + GRACE_SECONDS - 1e-6
                return
            case Wait(length):
                assert length >= SHORTEST_WAIT_SECONDS
                assert cpu < CPU + GRACE_SECONDS
