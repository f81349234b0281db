"""What the programs over the daily weather must print."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from demo.expected.chain import markov_chain
from demo.expected.tables import Day, weather

SEASONS: Final = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}
BASE: Final = Decimal(18)
WEEK: Final = 7


def _year(station: str, year: int) -> list[Day]:
    return [day for day in weather()[station] if day.on.year == year]


def _mean(values: Iterable[float]) -> float:
    """The exact mean of what the floats stand for, rounded once."""
    exact = [Fraction(value) for value in values]
    return float(sum(exact, Fraction(0)) / len(exact))


def monthly_climate() -> dict[str, dict[str, float]]:
    return {
        station: {str(m): round(_mean(day.high for day in days if day.on.month == m), 2) for m in range(1, 13)}
        for station, days in weather().items()
    }


def hottest_days() -> dict[str, list[list[Any]]]:
    top = {name: sorted(days, key=lambda day: (-day.high, -day.on.toordinal()))[:5] for name, days in weather().items()}
    return {name: [[str(day.on), day.high] for day in days] for name, days in top.items()}


def dry_spells() -> dict[str, list[Any]]:
    return {f"{station} {year}": _driest(_year(station, year)) for station in weather() for year in range(2012, 2016)}


def _driest(days: list[Day]) -> list[Any]:
    best, length = days[0].on, 0
    run = 0
    for day in days:
        run = 0 if day.rain else run + 1
        if run > length:
            best, length = date.fromordinal(day.on.toordinal() - run + 1), run
    return [str(best), length]


def degree_days() -> dict[str, list[str]]:
    return {
        f"{station}/{season}": _degrees([day for day in days if day.on.month in months])
        for station, days in weather().items()
        for season, months in SEASONS.items()
    }


def _degrees(days: list[Day]) -> list[str]:
    """Heating and cooling in tenths, halves away from zero; twice the mean is a whole number of tenths."""
    twice = [round(day.low * 10) + round(day.high * 10) - int(BASE * 20) for day in days]
    heating, cooling = -sum(t for t in twice if t < 0), sum(t for t in twice if t > 0)
    return [f"{(total + 1) // 2 / 10:.1f}" for total in (heating, cooling)]


def weather_words() -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {station: {} for station in weather()}
    for station, days in weather().items():
        for word in map(_word, days):
            counts[station][word] = counts[station].get(word, 0) + 1
    return counts


def _word(day: Day) -> str:
    if day.kind == "snow":
        return "blizzard" if day.wind > 6 else "snow"
    if day.rain >= 25:
        return "downpour"
    if day.kind in ("rain", "drizzle"):
        return "cold rain" if day.high < 5 else "wet"
    return "heat" if day.kind == "sun" and day.high >= 30 else day.kind


def warming_trend() -> dict[str, dict[str, float]]:
    return {station: _trend(days) for station, days in weather().items()}


def _trend(days: list[Day]) -> dict[str, float]:
    """Least squares by the textbook's sums; the last day of a leap year counts with the one before it."""
    indices = [min((day.on - date(day.on.year, 1, 1)).days, 364) for day in days]
    means = [(day.low + day.high) / 2 for day in days]
    normal = [_mean(mean for mean, i in zip(means, indices, strict=True) if i == index) for index in range(365)]
    y = [mean - normal[index] for mean, index in zip(means, indices, strict=True)]
    x = [(day.on - date(2012, 1, 1)).days / 365.25 for day in days]
    n, sx, sy = len(x), math.fsum(x), math.fsum(y)
    sxy = math.fsum(a * b for a, b in zip(x, y, strict=True)) - sx * sy / n
    sxx, syy = (math.fsum(a * a for a in axis) - math.fsum(axis) ** 2 / n for axis in (x, y))
    rms = math.sqrt(math.fsum(b * b for b in y) / n)
    return {"slope": round(sxy / sxx, 6), "rms": round(rms, 6), "r": round(sxy / math.sqrt(sxx * syy), 6)}


def moving_average() -> dict[str, Any]:
    days = weather()["New York"]
    weeks = [days[start : start + WEEK] for start in range(len(days) - WEEK + 1)]
    winds = [sum(day.wind for day in week) / WEEK for week in weeks]
    spreads = [max(day.high for day in week) - min(day.high for day in week) for week in weeks]
    windiest, steadiest = winds.index(max(winds)), spreads.index(min(spreads))
    return {
        "windiest": [str(weeks[windiest][0].on), round(winds[windiest], 4)],
        "steadiest": [str(weeks[steadiest][0].on), round(spreads[steadiest], 4)],
        "rain": round(math.fsum(day.rain for day in days), 1),
        "weeks": len(weeks),
    }


def csv_cleanup() -> dict[str, Any]:
    months: dict[str, dict[str, float]] = {}
    for number in range(1, 13):
        days = [day for day in _year("Seattle", 2014) if day.on.month == number]
        widest = max(round(day.high - day.low, 1) for day in days)
        rain = round(math.fsum(day.rain for day in days), 1)
        months[f"{days[0].on:%B}"] = {"days": len(days), "rain": rain, "range": widest}
    return {"months": months, "bad": []}


def typed_events() -> dict[str, Any]:
    found: list[tuple[float, str, str, float]] = []
    for day in _year("Seattle", 2014):
        found += [(day.wind / 5, str(day.on), "Storm", day.wind)] if day.wind > 6 else []
        found += [(day.rain / 20, str(day.on), "Flood", day.rain)] if day.rain > 20 else []
        found += [(-day.low / 4, str(day.on), "Frost", day.low)] if day.low < 0 else []
    top = sorted(found, key=lambda event: event[:2], reverse=True)[:10]
    return {"count": len(found), "top": [[kind, on, value] for _, on, kind, value in top]}


def unknown_station() -> dict[str, Any]:
    listed = ", ".join(sorted(weather()))
    return {
        "resolved": {"Seatle": ["Seattle", 365], "new york": ["New York", 365], "Boston": None},
        "errors": {n: f"LookupError: no station {n!r}; there are {listed}" for n in ("Seatle", "new york", "Boston")},
    }


def notebook() -> dict[str, Any]:
    pairs = list(zip(weather()["Seattle"], weather()["New York"], strict=True))
    differences = [east.high - west.high for west, east in pairs]
    score = {
        "Seattle": sum(-difference > 5 for difference in differences),
        "New York": sum(difference > 5 for difference in differences),
    }
    score["even"] = len(pairs) - sum(score.values())
    extreme = sorted((round(d, 1) for d in differences if d > 20), reverse=True)
    return {"score": score, "extreme": extreme, "days": len(pairs)}


def yearly_report() -> dict[str, int]:
    return {"reports": len(weather())}


def report_texts() -> set[str]:
    """Return the reports that `yearly_report` must have handed in."""
    return {
        "\n\n".join([station.upper(), *(_paragraph(station, year) for year in range(2012, 2016))])
        for station in weather()
    }


def _paragraph(station: str, year: int) -> str:
    days = _year(station, year)
    hottest = next(day for day in days if day.high == max(other.high for other in days))
    rain, high = math.fsum(day.rain for day in days), math.fsum(day.high for day in days) / len(days)
    words = (
        f"In {year} {station} had {sum(day.rain > 0 for day in days)} wet days with {rain:.1f} mm of precipitation. "
        f"The mean high was {high:.1f} °C; the hottest day was {hottest.on:%d %B} with {hottest.high:.1f} °C."
    )
    return textwrap.indent("\n".join(textwrap.wrap(words, width=70)), "  ")


def page_through() -> dict[str, Any]:
    days = weather()["Seattle"]
    snow = [str(day.on) for day in days if day.kind == "snow"]
    missing = "LookupError: the archive has no 31 December 1999 for Seattle"
    return {"days": len(days), "snow": len(snow), "first": snow[:3], "differing": 0, "missing": missing}


def outliers() -> dict[str, list[list[Any]]]:
    columns: dict[str, Callable[[Day], float]] = {"wind": lambda day: day.wind, "temp_min": lambda day: day.low}
    return {
        f"{station} {name}": _outliers(days, column)
        for station, days in weather().items()
        for name, column in columns.items()
    }


def _outliers(days: list[Day], column: Callable[[Day], float]) -> list[list[Any]]:
    middle = _median([column(day) for day in days])
    width = _median([abs(column(day) - middle) for day in days])
    return [[str(day.on), column(day)] for day in days if abs(column(day) - middle) > 6 * width]


def _median(values: list[float]) -> float:
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def csv_export() -> dict[str, Any]:
    names = sorted(weather())
    months = [(year, month) for year in range(2012, 2016) for month in range(1, 13)]
    table = {(m, name): _rain(name, *m) for m in months for name in names}
    lines = [f"{y}-{m:02},{','.join(f'{table[(y, m), name]:.1f}' for name in names)}" for y, m in months]
    wettest = {name: max(months, key=lambda month: table[month, name]) for name in names}
    text = "\n".join([",".join(["month", *names]), *lines, ""])
    return {"csv": text, "wettest": {name: f"{y}-{m:02}" for name, (y, m) in wettest.items()}, "hits": len(names)}


def _rain(station: str, year: int, month: int) -> float:
    return math.fsum(day.rain for day in _year(station, year) if day.on.month == month)


WEATHER: Final[dict[str, Callable[[], object]]] = {
    function.__name__: function
    for function in (
        *(monthly_climate, hottest_days, dry_spells, degree_days, weather_words, warming_trend, moving_average),
        *(csv_cleanup, markov_chain, typed_events, unknown_station, notebook, yearly_report, page_through, outliers),
        csv_export,
    )
}
"""By the name of the program."""
