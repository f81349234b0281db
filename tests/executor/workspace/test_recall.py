"""Variables that were compared once are only taken for unchanged when each of them is, and none shares anything."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from statek_executor.workspace.encoder import PlainWriter
from statek_executor.workspace.recall import MOST_VALUES, Recalls

TOUCHED = frozenset({"a", "b", "c", "print"})
LONG = "long " * 20


class Job:
    """A namespace, of which something is remembered."""

    def __init__(self, **variables: Any) -> None:
        self.namespace: dict[str, Any] = {"__builtins__": {}, **variables}
        self.recalls = Recalls(self.namespace, PlainWriter().expression)
        self.recalls.remember(TOUCHED, TOUCHED, variables)

    def is_as_it_was(self) -> bool:
        return self.recalls.holds(TOUCHED)


def test_the_same_values_in_new_objects_are_recognised() -> None:
    job = Job(a=[1, [2.5, "x"]], b={"k": (1, 2), "l": set()}, c=LONG)
    job.namespace.update(a=[1, [2.5, "x"]], b={"k": (1, 2), "l": set()}, c=LONG[:5] + LONG[5:])
    assert job.is_as_it_was()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, 2),
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("x", b"x"),
        (b"x", bytearray(b"x")),
        ([1], (1,)),
        ({1}, frozenset({1})),
        ({"k": 1, "l": 2}, {"l": 2, "k": 1}),
        ([[1], []], [[], [1]]),
        ([b"x"], [bytearray(b"x")]),
        ("x", "\ud800"),
        (1, object()),
        ([1], [print]),
    ],
)
def test_a_value_that_is_another_is_noticed(before: object, after: object) -> None:
    job = Job(a=before, b=[1])
    assert job.is_as_it_was()
    job.namespace["a"] = after
    assert not job.is_as_it_was()


def test_what_two_variables_came_to_share_is_noticed() -> None:
    job = Job(a=[1], b=[1])
    job.namespace["a"] = job.namespace["b"]
    assert not job.is_as_it_was()


def test_what_occurs_twice_in_one_variable_is_noticed() -> None:
    job = Job(a=[[1], [1]])
    part = [1]
    job.namespace["a"] = [part, part]
    assert not job.is_as_it_was()


def test_a_long_text_in_two_places_is_noticed() -> None:
    job = Job(a=LONG, b=[LONG[:5] + LONG[5:]])
    job.namespace["b"] = [LONG]
    job.namespace["a"] = job.namespace["b"][0]
    assert not job.is_as_it_was()


def test_a_variable_that_is_gone_is_noticed() -> None:
    job = Job(a=1, b=2)
    del job.namespace["b"]
    assert not job.is_as_it_was()


def test_a_variable_that_was_not_there_is_noticed() -> None:
    job = Job(a=1, b=2)
    job.namespace["print"] = 1
    assert not job.is_as_it_was()


def test_names_that_lead_to_no_variable_are_recognised_until_one_does() -> None:
    job = Job()
    assert job.is_as_it_was()
    job.namespace["c"] = 1
    assert not job.is_as_it_was()


def test_nothing_is_known_after_a_change() -> None:
    job = Job(a=1)
    job.recalls.clear()
    assert not job.is_as_it_was()


@pytest.mark.parametrize("value", [datetime.datetime(2024, 1, 1), list(range(MOST_VALUES)), "x" * 5000, print])
def test_times_and_much_and_what_is_not_plain_are_looked_at_each_time(value: object) -> None:
    assert not Job(a=value).is_as_it_was()
