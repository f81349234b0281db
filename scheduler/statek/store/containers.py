"""What crosses by value without being of a plain type: kinds of plain values, and dbzero's own containers.

These are static types of dbzero's C code under the names of Python's, with a capital letter; none of them can be made
by Python code under such a name, since a class statement makes a heap type. They are read in dbzero's thread.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable
from typing import Any, Final

HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE of CPython's object.h: the class was made at run time, as every class in Python code is."""
_NAMES: Final = frozenset({"List", "Dict", "Set", "Tuple", "ByteArray", "ObjectIterable"})
_CHANGEABLE: Final = frozenset({"List", "Dict", "Set"})

_PLAIN_OF: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (int, int.__index__),
    (float, float.__pos__),
    (complex, complex.__pos__),
    (str, str.__str__),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
)
"""Kinds of plain values that have no identity, and what each is without its class."""

_PYTHONS: Final[dict[type, Callable[[Any], Any]]] = {
    collections.OrderedDict: dict,
    collections.defaultdict: dict,
    collections.Counter: dict,
    collections.deque: list,
    bytearray: bytes,
    type({}.keys()): list,
    type({}.values()): list,
    type({}.items()): list,
}
"""Containers of Python's own, and what they are as plain ones."""


def as_plain(value: Any, limit: int) -> Any:
    """Return what crosses in the place of a value, one level deep; the value itself where nothing does."""
    kind = type(value)
    if kind in _PYTHONS:
        return _PYTHONS[kind](value)
    if is_container_type(kind):
        return plain(value, limit)
    return next((without_class(value) for base, without_class in _PLAIN_OF if issubclass(kind, base)), value)


def is_container_type(cls: type) -> bool:
    """Tell whether a class is one of dbzero's containers or queries."""
    return cls.__name__ in _NAMES and cls.__module__ == "builtins" and not cls.__flags__ & HEAP_TYPE


def is_changeable(value: object) -> bool:
    """Tell whether a value is a container of dbzero that can be changed in place."""
    return type(value).__name__ in _CHANGEABLE and is_container_type(type(value))


def plain(value: Any, limit: int) -> Any:
    """Copy a container of dbzero into one of Python, one level deep, of at most one part more than the limit."""
    match type(value).__name__:
        case "Dict":
            return dict(itertools.islice(value.items(), limit + 1))
        case "Set":
            return set(itertools.islice(value, limit + 1))
        case "Tuple":
            return tuple(itertools.islice(value, limit + 1))
        case "ByteArray":
            return bytes(itertools.islice(value, limit + 1))
        case _:
            return list(itertools.islice(value, limit + 1))
