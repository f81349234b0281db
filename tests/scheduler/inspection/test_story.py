"""How a job's story is told to people: what is alike once, long calls to a model as code, nothing obeyed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from statek.cli.story import TOLD_SECONDS, told_to_people

AT = "2030-01-31T12:00:00+00:00"


def call(cursor: int, **fields: Any) -> dict[str, Any]:
    told = {"kind": "call", "cursor": cursor, "at": AT, "batch": 1, "number": cursor, "tool": "poll", "arguments": ""}
    return {**told, "outcome": "ok", "value": "1", "error": None, "refused": "", **fields}


def heads(*entries: dict[str, Any] | None, clock: Any = lambda: 0.0) -> list[str]:
    return [line.partition("Z  ")[2] for line in told_to_people(entries, clock)]


def test_calls_that_are_alike_are_counted_until_another_one_comes() -> None:
    told = heads(call(1), call(2), call(3), call(4, value="2"), call(5, batch=2, value="2"))
    assert told == ["call poll() -> 1", "... 2 more like it", "call poll() -> 2", "call poll() -> 2"]


def test_what_was_counted_is_told_at_a_pause_after_a_while() -> None:
    now = [0.0]

    def entries() -> Iterator[dict[str, Any] | None]:
        yield from (call(1), call(2))
        now[0] += TOLD_SECONDS
        yield from (None, call(3), None, call(4))

    told = [line.partition("Z  ")[2] for line in told_to_people(entries(), lambda: now[0])]
    assert told == ["call poll() -> 1", "... 1 more like it", "... 2 more like it"]
    assert heads(call(1), call(2), None, call(3)) == ["call poll() -> 1", "... 2 more like it"]


def test_what_is_under_way_is_told_so() -> None:
    assert heads(call(1, outcome="pending", value=None)) == ["call poll(): under way"]
    subtask = {"kind": "subtask", "cursor": 1, "at": AT, "job": "j", "outcome": None, "error": None}
    assert heads(subtask) == ["subtask j: under way"]


def test_the_code_of_a_tool_call_is_shown_as_code_and_what_is_none_as_it_is() -> None:
    turn = {"kind": "model", "cursor": 1, "at": AT, "turn": 1, "model": "", "outcome": "code", "text": "", "remark": ""}
    turn |= {"input_tokens": 1, "output_tokens": 2, "error": None}
    lines = list(told_to_people([{**turn, "calls": ['{"code": "a = 1\\nb = \'\\u001b\'"}', "{not JSON", "[1]"]}]))
    assert [line.strip() for line in lines[1:] if line.strip()] == ["a = 1", "b = '\\x1b'", "{not JSON", "[1]"]


def test_a_line_is_cut_and_says_so() -> None:
    (line,) = told_to_people([call(1, value="x" * 10_000)])
    assert line.endswith("x…")
    assert len(line) < 500
