"""What a bench finds: a measurement beside its floor, the ratio of the two, and the target for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Unit = Literal["s", "per GiB", "events/s", "jobs/s", "bytes"]

_SCALES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_HEADINGS: Final = ("bench", "ours", "floor", "", "ratio", "target", "")


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on the ratio, or where there is no ratio on the measurement itself."""

    most: float | None = None
    least: float | None = None

    def met_by(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Only the ratio says something beyond this machine and this moment."""

    name: str
    ours: float
    unit: Unit
    floor_name: str = ""
    floor: float | None = None
    ratio: float | None = None
    """The median of the ratios within each round, which need not be the ratio of the two medians."""
    target: Target | None = None
    at: int | None = None
    """The number that it was measured at, where it is one of a series."""
    measure: str = ""
    """What the series is of."""

    @property
    def met(self) -> bool | None:
        """Whether the target was met this time; None where there is none."""
        if self.target is None:
            return None
        return self.target.met_by(self.ours if self.ratio is None else self.ratio)


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows for programs."""
    return [{**asdict(row), "met": row.met} for row in rows]


def table(rows: Sequence[Row]) -> str:
    """The rows for people, in aligned columns."""
    lines = [_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return "\n".join(_line(cells, widths) for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    floor = "" if row.floor is None else shown(row.floor, row.unit)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    target = "" if row.target is None else str(row.target)
    return row.name, shown(row.ours, row.unit), floor, row.floor_name, ratio, target, verdict


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (1, 2, 4)
    aligned = (
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()


def shown(value: float, unit: Unit) -> str:
    """Write a measurement with its unit."""
    if unit == "s":
        return _time(value)
    return f"{value:,.0f} {unit}"


def _time(seconds: float) -> str:
    scale, name = next((pair for pair in _SCALES if seconds >= pair[0]), _SCALES[-1])
    return f"{seconds / scale:.3g} {name}" if seconds / scale < 100 else f"{seconds / scale:.0f} {name}"
