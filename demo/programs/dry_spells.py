"""Longest run of days without precipitation, per station and year."""
import json
from itertools import groupby
from typing import Iterator, NamedTuple


class Spell(NamedTuple):
    start: str
    days: int


def spells(rows: list[dict]) -> Iterator[Spell]:
    for dry, group in groupby(rows, key=lambda row: row["precipitation"] == 0):
        if not dry:
            continue
        days = list(group)
        yield Spell(start=str(days[0]["date"]), days=len(days))


result = {}
for station in ("Seattle", "New York"):
    for year in range(2012, 2016):
        longest = max(spells(read_weather(station, year=year)), key=lambda spell: spell.days)
        result[f"{station} {year}"] = list(longest)
        print(f"{station} {year}: {longest.days} dry days from {longest.start}")

assert all(days > 0 for _, days in result.values())
print("RESULT", json.dumps(result))
