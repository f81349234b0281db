"""What the programs over the penguins must print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, TypeAlias

from demo.expected.tables import penguins

Point: TypeAlias = Sequence[float]

FEATURES: Final = ("Beak Length (mm)", "Beak Depth (mm)", "Flipper Length (mm)", "Body Mass (g)")
SHORT_NAMES: Final = {"Beak Length (mm)": "bill", "Flipper Length (mm)": "flipper", "Body Mass (g)": "mass"}
NEIGHBOURS: Final = 5
CLUSTERS: Final = 3


def summary() -> dict[str, dict[str, list[float]]]:
    result: dict[str, dict[str, list[float]]] = {}
    for bird in penguins():
        result.setdefault(bird["Species"], {})
    for species, columns in result.items():
        for column, short in SHORT_NAMES.items():
            values = sorted(bird[column] for bird in penguins() if bird["Species"] == species and bird[column])
            columns[short] = [len(values), *(round(number, 3) for number in _describe(values))]
    return result


def _describe(values: list[float]) -> list[float]:
    """Mean, standard deviation and quartiles of sorted values, with exact fractions as long as possible."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), Fraction(0)) / (len(exact) - 1)
    return [float(mean), math.sqrt(variance), *(float(_quantile(exact, Fraction(n, 4))) for n in (1, 2, 3))]


def _quantile(values: list[Fraction], share: Fraction) -> Fraction:
    """Interpolate at the place `share` of the way through one more interval than there are values."""
    place = share * (len(values) + 1) - 1
    below = math.floor(place)
    return values[below] + (place - below) * (values[below + 1] - values[below])


def neighbours() -> dict[str, Any]:
    points, species = _standardised(ddof=1)
    confusion: dict[str, int] = {}
    for index, point in enumerate(points):
        others = [(_squared(point, other), place) for place, other in enumerate(points) if place != index]
        votes = [species[place] for _, place in sorted(others)[:NEIGHBOURS]]
        guess = max(votes, key=lambda name: (votes.count(name), -votes.index(name)))
        key = f"{species[index]}>{guess}"
        confusion[key] = confusion.get(key, 0) + 1
    correct = sum(number for key, number in confusion.items() if len(set(key.split(">"))) == 1)
    return {"correct": correct, "confusion": confusion}


def clusters() -> dict[str, Any]:
    points, species = _standardised(ddof=0)
    centres = [points[0]]
    while len(centres) < CLUSTERS:
        centres.append(max(points, key=lambda point: min(_squared(point, centre) for centre in centres)))
    assigned: list[int] = []
    while (nearest := [_nearest(point, centres) for point in points]) != assigned:
        assigned = nearest
        centres = [
            _centre([p for p, place in zip(points, assigned, strict=True) if place == n]) for n in range(CLUSTERS)
        ]
    tables = [
        _count(name for name, place in zip(species, assigned, strict=True) if place == n) for n in range(CLUSTERS)
    ]
    purity = sum(max(table.values()) for table in tables) / len(points)
    return {
        "clusters": sorted([list(pair) for pair in sorted(table.items())] for table in tables),
        "purity": round(purity, 6),
    }


def _standardised(*, ddof: int) -> tuple[list[Point], list[str]]:
    birds = [bird for bird in penguins() if None not in [bird[name] for name in FEATURES]]
    columns = []
    for name in FEATURES:
        values = [bird[name] for bird in birds]
        mean = math.fsum(values) / len(values)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - ddof))
        columns.append([(value - mean) / deviation for value in values])
    return [list(point) for point in zip(*columns, strict=True)], [bird["Species"] for bird in birds]


def _squared(one: Point, other: Point) -> float:
    return math.fsum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _nearest(point: Point, centres: list[Point]) -> int:
    distances = [_squared(point, centre) for centre in centres]
    return distances.index(min(distances))


def _centre(members: list[Point]) -> Point:
    return [math.fsum(axis) / len(members) for axis in zip(*members, strict=True)]


def _count(names: Any) -> dict[str, int]:
    table: dict[str, int] = {}
    for name in names:
        table[name] = table.get(name, 0) + 1
    return table


PENGUINS: Final[dict[str, Callable[[], object]]] = {
    "penguin_summary": summary,
    "penguin_neighbours": neighbours,
    "penguin_clusters": clusters,
}
"""By the name of the program."""
