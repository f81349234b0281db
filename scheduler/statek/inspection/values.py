"""How is a value that crossed to a tool, or back, shown to people? Short, in one line, and never as an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from statek.audit.escaping import shortened
from statek_protocol.references import FutureRef, HandleRef, PlainReferences
from statek_protocol.values import DEPTH_LIMIT, MalformedValue, decode_value

CHARACTERS: Final = 2_000
"""Of one value."""
_PARTS: Final = 100
"""Of one container that are written out."""
_LAYERS: Final = 12
_REFERENCES: Final = PlainReferences()


def shown_value(data: bytes) -> str:
    """Write an encoded value as Python would, references in angle brackets, cut where it is long."""
    return _decoded(data, lambda value: _text(value, _LAYERS))


def shown_arguments(data: bytes) -> str:
    """Write the encoded arguments of a call as they stand between its parentheses."""
    return _decoded(data, _arguments)


def _decoded(data: bytes, write: Callable[[Any], str]) -> str:
    try:
        value = decode_value(data, max_bytes=len(data), max_depth=DEPTH_LIMIT, crossing=_REFERENCES)
    except MalformedValue as error:
        return f"<no value: {shortened(str(error), 200)}>"
    return shortened(write(value), CHARACTERS)


def _arguments(value: Any) -> str:
    match value:
        case (tuple() as args, dict() as kwargs):
            named = (f"{name}={_text(part, _LAYERS)}" for name, part in kwargs.items())
            return ", ".join((*(_text(part, _LAYERS) for part in args), *named))
    return _text(value, _LAYERS)


def _text(value: Any, layers: int) -> str:
    match value:
        case HandleRef(number, type_name):
            return f"<{type_name} {number}>"
        case FutureRef(number):
            return f"<future {number}>"
        case str() | bytes() if len(value) > CHARACTERS:
            return repr(value[:CHARACTERS]) + "…"
        case int() if value.bit_length() > 4 * CHARACTERS:
            return f"<int of {value.bit_length()} bits>"
        case dict():
            pairs = (f"{_text(key, layers - 1)}: {_text(part, layers - 1)}" for key, part in value.items())
            return _within("{", pairs, "}", len(value), layers)
        case list():
            return _within("[", _parts(value, layers), "]", len(value), layers)
        case tuple():
            return _within("(", _parts(value, layers), ",)" if len(value) == 1 else ")", len(value), layers)
        case set() | frozenset():
            return _within("{", _parts(value, layers), "}", len(value), layers) if value else "set()"
    return _leaf(value)


def _leaf(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # numbers in it are too long to be written in decimal
        return f"<{type(value).__name__}>"


def _parts(value: Iterable[Any], layers: int) -> Iterator[str]:
    return (_text(part, layers - 1) for part in value)


def _within(opening: str, parts: Iterator[str], closing: str, size: int, layers: int) -> str:
    """Write a container, with no more of its parts than are looked at anyway."""
    if layers <= 0 and size:
        return f"{opening}…{closing}"
    more = ["…"] if size > _PARTS else []
    return f"{opening}{', '.join([*islice(parts, _PARTS), *more])}{closing}"
