"""Which of a guest's values would dbzero choke at, or keep as something else? They are refused before it gets them.

dbzero 0.7.0 ends its process at a lone surrogate that it looks up or stores, and at an integer beyond 64 bits in a
tuple; elsewhere it stores -1 for such an integer, or raises and leaves an item behind all the same. It ends a text at
its first NUL, cuts aware datetimes to milliseconds and their offsets to whole hours, and says nothing. A guest must
not be able to do the first, and need not be surprised by the second. Pure; what application code does with other
values is its own matter.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Final

LARGEST: Final = 2**63 - 1
SMALLEST: Final = -(2**63)
_CONTAINERS: Final = (list, tuple, set, frozenset)


class NotKeepable(ValueError):
    """A value that dbzero cannot keep; the text says which, and what to give instead."""


def check_bearable(values: object) -> None:
    """Refuse what ends dbzero's process: for all that crosses to code in its thread. Raises `NotKeepable`."""
    for value in _leaves(values):
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, int) and not SMALLEST <= value <= LARGEST:
            raise NotKeepable(
                "an integer beyond 64 bits cannot cross to an object or an ordinary tool: dbzero cannot hold it; "
                "give it as text, or have the tool marked with thread=True"
            )


def check_kept(values: object) -> None:
    """Refuse what dbzero would keep as something else: for all that is put into its objects. Raises `NotKeepable`."""
    check_bearable(values)
    for value in _leaves(values):
        if isinstance(value, str) and "\0" in value:
            raise NotKeepable("a text with a NUL would end there in dbzero: give bytes")
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            _check_instant(value)
        elif isinstance(value, datetime.time) and value.tzinfo is not None:
            raise NotKeepable("dbzero does not keep a time of day with a zone: give it without one")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotKeepable("a text with a lone surrogate cannot cross to an object or an ordinary tool") from None


def _check_instant(instant: datetime.datetime) -> None:
    if instant.microsecond % 1_000:
        raise NotKeepable(
            "dbzero cuts an aware datetime to milliseconds: give it with whole ones, or without a zone, or as a number"
        )
    offset = instant.utcoffset()
    if offset is not None and offset % datetime.timedelta(hours=1):
        raise NotKeepable("dbzero cuts a zone's offset to whole hours: convert the datetime to UTC")


def _leaves(values: object) -> Iterator[Any]:
    """Yield what is in plain containers, keys included, however deep; they are trees by the way they crossed."""
    left = [values]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.keys()
            left += value.values()
        elif isinstance(value, _CONTAINERS):
            left += value
        else:
            yield value
