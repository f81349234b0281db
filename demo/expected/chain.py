"""What the Markov chain of the weather must come to: its stationary distribution by exact elimination."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from demo.expected.tables import weather


def markov_chain() -> dict[str, Any]:
    kinds = [day.kind for day in weather()["Seattle"] if day.on.year == 2014]
    states = sorted(set(kinds))
    steps = list(pairwise(kinds))
    matrix = [[Fraction(steps.count((a, b)), sum(a == first for first, _ in steps)) for b in states] for a in states]
    return {
        "matrix": {a: dict(zip(states, map(str, row), strict=True)) for a, row in zip(states, matrix, strict=True)},
        "stationary": {state: round(float(p), 6) for state, p in zip(states, _stationary(matrix), strict=True)},
    }


def _stationary(matrix: list[list[Fraction]]) -> list[Fraction]:
    """Solve p M = p with the parts of p adding up to 1."""
    size = len(matrix)
    rows = [[matrix[a][b] - (a == b) for a in range(size)] + [Fraction(0)] for b in range(size - 1)]
    rows.append([Fraction(1)] * (size + 1))
    for column in range(size):
        pivot = next(place for place in range(column, size) if rows[place][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for place in range(size):
            factor = rows[place][column]
            if place != column:
                rows[place] = [a - factor * b for a, b in zip(rows[place], rows[column], strict=True)]
    return [row[-1] for row in rows]
