"""How an application offers its tools, and what is no tool."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from statek.calls.tools import ToolRegistry, load_app, tool
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


def test_an_application_file_exports_its_tools(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text("def add(a, b):\n    return a + b\n\ntools = [add]\n")
    assert load_app(app).names == ("add",)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("tools = [", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "exports no list `tools`"),
        ("tools = {}", "exports no list `tools`"),
        ("tools = ['name']", "a function is needed"),
    ],
)
def test_an_application_file_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, source: str, reason: str
) -> None:
    app = tmp_path / "app.py"
    app.write_text(source)
    with pytest.raises(AppUnusable, match=reason):
        load_app(app)


def test_a_file_that_is_not_there_or_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppUnusable, match="no application file"):
        load_app(tmp_path / "app.py")
    (tmp_path / "app.txt").write_text("tools = []")
    with pytest.raises(AppUnusable, match="no Python file"):
        load_app(tmp_path / "app.txt")
