"""What a model is told of its workspace: what there is, how it is called, and nothing of what lies behind it."""

from __future__ import annotations

from datetime import date

from statek.agents.workspaces import Documented, Workspace, document_tool, document_variable, preamble
from statek.futures.results import FutureResult


def book(day: date, room: object = object(), *, note: str = "none", idempotency_key: str = "") -> str:
    """Book a room
    for a day.

    Raises RoomTaken.
    """
    return f"{day}{room}{note}{idempotency_key}"


async def weather(city: str) -> float:
    return len(city)


def test_a_tool_is_shown_as_its_caller_sees_it() -> None:
    entry = document_tool("book", book)
    assert entry.signature == "book(day: date, room: object = ..., *, note: str = 'none') -> str"
    assert entry.summary == "Book a room for a day."


def test_an_async_tool_is_called_like_any_other() -> None:
    assert document_tool("weather", weather).signature == "weather(city: str) -> float"


def test_a_tool_of_c_that_does_not_tell_its_parameters_is_shown_without() -> None:
    assert document_tool("iter", iter).signature == "iter(...)"


def test_a_variable_is_shown_by_its_type_and_never_by_its_value() -> None:
    assert document_variable("password", "hunter2").signature == "password: str"
    assert not document_variable("password", "hunter2").summary


def test_the_preamble_says_how_to_run_code_in_either_style() -> None:
    workspace = Workspace((document_tool("book", book),), (document_variable("n", 1),), modules=("json", "math"))
    fenced, tool = preamble(workspace, "fenced"), preamble(workspace, "tool")
    assert "```python" in fenced
    assert "```" not in tool
    assert "the tool `python`" in tool
    for text in (fenced, tool):
        assert "- book(day: date" in text
        assert "- n: int" in text
        assert "Modules that can be imported: json, math." in text
        assert "exit(" in text


def test_a_workspace_without_modules_says_so() -> None:
    assert "No module can be imported." in preamble(Workspace(), "fenced")


def test_a_tool_that_gives_a_future_comes_with_how_to_wait_for_it() -> None:
    def approve(what: str) -> FutureResult: ...

    assert "your code waits for it" in preamble(Workspace((document_tool("approve", approve),)), "tool")
    assert "your code waits for it" not in preamble(Workspace((document_tool("book", book),)), "tool")


def test_classes_are_described_as_far_as_there_is_room_and_the_others_named() -> None:
    classes = tuple(Documented(f"C{number}", f"C{number}", "x" * 1_000) for number in range(12))
    text = preamble(Workspace(classes=classes), "fenced")
    assert len(text) < 10_000
    assert "- C7\n" in text
    assert text.endswith("- also: C8, C9, C10, C11")
