"""Seven-day moving average with a generator pipeline; the windiest week and the steadiest week."""
import json
from collections import deque
from functools import reduce
from itertools import accumulate, islice


def windows(values, size=7):
    window = deque(maxlen=size)
    for value in values:
        window.append(value)
        if len(window) == size:
            yield tuple(window)


def averaged(rows, key):
    for window in windows(rows):
        yield window[0]["date"], sum(row[key] for row in window) / len(window)


rows = read_weather("New York")
wind = list(averaged(rows, "wind"))
windiest = max(wind, key=lambda pair: pair[1])
spread = [(w[0]["date"], max(r["temp_max"] for r in w) - min(r["temp_max"] for r in w)) for w in windows(rows)]
steadiest = reduce(lambda a, b: b if b[1] < a[1] else a, spread)
rain = list(accumulate(row["precipitation"] for row in rows))

print("first averages:", *(f"{value:.2f}" for _, value in islice(wind, 5)))
print(f"windiest week starts {windiest[0]}: {windiest[1]:.2f} m/s")
print(f"steadiest week starts {steadiest[0]}: {steadiest[1]:.1f} °C between its highs")
print("RESULT", json.dumps({
    "windiest": [str(windiest[0]), round(windiest[1], 4)],
    "steadiest": [str(steadiest[0]), round(steadiest[1], 4)],
    "rain": round(rain[-1], 1),
    "weeks": len(wind),
}))
