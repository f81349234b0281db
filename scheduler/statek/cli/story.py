"""How the story of a job is told to people: a line for each entry, its text below, what is alike told once. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from statek.audit.escaping import shown

Entry = dict[str, Any]

TOLD_SECONDS: Final = 10.0
"""How long calls that are alike are only counted while a job is followed."""
_LINE: Final = 400
_ALIKE: Final = ("kind", "batch", "tool", "arguments", "outcome", "value", "error", "refused")


def told_to_people(entries: Iterable[Entry | None], clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """Give the lines of entries; None in their place is a pause, in which what was counted may be told."""
    last: Entry | None = None
    more, told = 0, clock()
    for entry in entries:
        if entry is not None and last is not None and _alike(entry, last):
            more, last = more + 1, entry
            continue
        if last is not None and more and (entry is not None or clock() - told >= TOLD_SECONDS):
            yield _more(more, last)
            more, told = 0, clock()
        if entry is not None:
            yield from _lines(entry)
            last, told = entry, clock()
    if last is not None and more:
        yield _more(more, last)


def _alike(one: Entry, other: Entry) -> bool:
    return one["kind"] == "call" and all(one.get(name) == other.get(name) for name in _ALIKE)


def _more(count: int, last: Entry) -> str:
    return f"{_instant(last)}  ... {count} more like it"


def _lines(entry: Entry) -> Iterator[str]:
    """Write one entry, what it has of text indented below it."""
    head, body = _told(entry)
    line = shown(f"{_instant(entry)}  {' '.join(head.split())}")
    yield line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
    for text in body.rstrip("\n").split("\n") if body.strip() else ():
        yield f"    {shown(text, keep=chr(9))}"


def _told(entry: Entry) -> tuple[str, str]:
    wrong, outcome = _wrong(entry), entry.get("outcome") or "under way"
    match entry["kind"]:
        case "user":
            return f"{entry['source']} says", entry["text"]
        case "model":
            tokens = f"{entry['input_tokens']}+{entry['output_tokens']} tokens"
            remark = f" ({entry['remark']})" if entry["remark"] else ""
            head = f"turn {entry['turn']} of {entry['model'] or 'the model'}: {outcome}, {tokens}{wrong}{remark}"
            return head, "\n".join((entry["text"], *map(_code, entry["calls"])))
        case "batch" | "warmup":
            return f"{entry['kind']} {entry['name']}: {outcome}{wrong}", entry["console"]
        case "subtask":
            return f"subtask {entry['job']}: {outcome}{wrong}", ""
        case "steering":
            return entry["act"], entry["text"]
        case "wait":
            return f"waits for {entry['awaits']}: {'still' if entry['outcome'] is None else outcome}", ""
        case "violation":
            line = f", line {entry['line']}" if entry["line"] else ""
            return f"violation of {entry['rule']} ({entry['layer']}{line}): {entry['detail']}", ""
        case "end":
            return f"the job ended: {outcome}{wrong}{', closed' if entry['closed'] else ''}", entry["exit_status"] or ""
    return _call(entry, wrong), ""


def _call(entry: Entry, wrong: str) -> str:
    call, value = f"call {entry['tool']}({entry['arguments']})", entry["value"]
    if entry["outcome"] == "pending":
        return f"{call}: under way"
    return f"{call}{wrong}" if wrong else call if value in (None, "None") else f"{call} -> {value}"


def _wrong(entry: Entry) -> str:
    """Say what was wrong: an error, or a limit."""
    error, limit = entry.get("error"), entry.get("limit")
    if error:
        line = f" (line {error['line']})" if error.get("line") else ""
        return f": {error['type']}: {error['message']}{line}"
    return f": {limit['name']}, {limit['used']:g} of {limit['allowed']:g}" if limit else ""


def _code(arguments: str) -> str:
    """Take the code out of a tool call's arguments, where they are what they should be."""
    try:
        (code,) = json.loads(arguments).values()
    except (ValueError, AttributeError, RecursionError):
        return arguments
    return code if isinstance(code, str) else arguments


def _instant(entry: Entry) -> str:
    """Write an instant to the millisecond, in UTC."""
    at = str(entry["at"])
    return f"{at[:10]} {at[11:19]}.{at[20:23] if at[19:20] == '.' else '000'}Z"
