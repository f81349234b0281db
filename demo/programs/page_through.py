"""Page through a station with a generator around the tool, then check single days against the archive."""
import json
from datetime import date


def pages(station, size):
    cursor = 0
    while cursor is not None:
        page = read_page(station, cursor=cursor, size=size)
        yield from page["rows"]
        cursor = page["next"]


rows = {row["date"]: row for row in pages("Seattle", 200)}
snow = [day for day, row in rows.items() if row["weather"] == "snow"]
archive = {day: ask_archive("Seattle", day) for day in snow[:10]}
differing = [day for day, row in archive.items() if row != rows[day]]

try:
    ask_archive("Seattle", date(1999, 12, 31))
    missing = None
except ToolError as error:
    missing = str(error)

print(f"{len(rows)} days in pages, {len(snow)} with snow, {len(archive)} checked, {len(differing)} differ")
print("RESULT", json.dumps({"days": len(rows), "snow": len(snow), "first": [str(d) for d in snow[:3]], "differing": len(differing), "missing": missing}))
