"""k-means from scratch with a deterministic farthest-point start; purity against the known species."""
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean, pstdev

FEATURES = ("Beak Length (mm)", "Beak Depth (mm)", "Flipper Length (mm)", "Body Mass (g)")


@dataclass
class Cluster:
    centre: tuple[float, ...]
    members: list[int] = field(default_factory=list)

    def recentre(self, points) -> float:
        new = tuple(fmean(axis) for axis in zip(*(points[i] for i in self.members)))
        moved = math.dist(self.centre, new)
        self.centre = new
        return moved


def start(points, k):
    chosen = [points[0]]
    while len(chosen) < k:
        chosen.append(max(points, key=lambda p: min(math.dist(p, c) for c in chosen)))
    return [Cluster(c) for c in chosen]


def kmeans(points, k=3):
    clusters = start(points, k)
    rounds = 0
    while True:
        rounds += 1
        for cluster in clusters:
            cluster.members.clear()
        for i, point in enumerate(points):
            min(clusters, key=lambda c: math.dist(c.centre, point)).members.append(i)
        if max(cluster.recentre(points) for cluster in clusters) < 1e-9:
            return clusters, rounds


birds = [p for p in read_penguins() if all(p[f] is not None for f in FEATURES)]
columns = [[p[f] for p in birds] for f in FEATURES]
points = list(zip(*([(v - fmean(col)) / pstdev(col) for v in col] for col in columns)))
clusters, rounds = kmeans(points)
table = [Counter(birds[i]["Species"] for i in cluster.members) for cluster in clusters]
for number, counts in enumerate(table, 1):
    print(f"cluster {number}: " + ", ".join(f"{n} {name}" for name, n in counts.most_common()))
purity = sum(max(counts.values()) for counts in table) / len(birds)
print(f"purity {purity:.1%} after {rounds} rounds")
print("RESULT", json.dumps({"clusters": sorted(sorted(c.items()) for c in table), "purity": round(purity, 6)}))
