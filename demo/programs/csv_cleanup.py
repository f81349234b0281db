"""Parse the CSV text that an earlier batch left in `weather_csv`, derive columns, group by month."""
import json
import re
from collections import namedtuple
from datetime import date

LINE = re.compile(
    r"""^(?P<station>[^,]+),
        (?P<date>\d{4}-\d\d-\d\d),
        (?P<rain>\d+(?:\.\d+)?),
        (?P<high>-?\d+\.\d),(?P<low>-?\d+\.\d),
        (?P<wind>[\d.]+),(?P<kind>\w+)$""",
    re.VERBOSE,
)
Day = namedtuple("Day", "date rain high low kind")

header, *lines = weather_csv.splitlines()
days, bad = [], []
for number, line in enumerate(lines, start=2):
    if not (found := LINE.match(line)):
        bad.append(number)
        continue
    parts = found.groupdict()
    days.append(Day(date.fromisoformat(parts["date"]), *(float(parts[k]) for k in ("rain", "high", "low")), parts["kind"]))

months = {}
for day in days:
    entry = months.setdefault(day.date.strftime("%B"), {"days": 0, "rain": 0.0, "range": 0.0})
    entry["days"] += 1
    entry["rain"] += day.rain
    entry["range"] = max(entry["range"], round(day.high - day.low, 1))

print(f"{header.count(',') + 1} columns, {len(days)} good lines, {len(bad)} bad ones")
for name, entry in list(months.items())[:3]:
    print(f"  {name:<9} {entry['days']:>3} days {entry['rain']:>6.1f} mm")
for entry in months.values():
    entry["rain"] = round(entry["rain"], 1)
print("RESULT", json.dumps({"months": months, "bad": bad}))
