"""Which messages are there, and what may their fields hold? Written into protocol.md from the classes that check them.

`scripts/protocol-tables` rewrites the part of the document between its two markers; with `--check` it only says whether
the document is current.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from remarks import remarks

from statek_protocol import errors
from statek_protocol.messages import client, executor, interpreter
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import answers, requests, vitals
from statek_protocol.schema import INT_LIMIT, SEQUENCE_LIMIT, TEXT_LIMIT, Bounds, PlainField

DOCUMENT: Final = Path(__file__).with_name("protocol.md")
BEGIN: Final = "<!-- begin: written by scripts/protocol-tables -->"
END: Final = "<!-- end: written by scripts/protocol-tables -->"

_MODULES: Final = (executor, interpreter, requests, vitals, answers)
_GROUPS: Final[Sequence[tuple[str, frozenset[type[Message]]]]] = (
    ("The stamp, in front of every leased message", executor.STAMPS),
    ("Supervisor to scheduler", executor.FROM_SUPERVISOR),
    ("Scheduler to supervisor", executor.TO_SUPERVISOR),
    ("Leased, supervisor to scheduler", executor.FROM_SUPERVISOR_LEASED - interpreter.FROM_INTERPRETER),
    ("Leased, scheduler to supervisor", executor.TO_SUPERVISOR_LEASED - interpreter.PASSED_TO_INTERPRETER),
    ("Leased, interpreter to scheduler", interpreter.FROM_INTERPRETER),
    ("Leased, scheduler to interpreter", interpreter.PASSED_TO_INTERPRETER),
    ("Supervisor to interpreter", interpreter.TO_INTERPRETER - interpreter.PASSED_TO_INTERPRETER),
    ("Client to scheduler", client.FROM_CLIENT),
    ("Scheduler to client", client.TO_CLIENT),
)
_PLAIN: Final = get_args(PlainField)[1]
_UNITS: Final = ((2**20, "MiB"), (2**10, "KiB"))
_POWERS: Final = {2**63 - 1: "2^63 - 1", 2**53: "2^53", 10**9: "10^9"}


def main(arguments: Sequence[str]) -> int:
    """Rewrite the document, or check it; returns the exit status."""
    current = DOCUMENT.read_text(encoding="utf-8")
    wanted = updated(current)
    if "--check" in arguments:
        return int(current != wanted)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


def updated(document: str) -> str:
    """Return the document with its tables made anew."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks the markers {BEGIN!r} and {END!r}")
    return "".join((before, begin, "\n\n", "\n".join(_tables()), "\n", end, after))


def _tables() -> Iterator[str]:
    for title, kinds in _GROUPS:
        yield from (f"### {title}", "")
        for cls in _in_source_order(kinds):
            size = "" if cls.max_bytes == Message.max_bytes else f" At most {_bytes(cls.max_bytes)}."
            yield from _section(f"`{cls.kind}`", cls, size)
    yield from ("### Parts of messages", "")
    for part in _in_source_order(_parts()):
        yield from _section(part.__name__, part, "")
    yield from ("### Names of refusals", "", "| code | the receiver met |", "|---|---|")
    for error in errors.ProtocolError.__subclasses__():
        if error.__module__ == errors.__name__:
            yield f"| `{error.code}` | {_paragraphs(error)[0]} |"
    yield ""


def _section(title: str, cls: type[Any], size: str) -> Iterator[str]:
    first, *rest = _paragraphs(cls)
    yield from (f"#### {title}", "", f"{first}{size}", "")
    for paragraph in rest:
        yield from (paragraph, "")
    hints, said = get_type_hints(cls, include_extras=True), remarks(cls)
    rows = [(f"`{field.name}`", _form(hints[field.name]), said.get(field.name)) for field in dataclasses.fields(cls)]
    if rows:
        yield from _table(rows)


def _table(rows: Sequence[tuple[str, str, str | None]]) -> Iterator[str]:
    """Lay out fields, with a column for remarks only where there is one."""
    columns = 3 if any(remark for *_, remark in rows) else 2
    for row in (("field", "holds", "remark"), ("---", "---", "---"), *rows):
        yield f"| {' | '.join(cell or '' for cell in row[:columns])} |".replace("  |", " |")
    yield ""


def _in_source_order(classes: Iterable[type[Any]]) -> list[type[Any]]:
    order = [name for module in _MODULES for name in vars(module)]
    return sorted(classes, key=lambda cls: order.index(cls.__name__))


def _parts() -> frozenset[type[Any]]:
    """Every class that the messages are made of and that is no message itself."""
    return frozenset(
        value
        for module in _MODULES
        for value in vars(module).values()
        if dataclasses.is_dataclass(value)
        and isinstance(value, type)
        and value.__module__ == module.__name__
        and not issubclass(value, Message)
    )


def _paragraphs(cls: type[Any]) -> list[str]:
    text = inspect.getdoc(cls) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _form(hint: Any, bounds: Bounds | None = None) -> str:
    """Say in words what a field's annotation lets through."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if _PLAIN in arguments:
            return "plain value"
        declared = [mark for mark in arguments[1:] if isinstance(mark, Bounds)]
        return _form(arguments[0], declared[0] if declared else bounds)
    if origin in (Union, types.UnionType):
        return f"{_form(next(a for a in arguments if a is not types.NoneType), bounds)}; or nil"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of at most {_count((bounds or Bounds(0, SEQUENCE_LIMIT)).high)}: {_form(arguments[0])}"
    if origin is dict:
        return f"map of at most {_count((bounds or Bounds(0, SEQUENCE_LIMIT)).high)}: text to {_form(arguments[1])}"
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return _scalar(hint, bounds)


def _scalar(hint: Any, bounds: Bounds | None) -> str:
    if hint is bool:
        return "true or false"
    if hint is bytes:
        assert bounds is not None
        return f"bytes, at most {_bytes(bounds.high)}"
    if hint is str:
        bounds = bounds or Bounds(0, TEXT_LIMIT)
        return f"text of {'1 to' if bounds.low else 'at most'} {_count(bounds.high)} characters"
    word = "whole number" if hint is int else "number"
    if hint is float and bounds is None:
        return word
    bounds = bounds or Bounds(0, INT_LIMIT)
    return f"{word}, {_count(bounds.low)} to {_count(bounds.high)}"


def _bytes(size: float) -> str:
    """Spell out a size by its binary units: 16 MiB and 64 KiB."""
    words, left = [], int(size)
    for unit, name in _UNITS:
        whole, left = divmod(left, unit)
        words += [f"{whole} {name}"] if whole else []
    words += [f"{_count(left)} bytes"] if left or not words else []
    return " and ".join(words)


def _count(number: float) -> str:
    if number in _POWERS:
        return _POWERS[int(number)]
    return f"{int(number):,}".replace(",", " ") if number == int(number) else str(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
