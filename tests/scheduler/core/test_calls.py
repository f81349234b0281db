"""What a policy says about calls is decided, recorded and answered without running a tool."""

from __future__ import annotations

from core_programs import Ask, Program, Say, Tell
from core_world import World

from statek.core.events import BatchEnded, CallAnswered, CallRequested, PolicyViolated
from statek_policies import Limits, Policy
from statek_protocol.messages.interpreter import Reply, Violated
from statek_protocol.operations import SLEEP


def test_a_call_beyond_the_limit_is_answered_with_an_error_that_names_it() -> None:
    world = World(Policy(limits=Limits(calls=2)))
    world.submit(Program(((Ask("a"), Ask("b"), Ask("c"), Tell()),)))
    world.go_on()
    world.check_ended()
    assert [call.tool for call in world.started] == ["a", "b"]
    error = world.of(CallAnswered)[-1].error
    assert error is not None
    assert (error.type, error.message) == ("LimitError", "calls: 2 are allowed in a batch")
    assert not world.of(PolicyViolated)


def test_arguments_that_are_too_large_are_answered_with_an_error_that_names_the_limit() -> None:
    world = World(Policy(limits=Limits(argument_bytes=4)))
    world.submit(Program(((Ask("a", b"1234"), Ask("a", b"12345")),)))
    world.go_on()
    assert len(world.started) == 1
    error = world.of(CallAnswered)[-1].error
    assert error is not None
    assert error.message.startswith("argument_bytes: 5 bytes")


def test_a_tool_that_the_policy_does_not_offer_is_a_violation() -> None:
    world = World(Policy(tools=("search_*",)))
    world.submit(Program(((Ask("search_web"), Ask("delete_all"), Say(b"still here")),)))
    world.go_on()
    world.check_ended()
    assert world.job.outcome == "ok"
    assert [call.tool for call in world.started] == ["search_web"]
    [violation] = world.of(PolicyViolated)
    assert (violation.rule, violation.layer) == ("tool.denied", "scheduler")
    assert "delete_all" in violation.detail


def test_sleeping_is_no_tool_that_a_policy_could_deny() -> None:
    world = World(Policy(tools=()))
    world.submit(Program(((Ask(SLEEP),),)))
    world.go_on()
    assert [call.tool for call in world.started] == [SLEEP]
    assert not world.of(PolicyViolated)


def test_a_refusal_is_repeated_from_the_record_and_does_not_hide_a_later_violation() -> None:
    world = World(Policy(tools=()))
    world.submit(Program(((Ask("delete_all"),),)))
    while not world.of(CallAnswered):
        world.go_on(1)
    world.interpreter_dies()
    world.grant()
    world.step()
    assert len(world.of(CallRequested)) == len(world.of(PolicyViolated)) == 1
    world.receive(Violated(1, "import", "os", 1, "runtime"))
    assert [event.rule for event in world.of(PolicyViolated)] == ["tool.denied", "import"]


def test_an_answer_reaches_only_the_guest_that_waits_for_it() -> None:
    world = World()
    world.submit(Program(((Ask("a"),),)))
    while not world.running:
        world.go_on(1)
    world.executor_falls_silent()
    world.finish_tool((1, 0))
    assert not any(isinstance(message, Reply) for message in world.sent)
    world.go_on()
    assert world.of(BatchEnded)[0].outcome == "ok"
