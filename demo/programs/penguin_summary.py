"""Summary statistics per species as a text table, like DataFrame.describe()."""
import json
import textwrap
from statistics import mean, median, quantiles, stdev

penguins = read_penguins()
columns = {"Beak Length (mm)": "bill", "Flipper Length (mm)": "flipper", "Body Mass (g)": "mass"}
species = sorted({p["Species"] for p in penguins})

result = {}
for name in species:
    result[name] = {}
    for column, short in columns.items():
        values = [p[column] for p in penguins if p["Species"] == name and p[column] is not None]
        q1, _, q3 = quantiles(values, n=4)
        result[name][short] = [len(values), *(round(v, 3) for v in (mean(values), stdev(values), q1, median(values), q3))]

heading = f"{'':<20}" + "".join(f"{h:>9}" for h in ("n", "mean", "sd", "25%", "50%", "75%"))
print(heading, "=" * len(heading), sep="\n")
for name, stats in result.items():
    for short, numbers in stats.items():
        print(f"{name + ' ' + short:<20}" + "".join(f"{n:>9.1f}" for n in numbers))
gaps = sum(value is None for p in penguins for value in p.values())
print(textwrap.fill(f"{len(penguins)} penguins were measured; {gaps} measurements are missing and were left out of every figure.", 60))
print("RESULT", json.dumps(result))
