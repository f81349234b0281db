"""dbzero's own containers: how they are told, and what they are as plain values. In dbzero's thread.

They are static types of its C code under the names of Python's, with a capital letter; none of them can be made by
Python code under such a name, since a class statement makes a heap type.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE of CPython's object.h: the class was made at run time, as every class in Python code is."""
_NAMES: Final = frozenset({"List", "Dict", "Set", "Tuple", "ByteArray", "ObjectIterable"})
_CHANGEABLE: Final = frozenset({"List", "Dict", "Set"})


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
