"""Write one report per station and hand it in with save_report."""
import json
import textwrap
from collections import defaultdict
from statistics import fmean


def paragraph(name, year, rows):
    rain = sum(row["precipitation"] for row in rows)
    wet = sum(1 for row in rows if row["precipitation"] > 0)
    hottest = max(rows, key=lambda row: row["temp_max"])
    return textwrap.fill(
        f"In {year} {name} had {wet} wet days with {rain:.1f} mm of precipitation. The mean high was "
        f"{fmean(row['temp_max'] for row in rows):.1f} °C; the hottest day was {hottest['date']:%d %B} with "
        f"{hottest['temp_max']:.1f} °C.",
        width=72, initial_indent="  ", subsequent_indent="  ",
    )


saved = []
for station in list_stations():
    name = station["name"]
    by_year = defaultdict(list)
    for row in read_weather(name):
        by_year[row["date"].year].append(row)
    text = "\n\n".join([name.upper(), *(paragraph(name, year, rows) for year, rows in sorted(by_year.items()))])
    saved.append(save_report(f"Weather of {name}", text))
    print(f"saved {saved[-1]}: {len(text.splitlines())} lines")
print("RESULT", json.dumps({"reports": len(saved)}))
