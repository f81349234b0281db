"""Which variables share objects, so that they are stored together, and which can be stored each for itself?

A variable that is a function or a class is a landmark: what reaches it stores its name. So a thousand objects of one
class are not one piece. Whatever else two variables both reach makes them one group, and so do landmarks that need one
another. Two values that never change and that the interpreter happens to have as one object may be found apart when one
of them is looked at later alone; no program can rely on that.
"""

from __future__ import annotations

import gc
import itertools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from statek_executor.workspace.annotations import SHARED_FORMS
from statek_executor.workspace.reach import TIMES, Reach, foreign_zones
from statek_protocol import values

DEPTH: Final = 40
"""Containers nested deeper than this are no plain value: they are stored as nodes."""

FEW: Final = 16
"""Containers side by side, up to which it is not worth asking whether they are alike."""

LONG_TEXT: Final = 64
"""Texts longer than this are stored once however often they occur; shorter ones are as cheap as a reference."""

_COMMON: Final = frozenset({int, float, bool, type(None)})
"""Types of what is nobody's own, and plain whatever its value."""
_ONE_BY_ONE: Final = frozenset({list, tuple, dict})

_ONE_OWNER: Final = frozenset({3})
"""References to what one container and one list of ours hold, with the one that is passed to `sys.getrefcount`."""

EMPTY: Final = frozenset({id(()), id(frozenset())})
"""Met everywhere, and nobody's own."""


@dataclass(slots=True)
class Group:
    """Variables that are stored together."""

    names: list[str]
    plain: bool = True
    """It is one variable, and its value a tree of plain values without anything that occurs twice."""
    loads: set[str] = field(default_factory=set)
    """Names of global variables that code in the group's reach can load or store."""
    needs: set[str] = field(default_factory=set)
    """Landmarks outside the group that its stored form names."""


def is_landmark(value: object) -> bool:
    """Tell whether a variable of this value is stored by name wherever else it occurs."""
    return type(value) is types.FunctionType or issubclass(type(value), type)


def partition(variables: Mapping[str, object], landmarks: Mapping[int, str], reach: Reach) -> list[Group]:
    """Divide variables into groups; `landmarks` names, by identity, those of these variables and of all others."""
    if are_apart(variables.values()):
        return [Group([name]) for name in variables]
    walk = _Walk(landmarks, reach)
    for name, value in variables.items():
        walk.explore(name, value)
    return walk.groups()


def are_apart(level: Iterable[Any]) -> bool:
    """Tell whether values are all plain, and nothing occurs in two of them or in one of them twice."""
    level = list(level)
    apart = _few_are_apart(list(level)) if len(level) <= DEPTH else None
    return _many_are_apart(level) if apart is None else apart


def _few_are_apart(parts: list[Any]) -> bool | None:
    """Tell it of few parts of the commonest types, one by one; None for others, and for more than could be too deep."""
    seen: set[int] = set()
    for part in parts:
        kind = type(part)
        if kind in _COMMON or (kind is str and len(part) <= LONG_TEXT):
            continue
        if kind not in _ONE_BY_ONE or len(parts) + len(part) > DEPTH or (kind is dict and not _is_record(part)):
            return None
        if id(part) in seen:
            return False
        seen.add(id(part))
        inside = part.values() if kind is dict else part
        if not _COMMON.issuperset(map(type, inside)):
            parts += inside
    return True


def _is_record(part: dict[Any, Any]) -> bool:
    return set(map(type, part)) <= {str}


def _many_are_apart(level: list[Any]) -> bool:
    """Tell it level by level, which takes as long for few parts as for some hundred."""
    width = 1
    seen: set[int] = set()
    for depth in range(DEPTH):
        row = list(map(type, level))
        if width > 1:
            row = _repeating(row, width)
        kinds = set(row)
        if not kinds <= values.KNOWN or (not TIMES.isdisjoint(kinds) and foreign_zones(level)):
            return False
        if not kinds.isdisjoint(values.TEXTS):
            long = _long(_pick(level, row, values.TEXTS))
            if long and not _are_new(seen, long):
                return False
        if kinds.isdisjoint(values.NESTING):
            return True
        if not kinds <= values.NESTING:
            level = _pick(level, row, values.NESTING)
        if not (depth and _have_one_owner(level)) and not _are_new(seen, level):
            return False
        width = len(gc.get_referents(level[0])) if len(level) > FEW else 1
        level = gc.get_referents(*level)
    return False


def _repeating(types_met: list[type], width: int) -> list[type]:
    """Give the row of so many types that is repeated throughout, or else all of them as one row.

    What is looked at level by level is mostly a table: records alike, whose parts follow one another in the same order.
    """
    row = types_met[:width]
    return row if row * (len(types_met) // width) == types_met else types_met


def _pick(level: list[Any], row: Sequence[type], kinds: frozenset[type]) -> list[Any]:
    """Pick the parts of certain types from a level of such rows: by columns, where those are few and long."""
    width = len(row)
    if width * width > len(level):
        return list(itertools.compress(level, itertools.cycle(map(kinds.__contains__, row))))
    columns = [level[place::width] for place, kind in enumerate(row) if kind in kinds]
    return list(itertools.chain.from_iterable(columns)) if len(columns) > 1 else columns[0]


def _long(texts: list[Any]) -> list[Any]:
    return [text for text in texts if len(text) > LONG_TEXT] if max(map(len, texts)) > LONG_TEXT else []


def _have_one_owner(parts: Sequence[object]) -> bool:
    """Tell whether nothing but one container holds each of these, so that none can be met anywhere else."""
    return set(map(sys.getrefcount, parts)) == _ONE_OWNER


def _are_new(seen: set[int], objects: Sequence[object]) -> bool:
    """Add objects to those that were seen; tells whether none was, nor is twice among them."""
    expected = len(seen) + len(objects)
    seen.update(map(id, objects))
    return len(seen) == expected


_NOBODYS: Final = SHARED_FORMS | {types.CodeType}
"""Never change, and are met from variables that share nothing else."""


class _Walk:
    """A walk over variables one after the other, that remembers to which of them an object belongs."""

    def __init__(self, landmarks: Mapping[int, str], reach: Reach) -> None:
        self._landmarks = landmarks
        self._reach = reach
        self._owners: dict[int, int] = {}
        """Which variable, by its place, reached an object first."""
        self._passed: set[tuple[int, int]] = set()
        self._found: list[Group] = []
        self._parents: list[int] = []

    def explore(self, name: str, value: object) -> None:
        """Walk everything below a variable that no earlier walk has seen."""
        place = len(self._found)
        group = Group([name])
        self._found.append(group)
        self._parents.append(place)
        level: list[Any] = [value]
        depth = 0
        while level:
            depth += 1
            kinds = set(map(type, level))
            if not kinds.isdisjoint(values.TEXTS):
                self._take(place, _long(list(values.only(level, values.TEXTS))))
            zones = [] if TIMES.isdisjoint(kinds) else foreign_zones(level)
            containers = self._take(place, list(values.only(level, values.NESTING)))
            specials = [] if kinds <= values.KNOWN else [part for part in level if type(part) not in values.KNOWN]
            group.plain &= not zones and not specials and depth <= DEPTH
            level = [*gc.get_referents(*containers), *zones, *self._beyond(place, group, specials)]

    def groups(self) -> list[Group]:
        """Give the groups, in the order of their first variables."""
        self._join_circles()
        joined: dict[int, Group] = {}
        for place, group in enumerate(self._found):
            root = self._root(place)
            if root not in joined:
                joined[root] = group
                continue
            into = joined[root]
            into.names += group.names
            into.plain = False
            into.loads |= group.loads
            into.needs |= group.needs
        for group in joined.values():
            group.needs.difference_update(group.names)
        return list(joined.values())

    def _beyond(self, place: int, group: Group, specials: list[Any]) -> Iterator[Any]:
        """Give what is one step away from objects that are not plain, up to the landmarks."""
        for special in specials:
            name = self._landmarks.get(id(special))
            if name is not None and name != group.names[0]:
                group.needs.add(name)
            elif self._is_new(place, special):
                yield from self._reach.follow(special, group.loads)

    def _is_new(self, place: int, special: Any) -> bool:
        """Tell whether there is more to see behind an object; one that nobody owns is passed once by each variable."""
        if type(special) in _NOBODYS:
            seen = (place, id(special)) in self._passed
            self._passed.add((place, id(special)))
            return not seen
        return not self._reach.is_free(special) and bool(self._take(place, [special]))

    def _take(self, place: int, objects: list[Any]) -> list[Any]:
        """Give those that are met for the first time; one that another variable has reached joins the two."""
        owners = self._owners
        ids = set(map(id, objects))
        if len(ids) == len(objects) and owners.keys().isdisjoint(ids):
            owners.update(dict.fromkeys(ids, place))
            return objects
        return [item for item in objects if self._is_first(place, item)]

    def _is_first(self, place: int, item: Any) -> bool:
        owner = self._owners.get(id(item))
        if owner is None:
            self._owners[id(item)] = place
        elif id(item) not in EMPTY:
            self._found[place].plain = False
            self._join(place, owner)
        return owner is None

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def _root(self, place: int) -> int:
        parents = self._parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    def _join_circles(self) -> None:
        """Join landmarks that need one another: neither could be read before the other."""
        places = {name: place for place, group in enumerate(self._found) for name in group.names}
        edges: dict[int, set[int]] = {}
        for place, group in enumerate(self._found):
            needed = {self._root(places[name]) for name in group.needs if name in places}
            edges.setdefault(self._root(place), set()).update(needed)
        for circle in circles(edges):
            for place in circle:
                self._join(circle[0], place)


def circles(edges: Mapping[int, Iterable[int]]) -> list[list[int]]:
    """Give the sets of nodes of a graph from each of which all others can be reached, if there are two or more.

    Kosaraju's algorithm: nodes in the order in which a depth-first walk leaves them, last first, and from each of them
    all that leads to it and was not found yet.
    """
    left: dict[int, None] = {}
    for node in edges:
        depth_first(node, edges.__getitem__, left)
    back: dict[int, list[int]] = {node: [] for node in edges}
    for node, following in edges.items():
        for target in following:
            back[target].append(node)
    found: list[list[int]] = []
    done: dict[int, None] = {}
    for node in reversed(left):
        before = len(done)
        depth_first(node, back.__getitem__, done)
        if len(done) - before > 1:
            found.append(list(done)[before:])
    return found


def depth_first(start: int, edges: Callable[[int], Iterable[int]], done: dict[int, None]) -> None:
    """Add a node to those that are done, after everything that it leads to."""
    if start in done:
        return
    path: list[tuple[int, Iterator[int]]] = [(start, iter(edges(start)))]
    entered = {start}
    while path:
        number, rest = path[-1]
        for following in rest:
            if following not in done and following not in entered:
                entered.add(following)
                path.append((following, iter(edges(following))))
                break
        else:
            path.pop()
            done[number] = None


def groups_in_turn(groups: Sequence[Group]) -> Iterable[int]:
    """Order groups so that each comes after those whose landmarks it names."""
    if not any(group.needs for group in groups):
        return range(len(groups))
    places = {name: place for place, group in enumerate(groups) for name in group.names}
    done: dict[int, None] = {}
    for place in range(len(groups)):
        depth_first(place, lambda place: [places[name] for name in groups[place].needs if name in places], done)
    return done
