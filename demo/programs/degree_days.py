"""Heating and cooling degree days with exact decimal arithmetic (base 18 °C)."""
import json
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

BASE = Decimal("18.0")


class Season(Enum):
    WINTER = (12, 1, 2)
    SPRING = (3, 4, 5)
    SUMMER = (6, 7, 8)
    AUTUMN = (9, 10, 11)

    @classmethod
    def of(cls, month: int) -> "Season":
        return next(season for season in cls if month in season.value)


class DegreeDays:
    def __init__(self) -> None:
        self.heating = Decimal(0)
        self.cooling = Decimal(0)

    def add(self, low: float, high: float) -> None:
        mean = (Decimal(str(low)) + Decimal(str(high))) / 2
        if mean < BASE:
            self.heating += BASE - mean
        else:
            self.cooling += mean - BASE

    def rounded(self) -> tuple[str, str]:
        one = Decimal("0.1")
        return tuple(str(v.quantize(one, rounding=ROUND_HALF_UP)) for v in (self.heating, self.cooling))


totals: dict[str, DegreeDays] = {}
for station in list_stations():
    for row in read_weather(station["name"]):
        key = f"{station['name']}/{Season.of(row['date'].month).name.lower()}"
        totals.setdefault(key, DegreeDays()).add(row["temp_min"], row["temp_max"])

for key, value in sorted(totals.items()):
    print(f"{key:<18} heating {value.heating:>8.1f}  cooling {value.cooling:>8.1f}")
print("RESULT", json.dumps({key: value.rounded() for key, value in totals.items()}))
