"""How an application offers its tools, and what is no tool."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from statek.calls.tools import ToolRegistry, tool
from statek.errors import AppUnusable


def plain(text: str) -> str:
    return text


def test_a_plain_function_needs_no_mark() -> None:
    offered = ToolRegistry([plain]).get("plain")
    assert offered is not None
    assert (offered.thread, offered.idempotent, offered.wants_key, offered.is_async) == (False, False, False, False)


def test_a_mark_says_how_a_tool_may_be_run() -> None:
    @tool(name="fetch", thread=True, idempotent=True)
    def anything(url: str, idempotency_key: str) -> str:
        return url + idempotency_key

    offered = ToolRegistry([anything]).get("fetch")
    assert offered is not None
    assert (offered.thread, offered.idempotent, offered.wants_key) == (True, True, True)
    assert anything("a", "b") == "ab"


def test_a_mark_without_arguments_changes_nothing() -> None:
    assert ToolRegistry([tool(plain)]).names == ("plain",)


def test_an_object_with_an_async_call_is_async() -> None:
    class Caller:
        __name__ = "caller"

        async def __call__(self) -> None: ...

    offered = ToolRegistry([Caller()]).get("caller")
    assert offered is not None
    assert offered.is_async


def test_a_function_of_c_is_a_tool_although_it_does_not_tell_its_parameters() -> None:
    offered = ToolRegistry([max]).get("max")
    assert offered is not None
    assert not offered.wants_key


@pytest.mark.parametrize("name", ["_hidden", "no name", "class", "1st", "x" * 201])
def test_a_name_that_a_guest_could_not_call_is_refused(name: str) -> None:
    with pytest.raises(AppUnusable, match="no name for a tool"):
        ToolRegistry([tool(name=name)(lambda: None)])


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(AppUnusable, match="no name for a tool"):
        ToolRegistry([functools.partial(plain, "x")])


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(AppUnusable, match="a function is needed"):
        ToolRegistry(["plain"])  # type: ignore[list-item]


def test_a_name_can_be_taken_once() -> None:
    with pytest.raises(AppUnusable, match="two tools are called 'plain'"):
        ToolRegistry([plain, tool(name="plain")(lambda: None)])


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan"), True, "5"])
def test_a_time_that_no_tool_can_take_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="timeout_seconds"):
        tool(timeout_seconds=seconds)(plain)


def test_marks_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="dbzero's thread"):
        tool(transactional=True, thread=True)(plain)

    @tool(transactional=True)
    async def changes() -> None: ...

    with pytest.raises(AppUnusable, match="async, so it cannot be transactional"):
        ToolRegistry([changes])
