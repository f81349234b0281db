"""How much a guest may use: the numbers, their valid range, and their spelling on a command line."""

import math
import re
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Self

from statek_policies.errors import InvalidLimit, UnknownLimit

KIB = 1024
MIB = 1024 * KIB

_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "KiB": KIB, "kiB": KIB, "MiB": MIB, "GiB": 1024 * MIB}
_UNITS |= {"kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "B": 1}
_NUMBER = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*")

_LARGEST_SECONDS = 7 * 24 * 3600.0
_LARGEST_COUNT = 2**53
_LARGEST = {"argument_bytes": 16 * MIB, "source_bytes": 8 * MIB, "workspace_bytes": 64 * MIB, "variables": 20_000}
"""What one message between STATEK's processes may carry (statek_protocol.messages.base; a test compares them)."""
_SMALLEST = {"memory_bytes": 16 * MIB, "argument_depth": 1, "source_bytes": 1, "ast_nodes": 1}
"""An interpreter does not start in less memory; without source there is nothing to run. All other counts may be 0."""
REFUSALS_LIMIT = 100
"""Calls of one batch that are answered with the error of a limit. At the next one the batch is ended: to refuse a call
costs the scheduler as much as to serve it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each number is enforced for one guest; breaching one names it and leaves every other job untouched."""

    cpu_seconds: float = 5.0
    """Processor time of one batch."""
    wall_seconds: float = 30.0
    """Time of one batch on the clock, waits for calls not counted by the one who enforces it."""
    memory_bytes: int = 256 * MIB
    """What the guest may allocate beyond the empty interpreter."""
    output_bytes: int = MIB
    """Console output of one batch."""
    output_lines: int = 10_000
    """Console lines of one batch."""
    calls: int = 200
    """Tool calls and host-object operations of one batch."""
    pending_waits: int = 100
    """Futures awaited at the same time."""
    argument_bytes: int = MIB
    """Encoded arguments, or the encoded result, of one call."""
    argument_depth: int = 64
    """Nesting of a value that crosses."""
    source_bytes: int = 200_000
    """Source of one batch."""
    ast_nodes: int = 20_000
    """Syntax nodes of one batch."""
    workspace_bytes: int = 16 * MIB
    """Encoded variables of a job."""
    variables: int = 10_000
    """Global variables of a job."""

    def __post_init__(self) -> None:
        for name in self.names():
            object.__setattr__(self, name, _checked(name, getattr(self, name)))

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """List the limits in the order of their definition."""
        return tuple(field.name for field in fields(cls))

    def changed(self, **values: object) -> Self:
        """Return the same limits with some of them replaced."""
        for name in values:
            _known(name)
        return replace(self, **values)  # type: ignore[arg-type]  # __post_init__ checks each value

    def to_wire(self) -> dict[str, int | float]:
        """Return plain values by name."""
        return {name: getattr(self, name) for name in self.names()}


def parse_limit(text: str) -> tuple[str, int | float]:
    """Read `name=value` as typed by an operator: `cpu_seconds=2`, `memory_bytes=64MiB`, `calls=1k`."""
    name, equals, value = text.partition("=")
    name = name.strip()
    _known(name)
    if not equals:
        raise InvalidLimit(name, "", f"write it as {name}=<number>")
    return name, _checked(name, _number(name, value))


def _known(name: str) -> None:
    if name not in Limits.names():
        raise UnknownLimit(name, Limits.names())


def is_seconds(name: str) -> bool:
    """Tell whether a limit is a time (a float) rather than a count (an int)."""
    return name.endswith("_seconds")


def _number(name: str, text: str) -> int | float:
    found = _NUMBER.fullmatch(text)
    unit = found[2] if found else ""
    if found is None or unit not in _UNITS or (unit and is_seconds(name)):
        wanted = "a number of seconds, such as 2.5" if is_seconds(name) else "a whole number, such as 500, 10k or 64MiB"
        raise InvalidLimit(name, text, f"write {wanted}")
    digits = found[1].replace("_", "")
    if is_seconds(name):
        return float(digits)
    value = float(digits) * _UNITS[unit] if not digits.isdigit() else int(digits) * _UNITS[unit]
    if not math.isfinite(value) or value != int(value):
        raise InvalidLimit(name, text, "must come to a whole number")
    return int(value)


def _checked(name: str, value: object) -> int | float:
    if is_seconds(name):
        return _checked_seconds(name, value)
    if type(value) is not int:
        raise InvalidLimit(name, value, "must be a whole number")
    smallest, largest = _SMALLEST.get(name, 0), _LARGEST.get(name, _LARGEST_COUNT)
    if not smallest <= value <= largest:
        raise InvalidLimit(name, value, f"must be between {smallest} and {largest}")
    return value


def _checked_seconds(name: str, value: object) -> float:
    if type(value) not in (int, float):
        raise InvalidLimit(name, value, "must be a number of seconds")
    seconds = float(value)  # type: ignore[arg-type]  # int or float, checked above
    if not 0 < seconds <= _LARGEST_SECONDS:
        raise InvalidLimit(name, value, f"must be more than 0 and at most {_LARGEST_SECONDS:.0f} seconds")
    return seconds
