"""Turn the CSV text in `weather_csv` into typed events with an abstract base class and find the notable ones."""
from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from functools import total_ordering


@total_ordering
@dataclass(eq=False)
class Event(ABC):
    day: str
    value: float

    @abstractmethod
    def severity(self) -> float: ...

    def __lt__(self, other: Event) -> bool:
        return (self.severity(), self.day) < (other.severity(), other.day)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and (self.severity(), self.day) == (other.severity(), other.day)

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} on {self.day} ({self.value:g})"


class Storm(Event):
    def severity(self) -> float:
        return self.value / 5


class Flood(Event):
    def severity(self) -> float:
        return self.value / 20


class Frost(Event):
    def severity(self) -> float:
        return -self.value / 4


def events(text: str):
    for line in text.splitlines()[1:]:
        _, day, rain, _, low, wind, _ = line.split(",")
        if float(wind) > 6:
            yield Storm(day, float(wind))
        if float(rain) > 20:
            yield Flood(day, float(rain))
        if float(low) < 0:
            yield Frost(day, float(low))


found = sorted(events(weather_csv), reverse=True)
for event in found[:5]:
    print(f"{event.severity():.2f}  {event}")
result = [[type(event).__name__, *asdict(event).values()] for event in found[:10]]
print("RESULT", json.dumps({"count": len(found), "top": result}))
