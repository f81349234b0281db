"""Tools as the guest meets them."""

from __future__ import annotations

import pytest
from interpreter_stand import interpreter, run

from statek_policies import Limits, Policy
from statek_protocol.messages.interpreter import Call, GuestError, Observed
from statek_protocol.operations import SLEEP


def test_values_go_to_a_tool_and_back() -> None:
    batch = run("x = add(1, b={2: (3, 4)})\nprint(x)\n", tools={"add": lambda a, b: [a, b]})
    assert batch.console == "[1, {2: (3, 4)}]\n"
    assert batch.calls == [(0, "add", ((1,), {"b": {2: (3, 4)}}))]


def test_calls_are_numbered_through_the_batch() -> None:
    tools = {"one": lambda: 1, "two": lambda: 2}
    assert [number for number, _, _ in run("for _ in range(3):\n    one(); two()\n", tools=tools).calls] == [*range(6)]


def test_a_call_says_which_statement_the_guest_is_in() -> None:
    batch = run("one()\nx = 1\nfor _ in range(2):\n    one()\n", tools={"one": lambda: 1})
    assert [call.instruction for call in batch.all(Call)] == [0, 2, 2]


def test_calls_of_a_replay_are_numbered_from_where_the_checkpoint_was() -> None:
    with interpreter(tools={"one": lambda: 1}) as process:
        batch = process.run("x = 1\none()\n", first_instruction=1, first_call=7)
        assert [number for number, _, _ in batch.calls] == [7]


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (GuestError("ValueError", "bad", None), "ToolError ValueError: bad"),
        (GuestError("ToolOutcomeUnknown", "perhaps", None), "ToolOutcomeUnknown perhaps"),
        (GuestError("LimitError", "calls: 3", None), "LimitError calls: 3"),
        (GuestError("PolicyViolation", "not this one", None), "ToolDenied not this one"),
    ],
)
def test_a_tool_that_fails_raises_what_the_guest_can_tell_apart(error: GuestError, caught: str) -> None:
    source = "try:\n    fail()\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    assert run(source, tools={"fail": lambda: error}).console == f"{caught}\n"


def test_a_failure_that_is_not_caught_is_the_batchs_error() -> None:
    batch = run("x = 1\nfail()\n", tools={"fail": lambda: GuestError("OSError", "gone", None)})
    assert (batch.error.type, batch.error.message, batch.error.line) == ("ToolError", "OSError: gone", 2)


def test_a_tool_that_is_denied_blocks_the_batch_if_nobody_catches_it() -> None:
    batch = run("fail()\n", tools={"fail": lambda: GuestError("PolicyViolation", "no", None)})
    assert batch.end.outcome == "blocked"


def test_a_tool_that_was_not_offered_is_no_name() -> None:
    assert run("nothing()\n").error.type == "NameError"


@pytest.mark.parametrize(
    "argument", ["object()", "print", "(lambda: 1)", "(x for x in [])", "[1, {2: [object()]}]", "ring"]
)
def test_what_cannot_cross_is_the_guests_own_error_and_no_call(argument: str) -> None:
    batch = run(f"ring = []\nring.append(ring)\nadd({argument})\n", tools={"add": lambda _: 1})
    assert (batch.end.outcome, batch.error.type, batch.error.line) == ("error", "TypeError", 3)
    assert batch.calls == []


def test_too_much_cannot_cross_and_the_next_call_has_the_number_it_would_have_had() -> None:
    source = "try:\n    add('x' * 101)\nexcept LimitError as error:\n    print(error)\nadd(1)\n"
    batch = run(source, Policy(limits=Limits(argument_bytes=100)), {"add": lambda _: 1})
    assert batch.console == "argument_bytes: add(...): larger than 100 bytes; pass less\n"
    assert batch.calls == [(0, "add", ((1,), {}))]


def test_a_tool_may_be_kept_in_a_variable_and_called_later() -> None:
    with interpreter(tools={"one": lambda: 1}) as process:
        first = process.run("kept = [one]\n")
        assert not first.snapshot.transient
        with interpreter(tools={"one": lambda: 2}, workspace=first.snapshot.segments) as other:
            assert other.run("print(kept[0](), kept[0] is one)\n", 2).console == "2 True\n"


def test_a_guests_own_variable_hides_a_tool() -> None:
    with interpreter(tools={"one": lambda: 1}) as process:
        first = process.run("one = 'mine'\n")
        with interpreter(tools={"one": lambda: 1}, workspace=first.snapshot.segments) as other:
            assert other.run("print(one)\n", 2).console == "mine\n"


def test_a_sleep_is_a_call_and_longer_than_the_wall_cannot_be_asked_for() -> None:
    batch = run("import time\ntime.sleep(0.5)\ntime.sleep(31)\n")
    assert batch.calls == [(0, SLEEP, ((0.5,), {}))]
    assert (batch.error.type, batch.error.line) == ("ValueError", 3)


def test_what_was_observed_is_told_before_the_call_that_may_show_it() -> None:
    batch = run("import time\nadd(time.time())\n", tools={"add": lambda _: 1})
    assert [message.kind for message in batch.messages] == ["observed", "call", "finished"]
    assert len(batch.all(Observed)) == 1


def test_the_scheduler_decides_about_calls_beyond_the_limit() -> None:
    batch = run("for _ in range(5):\n    one()\n", Policy(limits=Limits(calls=2)), {"one": lambda: 1})
    assert len(batch.calls) == 5
