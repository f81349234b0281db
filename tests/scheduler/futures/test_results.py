"""What an application makes of futures by itself: values, conditions, elements, combinations, temporal functions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from statek import FutureError, FutureFailed, FutureResult, get_all_future, get_any_future, temporal


class Flag:
    def __init__(self) -> None:
        self.up = False
        self.fetched = 0


def condition(future: FutureResult) -> bool:
    return bool(future.deps.up)


def complement(future: FutureResult) -> tuple[int, str]:
    future.deps.fetched += 1
    return 11, "22"


@temporal(complement=complement, condition=condition)
def wait_for(flag: Flag) -> FutureResult:
    return FutureResult(flag, 5)


def test_a_value_is_had_once_it_is_there_and_fetched_once() -> None:
    flag = Flag()
    future = wait_for(flag)
    assert (future.deps, future.state_num) == (flag, 5)
    assert not future.check_condition()
    with pytest.raises(FutureError) as raised:
        future.value  # noqa: B018 - a property that raises
    assert raised.value.future_result is future
    flag.up = True
    assert future.check_condition()
    assert future.value == future.value == (11, "22")
    assert flag.fetched == 1


def test_elements_are_unpacked_before_the_value_is_there() -> None:
    flag = Flag()
    left, right = wait_for(flag)
    with pytest.raises(FutureError):
        right.value  # noqa: B018 - a property that raises
    flag.up = True
    assert (left.value, right.value) == (11, "22")


def test_unpacking_a_future_of_unknown_size_says_what_to_annotate() -> None:
    def untold(future: FutureResult) -> Any:
        return (1, 2)

    future = FutureResult(Flag())
    future.set_complement_functions(untold, condition)
    with pytest.raises(TypeError, match="annotate what untold returns"):
        iter(future)
    future.deps.up = True
    assert future.value == (1, 2)
    assert [element.value for element in future] == [1, 2]


def test_combinations_of_combinations() -> None:
    flags = [Flag() for _ in range(3)]
    first, second, third = map(wait_for, flags)
    every = get_all_future(get_any_future(first, second), third, "plain")
    assert not every.check_condition()
    flags[1].up = True
    with pytest.raises(FutureError):
        every.value  # noqa: B018 - a property that raises
    flags[2].up = True
    assert every.value == ((11, "22"), (11, "22"), "plain")
    assert get_any_future(first, "there").value == "there"


@pytest.mark.parametrize("combine", [get_any_future, get_all_future])
def test_a_combination_of_nothing_is_refused(combine: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="at least one future"):
        combine()
    with pytest.raises(ValueError, match="at most 100"):
        combine(*range(101))


def test_any_passes_over_what_failed() -> None:
    def failing(future: FutureResult) -> object:
        raise FutureFailed("no")

    bad = FutureResult()
    bad.set_complement_functions(failing, lambda _: True)
    assert get_any_future(bad, 7).value == 7
    with pytest.raises(FutureFailed, match="no"):
        get_any_future(bad).value  # noqa: B018 - a property that raises


def test_a_temporal_function_may_give_a_plain_value_and_be_async() -> None:
    @temporal(complement, condition)
    async def wait(flag: Flag) -> Any:
        return FutureResult(flag) if not flag.up else "now"

    flag = Flag()
    future = asyncio.run(wait(flag))  # type: ignore[arg-type]
    assert not future.check_condition()
    flag.up = True
    assert future.value == (11, "22")
    assert asyncio.run(wait(flag)) == "now"  # type: ignore[arg-type]


def test_extends_takes_over_both_functions() -> None:
    @temporal(extends=wait_for)
    def wait_longer(flag: Flag) -> FutureResult:
        return FutureResult(flag)

    flag = Flag()
    future = wait_longer(flag)
    flag.up = True
    assert future.value == (11, "22")
    assert wait_longer.__temporal_condition__ is condition  # type: ignore[attr-defined]
    assert wait_longer.__is_temporal__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"complement": complement}, ValueError, "both"),
        ({"condition": condition}, ValueError, "both"),
        ({"extends": condition}, ValueError, "not temporal"),
        ({"extends": wait_for, "complement": complement, "condition": condition}, ValueError, "not both"),
        ({"deadline_seconds": -1}, ValueError, "deadline_seconds"),
        ({"deadline_seconds": float("nan")}, ValueError, "deadline_seconds"),
        ({"deadline_seconds": "soon"}, TypeError, "deadline_seconds"),
        ({"complement": 1, "condition": condition}, TypeError, "function"),
    ],
)
def test_contradictory_options_are_refused(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        temporal(**options)


def test_an_async_condition_is_refused() -> None:
    async def later(future: FutureResult) -> bool:
        return True

    with pytest.raises(TypeError, match="not an async one"):
        temporal(complement, later)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"state_num": "5"}, TypeError),
        ({"state_num": -1}, TypeError),
        ({"state_num": True}, TypeError),
        ({"key": 5}, TypeError),
        ({"key": ""}, ValueError),
        ({"key": "a\nb"}, ValueError),
        ({"key": "x" * 201}, ValueError),
        ({"key": "job/another-job"}, ValueError),
        ({"deadline_seconds": 10**400}, ValueError),
    ],
)
def test_a_future_that_could_not_be_kept_is_refused_where_it_is_made(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        FutureResult(**options)


def test_importing_what_an_application_uses_does_not_import_the_store() -> None:
    code = "import sys, statek; print(sorted({'dbzero', 'zmq', 'sqlite3'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
