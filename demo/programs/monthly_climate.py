"""Mean daily maximum temperature per month for every station."""
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import mean


@dataclass
class MonthStats:
    month: int
    highs: list[float] = field(default_factory=list)

    @property
    def mean_high(self) -> float:
        return mean(self.highs)


def climate(rows):
    months = {m: MonthStats(m) for m in range(1, 13)}
    for row in rows:
        months[row["date"].month].highs.append(row["temp_max"])
    return months


result = defaultdict(dict)
for station in list_stations():
    name = station["name"]
    months = climate(read_weather(name))
    warmest = max(months.values(), key=lambda m: m.mean_high)
    print(f"{name:>10}: warmest month is {warmest.month:02d} with {warmest.mean_high:.1f} °C")
    for number, stats in months.items():
        result[name][str(number)] = round(stats.mean_high, 2)

import json
print("RESULT", json.dumps(result))
