"""Ten small computations, each in the style of what agents write; every one defines `run()`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KERNELS: Final[Mapping[str, str]] = {
    "recursion": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def run():
    return fib(19)
""",
    "nested loops": """
def run():
    total = 0
    for i in range(120):
        for j in range(400):
            if (i ^ j) & 1:
                total += i * j
    return total
""",
    "while": """
def run():
    n, steps = 27_114_424_303, 0
    value = n
    while steps < 60_000:
        value = value // 2 if value % 2 == 0 else 3 * value + 1
        if value <= 1:
            value = n
        steps += 1
    return steps
""",
    "containers": """
def run():
    groups = {}
    for i in range(20_000):
        key = i % 97
        if key not in groups:
            groups[key] = []
        groups[key].append(i)
        groups[key][-1] += 1
    return sum(len(group) for group in groups.values())
""",
    "strings": """
def run():
    words = ("the quick brown fox jumps over the lazy dog " * 200).split()
    counts = {}
    for word in words:
        word = word.strip(".,").upper()
        counts[word] = counts.get(word, 0) + 1
    lines = []
    for i in range(3_000):
        lines.append(f"{i:05d}:{words[i % 9]}".replace("o", "0"))
    return len(",".join(lines)) + counts["FOX"]
""",
    "objects": """
class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance
        self.moves = 0

    def deposit(self, amount):
        self.balance += amount
        self.moves += 1
        return self.balance

def run():
    accounts = [Account(f"a{i}", i) for i in range(50)]
    for i in range(12_000):
        account = accounts[i % 50]
        if account.deposit(i % 7) > 1_000:
            account.balance = 0
    return sum(account.moves for account in accounts)
""",
    "comprehensions": """
def run():
    rows = [{"id": i, "value": i * i % 1009} for i in range(6_000)]
    kept = [row for row in rows if row["value"] % 3]
    index = {row["id"]: row["value"] for row in kept}
    pairs = {(key % 10, value % 10) for key, value in index.items()}
    return len(pairs) + sum(value for value in index.values())
""",
    "sorting": """
def run():
    rows = [((i * 7919) % 10_007, f"n{i % 50}") for i in range(8_000)]
    by_name = sorted(rows, key=lambda row: (row[1], -row[0]))
    rows.sort(reverse=True)
    return by_name[0][0] + rows[-1][0]
""",
    "floats": """
def run():
    xs, vs = [0.1 * i for i in range(20)], [0.0] * 20
    for _ in range(60):
        for i in range(20):
            force = 0.0
            for j in range(20):
                d = xs[j] - xs[i]
                force += d / (abs(d) ** 3 + 0.01)
            vs[i] += 0.001 * force
        for i in range(20):
            xs[i] += 0.001 * vs[i]
    return xs[7]
""",
    "json": """
import json

def run():
    rows = [{"id": i, "name": f"item {i}", "tags": ["a", "b"], "price": i / 7} for i in range(1_500)]
    text = json.dumps(rows)
    return sum(row["id"] for row in json.loads(text)) + len(text)
""",
}
