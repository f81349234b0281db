"""Classify every day with structural pattern matching and count the classes."""
import json
from collections import Counter


def classify(row: dict) -> str:
    match row:
        case {"weather": "snow", "wind": wind} if wind > 6:
            return "blizzard"
        case {"weather": "snow"}:
            return "snow"
        case {"precipitation": p} if p >= 25:
            return "downpour"
        case {"weather": "rain" | "drizzle", "temp_max": high} if high < 5:
            return "cold rain"
        case {"weather": "rain" | "drizzle"}:
            return "wet"
        case {"weather": "sun", "temp_max": high} if high >= 30:
            return "heat"
        case {"weather": kind}:
            return kind
        case _:
            raise ValueError(f"strange row {row!r}")


counts = {name: Counter(map(classify, read_weather(name))) for name in ("Seattle", "New York")}
total = sum(counts.values(), Counter())
for kind, number in total.most_common():
    bar = "#" * (number // 40)
    print(f"{kind:<10} {number:>5} {bar}")

result = {name: dict(sorted(counter.items())) for name, counter in counts.items()}
print("RESULT", json.dumps(result))
