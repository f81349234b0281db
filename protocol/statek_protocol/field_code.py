"""Which Python source reads a dataclass from a map, or makes a map of one, without a loop over its fields?

Messages are read and written more often than anything else is done, and a loop costs several times what it does. So the
source is put together once for each class, as the standard library's dataclasses do. It is made of the names that the
class declares, of types and of numbers, and of nothing that a message brings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = "str | tuple[Path, str | int]"
"""Where a value stands: put together when there is a fault to tell, for most values have none."""

Read: TypeAlias = Callable[[object, Path], Any]
"""Reads a value or raises `InvalidField`."""

Write: TypeAlias = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reader:
    """How a field is read."""

    read: Read
    """For any value."""
    passes: str = ""
    """Source of a test, with `{0}` for the value, that is true only of values of which `read` is known to make this:"""
    made: str = "{0}"
    """Source of what is made of those that pass; most of them stay as they are."""


def reading(cls: type, fields: Mapping[str, Reader], otherwise: Read) -> Read:
    """Make the function that reads maps with exactly these fields; others go to `otherwise`."""
    names = list(fields)
    lines = [
        "def read(value, path):",
        f"    if type(value) is dict and len(value) == {len(names)}:",
        "        try:",
        *([f"            v{place} = value[{name!r}]" for place, name in enumerate(names)] or ["            pass"]),
        "        except KeyError:",
        "            return otherwise(value, path)",
        "        return cls(",
        *(f"            {_read_one(place, name, fields[name])}," for place, name in enumerate(names)),
        "        )",
        "    return otherwise(value, path)",
    ]
    readers = {f"r{place}": fields[name].read for place, name in enumerate(names)}
    read: Read = _made(cls, lines, {"cls": cls, "otherwise": otherwise, "inf": math.inf, **readers})
    return read


def writing(cls: type, names: Sequence[str], scalars: frozenset[type], plain: Callable[[Any], Any]) -> Write:
    """Make the function that maps an instance's fields to what they hold, or to what `plain` makes of no scalar."""
    lines = [
        "def write(instance):",
        *(f"    v{place} = instance.{name}" for place, name in enumerate(names)),
        "    return {",
        *(f"        {name!r}: {_write_one(place)}," for place, name in enumerate(names)),
        "    }",
    ]
    write: Write = _made(cls, lines, {"scalars": scalars, "plain": plain, "empty": ()})
    return write


def _read_one(place: int, name: str, reader: Reader) -> str:
    value = f"v{place}"
    read = f"r{place}({value}, (path, {'.' + name!r}))"
    return f"{reader.made.format(value)} if {reader.passes.format(value)} else {read}" if reader.passes else read


def _write_one(place: int) -> str:
    value = f"v{place}"
    return f"{value} if type({value}) in scalars else [] if {value} is empty else plain({value})"


def _made(cls: type, lines: Sequence[str], namespace: dict[str, Any]) -> Any:
    """Run the definition of one function, and return that."""
    exec(compile("\n".join(lines), f"<fields of {cls.__qualname__}>", "exec"), namespace)  # noqa: S102 - our own source
    return namespace["read" if "read" in namespace else "write"]
