"""Which tools the demonstration's agents have. Runs in the scheduler: `statek scheduler --app demo/app.py`.

An application knows nothing of sandboxes: these are ordinary functions with ordinary errors. A guest calls them by name
and gets plain values back; what they raise reaches it as `ToolError`.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from statek import tool

Row: TypeAlias = dict[str, Any]

DATA: Final = Path(__file__).parent / "data"
REPORTS_VARIABLE: Final = "DEMO_REPORTS"
"""Names the directory in which `save_report` keeps what agents hand in."""
ARCHIVE_SECONDS: Final = 0.02
"""How long the archive takes for one day: what any service across a network costs."""
LARGEST_PAGE: Final = 500


@cache
def _weather() -> dict[str, list[Row]]:
    stations: dict[str, list[Row]] = {}
    with (DATA / "weather.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = {name: float(row[name]) for name in ("precipitation", "temp_max", "temp_min", "wind")}
            day = {"date": date.fromisoformat(row["date"]), **numbers, "weather": row["weather"]}
            stations.setdefault(row["location"], []).append(day)
    return stations


def _station(name: str) -> list[Row]:
    try:
        return _weather()[name]
    except KeyError:
        raise LookupError(f"no station {name!r}; there are {', '.join(sorted(_weather()))}") from None


def list_stations() -> list[Row]:
    """Say which weather stations there are and which days each has observed."""
    return [
        {"name": name, "days": len(rows), "first": rows[0]["date"], "last": rows[-1]["date"]}
        for name, rows in sorted(_weather().items())
    ]


def read_weather(station: str, year: int | None = None) -> list[Row]:
    """Return a station's days, of one year or of all."""
    return [row for row in _station(station) if year is None or row["date"].year == year]


def read_page(station: str, cursor: int = 0, size: int = 100) -> Row:
    """Return a page of a station's days and the cursor of the next one, None after the last."""
    if not 0 < size <= LARGEST_PAGE:
        raise ValueError(f"a page has 1 to {LARGEST_PAGE} days, not {size}")
    rows = _station(station)[cursor : cursor + size]
    following = cursor + size
    return {"rows": rows, "next": following if following < len(_station(station)) else None}


def read_penguins() -> list[Row]:
    """Return all penguins as they were recorded, gaps included."""
    penguins: list[Row] = json.loads((DATA / "penguins.json").read_text("utf-8"))
    return penguins


async def ask_archive(station: str, day: date) -> Row:
    """Return one day of a station from the slow archive; other jobs go on meanwhile."""
    await asyncio.sleep(ARCHIVE_SECONDS)
    found = next((row for row in _station(station) if row["date"] == day), None)
    if found is None:
        raise LookupError(f"the archive has no {day:%d %B %Y} for {station}")
    return found


@tool(idempotent=True)
def save_report(title: str, text: str, *, idempotency_key: str) -> str:
    """Keep a report; the key makes sure that a call which is made again writes the same file again."""
    if not title.strip() or not text.strip():
        raise ValueError("a report needs a title and a text")
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    name = f"{slug}-{idempotency_key.replace('/', '-')}.txt"
    Path(os.environ[REPORTS_VARIABLE], name).write_text(text, encoding="utf-8")
    return name


def delete_station(name: str) -> None:
    """Remove a station for good: a tool that no policy of the demonstration grants to an untrusted agent."""
    _station(name)  # raises for an unknown one
    del _weather()[name]


tools = [list_stations, read_weather, read_page, read_penguins, ask_archive, save_report, delete_station]
