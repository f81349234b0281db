"""Sources that the benches compile and run: a batch of ten statements, and the demonstration's agent programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

TEN_STATEMENTS: Final = """
prices = [12.5, 8.0, 3.25, 40.0]
amounts = [3, 10, 4, 1]
total = sum(p * a for p, a in zip(prices, amounts))
average = total / len(prices)
best = max(prices)
names = {'a': 1, 'b': 2}
names['c'] = best
text = f'{total:.2f} {average:.2f}'
marker = 0
print(text, sorted(names))
"""


def ten_statements(number: int) -> bytes:
    """The batch in a spelling that was not seen before."""
    return TEN_STATEMENTS.replace("marker = 0", f"marker = {number}").encode()


def agent_programs() -> Mapping[str, bytes]:
    """What the demonstration's honest agents write, by name."""
    folder = Path(__file__).parents[1] / "demo" / "programs"
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.py"))}
