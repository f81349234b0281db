"""Whatever is killed, wherever: the record in the end is that of a run without interruption."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_programs import Ask, Begin, Gather, Look, Program, Say, Tell, Trespass, Use
from core_world import World
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from statek.core.events import BatchEnded, BatchSkipped, JobEnded
from statek.core.jobs import ATTEMPTS_LIMIT

TRACES = {
    "prints and calls": [Program(((Say(b"one\n"), Ask("search", b"a")), (Tell(), Ask("search", b"b"), Say(b"end\n"))))],
    "clock before and after a call": [Program(((Look(), Tell(), Ask("now"), Look(), Look(), Tell()), (Look(),)))],
    "checkpoints": [
        Program(
            ((Say(b"a\n"), Look()), (Ask("t", b"1"), Tell()), (Trespass(), Look()), (Ask("t", b"2"), Tell())),
            frozenset({1, 2, 3}),
        )
    ],
    "two batches": [
        Program(((Ask("t"), Tell()),), frozenset()),
        Program(((Look(), Tell()), (Trespass(), Ask("u"), Tell())), frozenset({1})),
    ],
    "an error between two": [Program(((Say(b"x"),),)), Program(((Ask("t"), Say(b"y")),), outcome="error")],
    "nothing kept": [Program(((Look(), Tell()),), outcome="limit", keeps=False)],
    "empty": [Program(())],
    "a wait between effects": [
        Program(
            ((Say(b"a"), Begin("x"), Ask("t")), (Use(0), Tell(), Look(), Ask("u")), (Use(0), Tell())), frozenset({1})
        )
    ],
    "waits for any and all": [
        Program(
            ((Begin("x"), Begin("y"), Gather("all", (0, 1)), Gather("any", (0, 2))), (Use(3), Tell(), Use(2), Tell())),
            frozenset({1}),
        )
    ],
    "a wait in the next batch": [
        Program(((Begin("x"), Say(b"begun\n")),)),
        Program(((Look(), Use(0), Tell()), (Begin("y"), Use(1), Tell()))),
    ],
}
CRASHES: dict[str, Callable[[World], None]] = {
    "interpreter dies": World.interpreter_dies,
    "executor stops": lambda world: world.interpreter_dies("stopped"),
    "executor falls silent": World.executor_falls_silent,
    "lease never arrived": lambda world: world.executor_falls_silent(blamed=False),
}


def world_of(programs: list[Program]) -> World:
    world = World()
    world.submit(*programs)
    return world


def check(world: World, programs: list[Program]) -> None:
    world.check_ended()
    world.check_record(range(1, len(programs) + 1))
    assert len(world.of(JobEnded)) == 1


@pytest.mark.parametrize("programs", TRACES.values(), ids=TRACES)
@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_a_lease_may_end_after_any_step_and_once_more_later(
    programs: list[Program], crash: Callable[[World], None]
) -> None:
    steps = world_of(programs).go_on()
    for first in range(1, steps):
        for second in {1, 5} if first % 2 else {2, steps}:
            world = world_of(programs)
            for until in (first, second):
                world.go_on(until)
                world.chunk += 2
                if world.lease is not None:
                    crash(world)
            world.go_on()
            check(world, programs)


@pytest.mark.parametrize("programs", TRACES.values(), ids=TRACES)
def test_the_scheduler_may_start_anew_after_any_two_steps(programs: list[Program]) -> None:
    steps = world_of(programs).go_on()
    for first in range(steps + 1):
        for second in {1, 3, steps} if first % 2 else {2, 5}:
            world = world_of(programs)
            for until in (first, second):
                world.go_on(until)
                world.scheduler_restarts()
            world.go_on()
            check(world, programs)


@pytest.mark.parametrize("programs", TRACES.values(), ids=TRACES)
def test_the_scheduler_may_start_anew_after_every_single_step_as_long_as_checkpoints_come(
    programs: list[Program],
) -> None:
    world = world_of(programs)
    for allowed in range(1, 60):
        world.go_on(allowed)
        world.scheduler_restarts()
        if world.job.status == "DONE":
            break
    check(world, programs)


def test_a_tool_may_end_while_no_lease_is_in_force_and_its_answer_is_kept() -> None:
    programs = TRACES["prints and calls"]
    world = world_of(programs)
    while not world.running:
        assert world.go_on(1)
    world.executor_falls_silent()
    [key] = world.running
    world.finish_tool(key)
    world.go_on()
    check(world, programs)
    assert not any(call.repeated for call in world.started)


def test_a_tool_may_end_after_its_call_was_repeated_and_answers_the_one_who_waits_now() -> None:
    programs = TRACES["prints and calls"]
    world = world_of(programs)
    while not world.running:
        assert world.go_on(1)
    world.interpreter_dies()
    world.grant()
    while not any(call.repeated for call in world.started):
        world.step()
    world.go_on()
    check(world, programs)


@pytest.mark.parametrize("crash", [World.interpreter_dies, World.executor_falls_silent])
def test_a_batch_that_takes_down_its_executors_is_given_up(crash: Callable[[World], None]) -> None:
    world = world_of([Program(((Say(b"once\n"), Ask("t")),)), Program(())])
    for _ in range(ATTEMPTS_LIMIT):
        world.go_on(4)
        assert world.lease is not None
        crash(world)
    assert world.go_on() == 0
    world.check_ended()
    assert world.console(1) == b"once\n"
    [ended] = world.of(BatchEnded)
    assert ended.outcome == "failed"
    assert ended.error is not None
    assert ended.error.type == "ExecutorDied"
    assert [event.batch for event in world.of(BatchSkipped)] == [2]


def test_the_next_batch_has_all_its_attempts() -> None:
    programs = [Program(((Say(b"a"),),)), Program(((Say(b"b"),),))]
    world = world_of(programs)
    for batch in (1, 2):
        for _ in range(ATTEMPTS_LIMIT - 1):
            world.go_on(1)
            assert world.job.running is not None
            assert world.job.running.batch == batch
            world.interpreter_dies()
        while world.job.running is None or world.job.running.batch == batch:
            if not world.go_on(1):
                break
    check(world, programs)


steps = st.one_of(
    st.builds(Say, st.binary(min_size=1, max_size=12)),
    st.builds(Ask, st.sampled_from(["search", "count"]), st.sampled_from([b"", b"x"])),
    st.builds(Look),
    st.builds(Tell),
    st.builds(Trespass),
    st.builds(Begin, st.sampled_from(["x", "y"])),
    st.builds(Gather, st.sampled_from(["any", "all"]), st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)),
    st.builds(Use, st.integers(0, 5)),
)
programs_of_any_kind = st.builds(
    Program,
    st.lists(st.lists(steps, max_size=4).map(tuple), max_size=4).map(tuple),
    st.frozensets(st.integers(0, 4), max_size=4),
    st.sampled_from(["ok", "ok", "ok", "error", "limit", "blocked"]),
)


class Lives(RuleBasedStateMachine):
    """Any order of what can happen to a job."""

    @initialize(programs=st.lists(programs_of_any_kind, min_size=1, max_size=3))
    def a_client_begins(self, programs: list[Program]) -> None:
        self.world = world_of(programs)

    @rule(programs=st.lists(programs_of_any_kind, min_size=1, max_size=2))
    def a_client_submits(self, programs: list[Program]) -> None:
        self.world.submit(*programs)

    @precondition(lambda self: self.world.lease is None and self.world.job.status == "READY")
    @rule(chunk=st.integers(1, 20))
    def an_executor_takes_the_job(self, chunk: int) -> None:
        self.world.chunk = chunk
        self.world.grant()

    @precondition(lambda self: self.world.can_step)
    @rule(count=st.integers(1, 6))
    def the_interpreter_goes_on(self, count: int) -> None:
        for _ in range(count):
            if self.world.can_step:
                self.world.step()

    @precondition(lambda self: self.world.running)
    @rule(data=st.data())
    def a_tool_ends(self, data: st.DataObject) -> None:
        self.world.finish_tool(data.draw(st.sampled_from(sorted(self.world.running))))

    @precondition(lambda self: self.world.lease is not None)
    @rule(crash=st.sampled_from(sorted(CRASHES)))
    def a_lease_ends(self, crash: str) -> None:
        CRASHES[crash](self.world)

    @precondition(lambda self: self.world.job.futures)
    @rule(data=st.data(), fails=st.booleans())
    def a_future_comes_to_something(self, data: st.DataObject, fails: bool) -> None:
        numbers = [entry.number for entry in self.world.job.futures if entry.shape == "temporal"]
        if numbers:
            self.world.resolve(data.draw(st.sampled_from(numbers)), fails=fails)

    @rule()
    def the_scheduler_restarts(self) -> None:
        self.world.scheduler_restarts()

    @invariant()
    def at_most_one_end_for_each_submission(self) -> None:
        if hasattr(self, "world"):
            assert len(self.world.of(JobEnded)) <= self.world.submissions
            assert (self.world.job.status == "SUSPENDED") == (self.world.job.awaited is not None)
            assert (self.world.job.status == "DONE") == (not self.world.job.pending and self.world.job.running is None)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.go_on()
        self.world.check_ended()
        ended = {event.batch: event for event in self.world.of(BatchEnded)}
        skipped = [event.batch for event in self.world.of(BatchSkipped)]
        assert sorted([*ended, *skipped]) == list(range(1, self.world.job.batches + 1))
        if not any(event.error is not None for event in ended.values()):  # none was given up
            self.world.check_record(sorted(ended))
        else:
            assert {event.error.type for event in ended.values() if event.error} == {"ExecutorDied"}


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrderOfEvents = Lives.TestCase


@given(st.lists(programs_of_any_kind, min_size=1, max_size=3), st.lists(st.integers(1, 12), max_size=2))
@settings(max_examples=100, deadline=None)
def test_any_programs_survive_any_two_deaths(programs: list[Program], deaths: list[int]) -> None:
    world = world_of(programs)
    for until in deaths:
        world.go_on(until)
        if world.lease is not None:
            world.interpreter_dies()
    world.go_on()
    world.check_ended()
    ran = sorted(event.batch for event in world.of(BatchEnded))
    world.check_record(ran)
