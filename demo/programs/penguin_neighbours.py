"""Leave-one-out k-nearest-neighbour classification of penguin species in plain Python."""
import json
import math
from collections import Counter
from statistics import mean, stdev

FEATURES = ("Beak Length (mm)", "Beak Depth (mm)", "Flipper Length (mm)", "Body Mass (g)")


class KNN:
    def __init__(self, k: int = 5):
        self.k = k
        self._points: list[tuple[float, ...]] = []
        self._labels: list[str] = []

    def fit(self, points, labels):
        self._points, self._labels = list(points), list(labels)
        return self

    def predict(self, point, *, skip=None) -> str:
        distances = sorted(
            (math.dist(point, other), i) for i, other in enumerate(self._points) if i != skip
        )
        votes = Counter(self._labels[i] for _, i in distances[: self.k])
        return votes.most_common(1)[0][0]


birds = [p for p in read_penguins() if all(p[f] is not None for f in FEATURES)]
scale = {f: (mean(p[f] for p in birds), stdev(p[f] for p in birds)) for f in FEATURES}
points = [tuple((p[f] - scale[f][0]) / scale[f][1] for f in FEATURES) for p in birds]
labels = [p["Species"] for p in birds]

model = KNN(k=5).fit(points, labels)
confusion = Counter((label, model.predict(point, skip=i)) for i, (point, label) in enumerate(zip(points, labels)))
correct = sum(n for (truth, guess), n in confusion.items() if truth == guess)
print(f"{correct} of {len(birds)} penguins classified correctly ({correct / len(birds):.1%})")
for (truth, guess), n in sorted(confusion.items()):
    print(f"  {truth:<10} as {guess:<10} {n:>4}{'' if truth == guess else '  <-- wrong'}")
print("RESULT", json.dumps({"correct": correct, "confusion": {f"{t}>{g}": n for (t, g), n in sorted(confusion.items())}}))
