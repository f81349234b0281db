"""What the jobs of a sweep do, and what must come of it: computed here, without any of what is tested."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

APP: Final = '''
import os
import pathlib
import time

from statek import FutureResult, temporal, tool

HERE = pathlib.Path(__file__).parent


def record(name, line):
    """One write with O_APPEND: whole or not at all, and never twice."""
    file = os.open(HERE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def effect(number, *, idempotency_key):
    record("effects", f"{idempotency_key.split('/')[0]} {number}\\n")
    return number * 10


@tool(thread=True)
def slow_effect(number, *, idempotency_key):
    record("effects", f"{idempotency_key.split('/')[0]} {number}\\n")
    time.sleep(0.05)
    return number * 100


@tool(idempotent=True)
def repeatable(number, *, idempotency_key):
    record("repeated", f"{idempotency_key}\\n")
    return number * 1000


def is_over(future):
    return time.time() >= float(future.deps.split()[1])


def fetch(future):
    return int(future.deps.split()[0]) * 7


@tool(idempotent=True)
@temporal(condition=is_over, complement=fetch)
def wait(number, seconds):
    return FutureResult(f"{number} {time.time() + seconds}", 0)


tools = [effect, slow_effect, repeatable, wait]
'''
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
        lines, total, drawn, clocks = [], 0, [], 0
        for step in (step for batch in self.batches for step in batch):
            if step.kind in _FACTORS:
                known = step.number not in unknown
                result = step.number * _FACTORS[step.kind]
                total += result if known else 0
                lines.append(f"{step.kind} {step.number} {result if known else 'unknown'}")
            elif step.kind == "wait":
                lines.append(f"waited {step.number} {step.number * 7 + 1}")
            elif step.kind == "line":
                lines.append(f"line {step.number} {'x' * step.number}")
            elif step.kind == "burst":
                lines.append(f"burst {step.number} {{{step.number * 1000}}}")
            elif step.kind == "draw":
                drawn.append(draw.randrange(1000))
            clocks += step.kind == "clock"
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
