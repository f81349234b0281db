"""How the expected values get at the data: straight from the files, past every tool."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True, slots=True)
class Day:
    """One station's day."""

    on: date
    rain: float
    high: float
    low: float
    wind: float
    kind: str


@cache
def weather() -> dict[str, list[Day]]:
    """Return the days of each station, in the order of the file."""
    stations: dict[str, list[Day]] = {}
    for line in (_DATA / "weather.csv").read_text("utf-8").splitlines()[1:]:
        station, on, rain, high, low, wind, kind = line.split(",")
        day = Day(date.fromisoformat(on), float(rain), float(high), float(low), float(wind), kind)
        stations.setdefault(station, []).append(day)
    return stations


def weather_csv(station: str, year: int) -> str:
    """Return the heading and one station's lines of one year, as the file has them."""
    heading, *lines = (_DATA / "weather.csv").read_text("utf-8").splitlines()
    return "\n".join([heading, *(line for line in lines if line.startswith(f"{station},{year}"))])


def penguins() -> list[dict[str, Any]]:
    """Return all penguins, gaps included."""
    birds: list[dict[str, Any]] = json.loads((_DATA / "penguins.json").read_text("utf-8"))
    return birds
