"""A Markov chain of the weather with exact fractions, from the CSV text in `weather_csv`."""
import json
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import pairwise

kinds = [line.rsplit(",", 1)[1] for line in weather_csv.strip().split("\n")[1:]]
steps: defaultdict[str, Counter] = defaultdict(Counter)
for today, tomorrow in pairwise(kinds):
    steps[today][tomorrow] += 1

states = sorted(set(kinds))
matrix = {
    a: {b: Fraction(steps[a][b], sum(steps[a].values())) for b in states}
    for a in states
}
assert all(sum(row.values()) == 1 for row in matrix.values())

chance = {state: 1 / len(states) for state in states}
for _ in range(500):
    chance = {b: sum(chance[a] * float(matrix[a][b]) for a in states) for b in states}

print("from/to    " + "".join(f"{state:>9}" for state in states))
for a in states:
    print(f"{a:<10} " + "".join(f"{str(matrix[a][b]):>9}" for b in states))
result = {
    "matrix": {a: {b: str(p) for b, p in row.items()} for a, row in matrix.items()},
    "stationary": {state: round(p, 6) for state, p in chance.items()},
}
print("RESULT", json.dumps(result))
