"""Are variables that were plain, and compared once, still what they were then? Told without writing each of them.

A batch that runs again mostly leaves what it left before. Its variables were looked at one by one then; what was seen
is kept here: of which types everything in them is, level by level, and the bytes of all of them written at once. If it
is the same, and again nothing occurs in two places, they would be written as they were.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from statek_executor.workspace.partition import DEPTH, LONG_TEXT
from statek_executor.workspace.reach import TIMES
from statek_protocol import values

MOST_KNOWN: Final = 100
"""Sets of names of which something is remembered."""
MOST_VALUES: Final = 256
MOST_BYTES: Final = 4096
"""What is kept of the variables of one batch; with more than that the look at each of them is not what takes long."""

_Pick = Callable[[list[Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Level:
    """What lies equally deep in the variables."""

    types: list[type]
    containers: _Pick | None
    owned: _Pick | None
    """Picks what must not occur elsewhere: containers, and texts that are stored once."""


@dataclass(frozen=True, slots=True)
class _Recall:
    """Variables as they were when they were compared last."""

    values: Callable[[Mapping[str, object]], tuple[Any, ...]]
    """Takes them from the namespace; raises KeyError where one is gone."""
    absent: frozenset[str]
    """Names that led to no variable."""
    levels: tuple[_Level, ...]
    written: bytes


class Recalls:
    """What is remembered of the variables that certain names lead to, as long as nothing is told to have changed."""

    def __init__(self, namespace: Mapping[str, object], write: Callable[[list[Any]], bytes | None]) -> None:
        self._namespace = namespace
        self._write = write
        self._known: dict[frozenset[str], _Recall | None] = {}

    def clear(self) -> None:
        self._known.clear()

    def remember(self, touched: frozenset[str], names: Iterable[str], variables: Mapping[str, object]) -> None:
        """Remember variables that were found plain, apart and unchanged, out of these names, where it pays."""
        if touched not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[touched] = self._recall(names, variables)

    def holds(self, touched: frozenset[str]) -> bool:
        """Tell whether the same variables are there as at that time, with the same values, and share nothing."""
        known = self._known.get(touched)
        if known is None or not known.absent.isdisjoint(self._namespace):
            return False
        try:
            values = list(known.values(self._namespace))
        except KeyError:
            return False
        return _are_alike(known.levels, values) and self._write(values) == known.written

    def _recall(self, names: Iterable[str], variables: Mapping[str, object]) -> _Recall | None:
        absent = frozenset(names) - variables.keys()
        if not absent.isdisjoint(self._namespace):
            return None  # a name of ours would have to be looked at too
        levels = _levels(list(variables.values()))
        written = self._write(list(variables.values()))
        if levels is None or written is None or len(written) > MOST_BYTES:
            return None
        return _Recall(_pick(list(variables)) or _none, absent, levels, written)


def _are_alike(levels: tuple[_Level, ...], values: list[Any]) -> bool:
    met: list[int] = []
    for level in levels:
        if list(map(type, values)) != level.types:
            return False
        if level.owned is not None:
            met += map(id, level.owned(values))
        if level.containers is not None:
            values = gc.get_referents(*level.containers(values))
    return len(set(met)) == len(met)


def _levels(level: list[Any]) -> tuple[_Level, ...] | None:
    """Describe plain values level by level; None for times, whose zones are looked at, and for more than a few."""
    found: list[_Level] = []
    seen = 0
    while len(found) < DEPTH:
        types = list(map(type, level))
        seen += len(level)
        if seen > MOST_VALUES or not TIMES.isdisjoint(types):
            return None
        containers = [place for place, kind in enumerate(types) if kind in values.NESTING]
        texts = [i for i, kind in enumerate(types) if kind in values.TEXTS and len(level[i]) > LONG_TEXT]
        found.append(_Level(types, _pick(containers), _pick(containers + texts)))
        if not containers:
            return tuple(found)
        level = gc.get_referents(*[level[place] for place in containers])
    return None


def _none(_container: object) -> tuple[Any, ...]:
    return ()


def _pick(places: list[Any]) -> Any:
    """Make what takes things at some places out of a container, as a tuple; None for no places."""
    if not places:
        return None
    if len(places) == 1:
        (place,) = places
        return lambda container: (container[place],)
    return itemgetter(*places)
