"""Which parts of a conversation are shortened or left out so that the rest fits into a budget. Pure.

What is trimmed, and when, is the rule of `prompts`; this is its arithmetic, over the sizes of exchanges by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeAlias

STEP: Final = 8
"""Exchanges are shortened and left out by so many, so that a prompt's beginning stays the same for some turns."""
SHORT_BYTES: Final = 600
"""Of each text in an exchange that is shortened for its age."""
CUTS: Final = (32_768, 16_384, 8_192, 4_096, 2_048, 1_024, 512, 256)
"""Bytes to which each text is shortened of what stays in any case, one after the other until it fits."""

Size: TypeAlias = Callable[[int, int | None], int]
"""Of the exchange of that number, each of its texts shortened to so many bytes; None leaves them whole."""


@dataclass(frozen=True, slots=True)
class Trim:
    """What is done to each exchange."""

    limits: tuple[int | None, ...]
    """Bytes of each of its texts; None leaves them whole."""
    dropped: frozenset[int] = frozenset()
    size: int = 0
    """Of all that is left, with the remark on what is not."""


def trims(count: int, staying: Set[int], size: Size, *, kept: int, remark: int) -> Iterator[Trim]:
    """Give the ways to trim that many exchanges, from the mildest on; the last one is the shortest that there is.

    `staying` are those that are never left out, `kept` is how many of the last are only as a last resort; `remark` is
    the size of the line that says what is left out.
    """
    numbers = range(count)
    whole = sum(size(number, None) for number in numbers)
    yield Trim((None,) * count, size=whole)
    recent = max(0, count - max(1, kept))
    older = [number for number in numbers[:recent] if number not in staying]
    savings = [size(number, None) - size(number, SHORT_BYTES) for number in older]
    for taken, saved in _steps(savings):
        yield Trim(_limited(count, dict.fromkeys(older[:taken], SHORT_BYTES)), size=whole - saved)
    short = whole - sum(savings)
    limits = _limited(count, dict.fromkeys(older, SHORT_BYTES))
    for taken, saved in _steps([size(number, SHORT_BYTES) for number in older]):
        yield Trim(limits, frozenset(older[:taken]), short - saved + remark)
    yield from _last_resorts(count, staying, frozenset(older), size, remark)


def _last_resorts(count: int, staying: Set[int], older: frozenset[int], size: Size, remark: int) -> Iterator[Trim]:
    """Shorten what stays in any case, then leave out all of it that is not the newest or at the beginning."""

    def trim(cut: int, dropped: frozenset[int]) -> Trim:
        total = sum(size(number, cut) for number in range(count) if number not in dropped)
        return Trim((cut,) * count, dropped, total + (remark if dropped else 0))

    for cut in CUTS:
        yield trim(cut, older)
    recent = [number for number in range(count - 1) if number not in staying and number not in older]
    for taken in range(1, len(recent) + 1):
        yield trim(CUTS[-1], older | frozenset(recent[:taken]))


def _steps(savings: list[int]) -> Iterator[tuple[int, int]]:
    """Give how many are taken, always a whole step or all, and what that saves."""
    for taken, saved in enumerate(accumulate(savings), 1):
        if taken % STEP == 0 or taken == len(savings):
            yield taken, saved


def _limited(count: int, limits: dict[int, int]) -> tuple[int | None, ...]:
    return tuple(limits.get(number) for number in range(count))
