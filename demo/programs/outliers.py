"""Robust outlier detection with custom exceptions and a context manager."""
import json
from contextlib import contextmanager
from statistics import median


class DataQualityError(ValueError):
    def __init__(self, column, problem):
        super().__init__(f"{column}: {problem}")
        self.column = column


@contextmanager
def section(title):
    print(f"[{title}]")
    try:
        yield lambda text: print(f"    {text}")
    except DataQualityError as error:
        print(f"    skipped: {error}")
    finally:
        print()


def outliers(rows, column, limit=6.0):
    values = [row[column] for row in rows]
    middle = median(values)
    mad = median(abs(v - middle) for v in values)
    if mad == 0:
        raise DataQualityError(column, "more than half of the values are the same")
    return [(str(row["date"]), v) for row, v in zip(rows, values) if abs(v - middle) / mad > limit]


result = {}
for name in ("Seattle", "New York"):
    rows = read_weather(name)
    for column in ("wind", "precipitation", "temp_min"):
        with section(f"{name} {column}") as say:
            found = outliers(rows, column)
            result[f"{name} {column}"] = found
            say(f"{len(found)} outliers" + (f", first on {found[0][0]}" if found else ""))
print("RESULT", json.dumps(result))
