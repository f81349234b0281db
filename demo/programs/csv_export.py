"""Round trip through csv and io: pivot the wettest months into a CSV and read it back."""
import csv
import io
import json
from functools import lru_cache


@lru_cache(maxsize=None)
def rows_of(station):
    return read_weather(station)


def monthly_rain(station):
    totals = {}
    for row in rows_of(station):
        key = f"{row['date']:%Y-%m}"
        totals[key] = totals.get(key, 0) + row["precipitation"]
    return totals


names = [s["name"] for s in list_stations()]
tables = {name: monthly_rain(name) for name in names}
buffer = io.StringIO()
writer = csv.DictWriter(buffer, fieldnames=["month", *names], lineterminator="\n")
writer.writeheader()
for month in sorted(set().union(*tables.values())):
    writer.writerow({"month": month} | {name: f"{tables[name].get(month, 0):.1f}" for name in names})

text = buffer.getvalue()
print(*text.splitlines()[:4], "...", sep="\n")
back = list(csv.DictReader(io.StringIO(text)))
wettest = {name: max(back, key=lambda row: float(row[name]))["month"] for name in names}
print("RESULT", json.dumps({"csv": text, "wettest": wettest, "hits": rows_of.cache_info().currsize}))
