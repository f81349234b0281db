"""What the jobs of clients do in a sweep, and what must come of it: computed here, without any of what is tested."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

_BEGIN: Final = """
import random, time
random.seed({seed})
total, drawn, times = 0, [], []

def attempt(call, number):
    try:
        return call(number)
    except ToolOutcomeUnknown:
        return "unknown"
"""
_SHOW: Final = """
print("end", total, len(times), times == sorted(times), drawn)
"""

StepKind = Literal["effect", "slow_effect", "repeatable", "wait", "spin", "draw", "clock", "line", "burst"]
_FACTORS: Final = {"effect": 10, "slow_effect": 100, "repeatable": 1000}
_KINDS: Final[tuple[StepKind, ...]] = (
    *("effect", "effect", "effect", "slow_effect", "repeatable"),
    *("wait", "wait", "spin", "spin", "spin", "draw", "clock", "line", "burst"),
)
BURST: Final = 70
"""Calls in a row: so many messages that the scheduler has to acknowledge some in between."""
SPINS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a program does; its number is its own within the job."""

    number: int
    kind: StepKind
    seconds: float
    """How long a wait takes."""

    @property
    def has_effect(self) -> bool:
        return self.kind in ("effect", "slow_effect")

    def worth(self, unknown: Collection[int]) -> int:
        """Return by how much it makes the total larger, if the outcomes of these steps are unknown."""
        return self.number * _FACTORS[self.kind] if self.kind in _FACTORS and self.number not in unknown else 0

    def printed(self, unknown: Collection[int]) -> str | None:
        """Return the line that it prints, None for a step without one."""
        match self.kind:
            case "effect" | "slow_effect" | "repeatable":
                return f"{self.kind} {self.number} {'unknown' if self.number in unknown else self.worth(())}"
            case "wait":
                return f"waited {self.number} {self.number * 7 + 1}"
            case "line":
                return f"line {self.number} {'x' * self.number}"
            case "burst":
                return f"burst {self.number} {{{self.number * 1000}}}"
        return None

    @property
    def source(self) -> str:
        """The guest's statements."""
        if self.kind in _FACTORS:
            call = f"result = attempt({self.kind}, {self.number})\nprint({self.kind!r}, {self.number}, result)"
            return f"{call}\ntotal += result if result != 'unknown' else 0"
        if self.kind == "wait":
            return f"print('waited', {self.number}, wait({self.number}, {self.seconds:.2f}) + 1)"
        if self.kind == "spin":
            return f"spent = 0\nwhile spent < {SPINS}: spent += 1"
        if self.kind == "burst":
            return f"print('burst', {self.number}, {{attempt(repeatable, {self.number}) for _ in range({BURST})}})"
        if self.kind == "draw":
            return "drawn.append(random.randrange(1000))"
        if self.kind == "clock":
            return "times.append(time.time())"
        return f"print('line', {self.number}, 'x' * {self.number})"


@dataclass(frozen=True, slots=True)
class Program:
    """The batches of one job."""

    seed: int
    batches: tuple[tuple[Step, ...], ...]

    @property
    def sources(self) -> list[str]:
        texts = ["\n".join(step.source for step in batch) + "\n" for batch in self.batches]
        return [_BEGIN.format(seed=self.seed) + texts[0], *texts[1:], _SHOW]

    @property
    def effects(self) -> set[int]:
        """The numbers of the steps that leave a trace outside and must leave one only."""
        return {step.number for batch in self.batches for step in batch if step.has_effect}

    def console(self, unknown: Collection[int]) -> str:
        """Tell what it prints, undisturbed, if the outcomes of these steps are unknown."""
        draw = random.Random(self.seed)
        steps = [step for batch in self.batches for step in batch]
        lines = [line for step in steps if (line := step.printed(unknown)) is not None]
        total = sum(step.worth(unknown) for step in steps)
        drawn = [draw.randrange(1000) for step in steps if step.kind == "draw"]
        clocks = sum(step.kind == "clock" for step in steps)
        return "\n".join([*lines, f"end {total} {clocks} True {drawn}"]) + "\n"


def program(seed: int) -> Program:
    """Make up a program; the same for the same seed."""
    draw = random.Random(seed)
    number, batches = 0, []
    for _ in range(draw.randint(1, 3)):
        steps = []
        for _ in range(draw.randint(3, 9)):
            number += 1
            steps.append(Step(number, draw.choice(_KINDS), draw.choice((0.05, 0.3, 1.5))))
        batches.append(tuple(steps))
    return Program(seed, tuple(batches))
