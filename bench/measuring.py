"""How to compare on a machine that others use too: variants take turns, and each round is compared in itself."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

QUICK_ROUNDS: Final = 2

Timed: TypeAlias = Callable[[], float]
"""Does something once and returns the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much a bench may do."""

    quick: bool = False
    """Only show that it works; the figures mean nothing."""

    thorough: bool = False
    """Also what takes many minutes."""

    def rounds(self, number: int) -> int:
        return QUICK_ROUNDS if self.quick else number


@dataclass(frozen=True, slots=True)
class Samples:
    """The times of every variant, round by round."""

    times: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.times[name])

    def with_more(self, more: Samples) -> Samples:
        """Add the rounds of another time."""
        return Samples({name: times + more.times[name] for name, times in self.times.items()})

    def ratio(self, name: str, floor: str) -> float:
        """The median of the rounds' ratios: what slows down a whole round does not count."""
        return statistics.median(
            ours / theirs for ours, theirs in zip(self.times[name], self.times[floor], strict=True)
        )


def interleaved(variants: Mapping[str, Timed], rounds: int) -> Samples:
    """Run all variants in turn, in alternating order, after a first round that is thrown away."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for name in names:
        variants[name]()
    with _quiet():
        for number in range(rounds):
            for name in names if number % 2 else reversed(names):
                times[name].append(variants[name]())
    return Samples(times)


def timed(work: Callable[[], object]) -> Timed:
    """Make something measurable."""

    def run() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return run


def geometric_mean(values: Iterable[float]) -> float:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep this process's own garbage collection out of the figures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
