"""Warm-ups: how a text falls into blocks, what keeps one from running, which variable it expects."""

from __future__ import annotations

import builtins
from unittest.mock import MagicMock

import pytest

from statek.agents.warmup import PROVIDED, WarmupDef, check, expected_names, split
from statek.core.agents import WarmupBlock
from statek_executor.interpreter.host import GUEST_ERRORS
from statek_executor.interpreter.objects import HostObject
from statek_executor.interpreter.pending import future_functions
from statek_policies import Policy
from statek_policies.offered import BUILTINS


def test_rows_of_dashes_separate_blocks_and_hidden_ones_are_marked() -> None:
    text = """
    user = event.user
    print(user)
    # ----------
    # hidden
    secret = 1
    # ---
    # only a remark
    # ---
    print(
        "done"
    )
    """
    assert list(split(text)) == [
        WarmupBlock("user = event.user\nprint(user)"),
        WarmupBlock("# hidden\nsecret = 1", hidden=True),
        WarmupBlock('print(\n    "done"\n)'),
    ]


def test_a_row_of_dashes_in_a_text_or_behind_code_separates_nothing() -> None:
    text = 'x = """\n# -----\n# hidden\n"""\ny = 1  # -----\n'
    assert list(split(text)) == [WarmupBlock(text.strip("\n"))]


def test_what_is_no_python_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2 of the warm-up"):
        list(split("x = 1\ny = '''never closed\n"))


def test_blocks_may_be_given_one_by_one() -> None:
    warmup = WarmupDef(["a = 1", WarmupBlock("b = 2", hidden=True)], event_name="task")
    assert warmup.blocks == (WarmupBlock("a = 1"), WarmupBlock("b = 2", hidden=True))
    assert warmup.event_name == "task"
    with pytest.raises(ValueError, match="a block of a warm-up is a text or a WarmupBlock, not a int"):
        WarmupDef([1])  # type: ignore[list-item]


READS = [
    ("user = event.user\nprint(user)", ["event"]),
    ("event = event.strip()", ["event"]),
    ("total += 1", ["total"]),
    ("x: int = given\ny = x", ["given"]),
    ("for part in parts:\n    print(part)", ["parts"]),
    ("a = [f(b) for b in event.items if b != c]", ["event", "c", "f"]),
    ("def f():\n    return later + never\nlater = 1", ["never"]),
    ("class A(Base):\n    n = 1\n    m = n + k", ["Base", "k"]),
    ("import json as j\nj.dumps(event)", ["event"]),
    ("try:\n    g()\nexcept ValueError as e:\n    print(e)", ["g"]),
    ("match event:\n    case {'a': a, **rest}:\n        print(a, rest)", ["event"]),
    ("with calendar.open() as c:\n    c.find(today)", ["calendar", "today"]),
    ("if (n := len(event)) > 1:\n    print(n)", ["event"]),
    ("first, *others = event\nprint(first, others)", ["event"]),
    ("f = lambda x, y=default: x + y + z", ["default", "z"]),
    ("del gone", ["gone"]),
    ("print(input.strip(), __name__)", ["input"]),
    ("x = 1\nexit('done')", []),
    ("not python at all (", []),
]
"""Programs, and what they read before they assign it."""


@pytest.mark.parametrize(("source", "names"), READS)
def test_expected_are_names_that_are_read_before_they_are_assigned(source: str, names: list[str]) -> None:
    assert list(expected_names([WarmupBlock(source)])) == names


OFFERED = {name: found for name, found in vars(builtins).items() if name in BUILTINS or name.startswith("__")}
"""Of Python's built-ins, those that guests have too."""


@pytest.mark.parametrize(("source", "names"), READS[:-1])
def test_a_warm_up_runs_with_what_it_expects_and_not_without(source: str, names: list[str]) -> None:
    def missing(given: list[str]) -> str | None:
        """Run it as Python does, and return the name that it lacks."""
        try:
            exec(source, {"__builtins__": OFFERED, **{name: MagicMock() for name in given}})
        except NameError as error:
            return str(error.name)
        except (TypeError, ValueError, SystemExit):
            pass  # of the stand-ins for what is given
        return None

    assert missing(names) is None
    for name in names:
        if "def " not in source and "lambda" not in source:  # which nobody calls here
            without = missing([other for other in names if other != name])
            assert without == name or "for b in" in source  # where there is nothing to go through


def test_what_earlier_blocks_assign_and_what_is_known_is_not_expected() -> None:
    blocks = [WarmupBlock("a = search(event)"), WarmupBlock("print(a, calendar)")]
    assert expected_names(blocks, ("search", "calendar")) == ("event",)


def test_a_block_that_a_policy_refuses_is_named_with_its_line() -> None:
    blocks = [WarmupBlock("a = 1"), WarmupBlock("b = 2\nimport os"), WarmupBlock("c = (")]
    refused, invalid = check(blocks, Policy())
    assert refused.startswith("block 2 of the warm-up, line 2: the module 'os' is not offered")
    assert invalid.startswith("block 3 of the warm-up: line 1: SyntaxError")


def test_the_names_that_guests_find_are_those_that_interpreters_put_there() -> None:
    class Caller:
        call = None

    provided = {error.__name__ for error in GUEST_ERRORS} | {HostObject.__name__} | set(future_functions(Caller()))  # type: ignore[arg-type]
    assert provided | BUILTINS == PROVIDED
