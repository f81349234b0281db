"""What does a batch cost in an interpreter that has already worked, beside a bare echo over the same kind of socket?"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.nursery import Child, nursery, run_message
from bench.programs import ten_statements
from bench.rows import Row, Target

ROUNDS: Final = 300
KNOWN_TARGET: Final = Target(most=2.0)
NEW_TARGET: Final = Target(most=7.0)
FLOOR: Final = "echo by a bare child"

_KNOWN: Final = run_message(1, ten_statements(1))


def measure(effort: Effort) -> Iterator[Row]:
    """A batch that was compiled before, and one that was not; apart, for compiling fills the caches of the machine."""
    numbers = itertools.count(2)
    with nursery() as zygote, zygote.child("echo") as echo, zygote.child("interpreter") as child:
        child.load()
        child.run(_KNOWN)
        for name, target, work in (
            ("warm batch, compiled before", KNOWN_TARGET, lambda: _run(child, next(numbers), ten_statements(1))),
            ("warm batch, new source", NEW_TARGET, lambda: _new(child, next(numbers))),
        ):
            variants = {"echo": timed(partial(echo.echo, _KNOWN)), "batch": work}
            samples = interleaved(variants, effort.rounds(ROUNDS))
            ours, floor = samples.median("batch"), samples.median("echo")
            yield Row(name, ours, "s", FLOOR, floor, samples.ratio("batch", "echo"), target)


def _new(child: Child, number: int) -> float:
    return _run(child, number, ten_statements(number))


def _run(child: Child, number: int, source: bytes) -> float:
    order = run_message(number, source)
    started = time.perf_counter()
    child.run(order)
    return time.perf_counter() - started
