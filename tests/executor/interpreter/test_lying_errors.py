"""Exceptions of a guest's class that answer as they like when the batch ends by them."""

from __future__ import annotations

import pytest
from interpreter_stand import run

EXIT = "try:\n    exit()\nexcept BaseException as caught:\n    Exit = type(caught)\n"


@pytest.mark.parametrize("base", ["Exception", "MemoryError", "SystemExit", "AttributeError"])
@pytest.mark.parametrize("answer", ["raise ValueError(name)", "return Odd()", "return None"])
def test_an_error_is_described_by_its_class_whatever_it_says_about_itself(base: str, answer: str) -> None:
    source = f"""
class Odd:
    def __getattribute__(self, name):
        return self
class Error({base}):
    def __getattribute__(self, name):
        {answer}
    def __setattr__(self, name, value):
        raise ValueError(name)
    def __str__(self):
        return "text"
raise Error(1)
"""
    end = run(source).end
    assert end.outcome == ("limit" if base == "MemoryError" else "error")
    assert end.error is not None
    assert (end.error.type, end.error.message, end.error.line) == ("Error", "text", 12)


@pytest.mark.parametrize(
    "raised",
    [
        "Exit(5)",
        "Exit([])",
        "Own()",
        "Bare()",
    ],
)
def test_an_exit_of_the_guests_own_making_ends_the_batch_without_a_text(raised: str) -> None:
    source = f"""{EXIT}
class Own(Exit):
    text = property(lambda self: 1 / 0)
    def __init__(self): pass
class Bare(Exit):
    def __init__(self): pass
    def __getattribute__(self, name): raise KeyError(name)
raise {raised}
"""
    end = run(source).end
    assert (end.outcome, end.error, end.exited, end.exit_status) == ("ok", None, True, None)


def test_an_exit_that_was_caught_can_be_raised_again() -> None:
    end = run(f"{EXIT.replace('exit()', 'exit(3)')}raise Exit('late')\n").end
    assert (end.exited, end.exit_status) == (True, "late")
