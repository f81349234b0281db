"""Top five hottest days per station, formatted for a newsletter."""
import heapq
import json
from operator import itemgetter

rows = [
    {**row, "station": s["name"]}
    for s in list_stations()
    for row in read_weather(s["name"])
]
print(f"Loaded {len(rows):,} daily observations")

result = {}
for station in sorted({row["station"] for row in rows}):
    mine = (row for row in rows if row["station"] == station)
    top = heapq.nlargest(5, mine, key=lambda r: (r["temp_max"], r["date"]))
    print(f"\n{station}\n{'-' * len(station)}")
    for rank, row in enumerate(sorted(top, key=itemgetter("temp_max", "date"), reverse=True), start=1):
        print(f"{rank}. {row['date']:%a %d %b %Y}  {row['temp_max']:5.1f} °C ({row['temp_max'] * 9 / 5 + 32:.0f} °F)")
    result[station] = [[row["date"].isoformat(), row["temp_max"]] for row in top]

print("RESULT " + json.dumps(result))
