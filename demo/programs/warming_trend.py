"""Least-squares trend of the daily mean temperature, and what is left after removing the yearly cycle."""
import json
import math
import statistics as st
from datetime import date

EPOCH = date(2012, 1, 1)


def seasonal_index(day: date) -> int:
    return min(day.timetuple().tm_yday, 365) - 1


def trend(rows):
    means = [(row["temp_min"] + row["temp_max"]) / 2 for row in rows]
    by_day: list[list[float]] = [[] for _ in range(365)]
    for row, value in zip(rows, means, strict=True):
        by_day[seasonal_index(row["date"])].append(value)
    normal = [st.fmean(values) for values in by_day]
    anomalies = [value - normal[seasonal_index(row["date"])] for row, value in zip(rows, means)]
    x = [(row["date"] - EPOCH).days / 365.25 for row in rows]
    slope, intercept = st.linear_regression(x, anomalies)
    return slope, math.sqrt(st.fmean(a * a for a in anomalies)), st.correlation(x, anomalies)


result = {}
for info in list_stations():
    slope, rms, r = trend(read_weather(info["name"]))
    print(f"{info['name']}: {slope:+.3f} °C per year, anomaly rms {rms:.2f} °C, r={r:+.3f}")
    result[info["name"]] = {"slope": round(slope, 6), "rms": round(rms, 6), "r": round(r, 6)}
print("RESULT", json.dumps(result))
