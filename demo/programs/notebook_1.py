# Cell 1: load, and define what the later cells use
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta


@dataclass
class Station:
    name: str
    days: dict = field(default_factory=dict, repr=False)

    def high(self, day):
        return self.days[day]["temp_max"]

    def __len__(self):
        return len(self.days)


def make_comparer(threshold):
    def warmer(a, b):
        return a - b > threshold
    return warmer


stations = {s["name"]: Station(s["name"], {row["date"]: row for row in read_weather(s["name"])}) for s in list_stations()}
clearly_warmer = make_comparer(5)
score = Counter()
print(f"loaded {stations}, {sum(map(len, stations.values()))} days in all")
