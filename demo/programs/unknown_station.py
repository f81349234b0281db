"""Ask for a station that does not exist, learn from the error, and go on with the closest name."""
import difflib
import json
import re

wanted = ["Seatle", "new york", "Boston"]
resolved, errors = {}, {}
for name in wanted:
    try:
        rows = read_weather(name, year=2015)
    except ToolError as error:
        errors[name] = str(error)
        _, _, listed = str(error).partition("there are ")
        names = re.split(r",\s*", listed)
        close = difflib.get_close_matches(name.title(), names, n=1, cutoff=0.7)
        if not close:
            print(f"{name}: giving up ({error})")
            resolved[name] = None
            continue
        rows = read_weather(close[0], year=2015)
        print(f"{name}: did you mean {close[0]}? {len(rows)} days")
        resolved[name] = [close[0], len(rows)]
    else:
        resolved[name] = [name, len(rows)]
    finally:
        print(f"done with {name}")

print("RESULT", json.dumps({"resolved": resolved, "errors": errors}))
