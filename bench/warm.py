"""What does a batch cost in an interpreter that has already worked, beside a bare echo over the same kind of socket?

Where the kernel puts the child decides about the floor. On the core of whoever asks it, nobody has to be woken: an echo
is two switches between processes, and takes some 10 us. On another core each side is woken by the other, as it is in a
service whose supervisor and guests work at the same time, and an echo takes several times as long. Left to the kernel,
one and the same state of the sources came out at 2.4 or at 10 times the echo. So both places are measured, each against
an echo in the same place. The targets are for the other core: they came from figures in which the echo had to be woken,
54 to 110 us, and no batch in Python comes near twice an echo of 10.

Who else uses the machine comes and goes by the second. That slows down a batch, which computes, by other factors than
an echo, which waits to be woken. So the rounds of each row are spread over several passes.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from bench.measuring import Effort, Samples, Timed, interleaved, timed
from bench.nursery import Child, nursery, run_message
from bench.programs import ten_statements
from bench.rows import Row, Target

PASSES: Final = 5
ROUNDS: Final = 200
"""Of each row in each pass."""
TARGETS: Final = {"compiled before": Target(most=2.0), "new source": Target(most=7.0)}
FLOOR: Final = "echo by a bare child there"
OTHER_CORE: Final = "other core"
SAME_CORE: Final = "same core"

_KNOWN: Final = run_message(1, ten_statements(1))


def measure(effort: Effort) -> Iterator[Row]:
    """A batch that was compiled before, and one that was not; apart, for compiling fills the caches of the machine."""
    numbers = itertools.count(2)
    with nursery() as zygote, zygote.child("echo") as echo, zygote.child("interpreter") as child:
        child.load()
        child.run(_KNOWN)
        works: dict[str, Timed] = {
            "compiled before": lambda: _run(child, next(numbers), ten_statements(1)),
            "new source": lambda: _new(child, next(numbers)),
        }
        found: dict[tuple[str, str], Samples] = {}
        for _ in range(effort.rounds(PASSES)):
            for (place, core), (name, work) in itertools.product(_places(), works.items()):
                variants = {"echo": timed(partial(echo.echo, _KNOWN)), "batch": work}
                with _pinned(core, echo.pid, child.pid):
                    samples = interleaved(variants, effort.rounds(ROUNDS))
                before = found.get((place, name))
                found[place, name] = before.with_more(samples) if before else samples
    for (place, name), samples in found.items():
        ours, floor, ratio = samples.median("batch"), samples.median("echo"), samples.ratio("batch", "echo")
        aim = TARGETS[name] if place == OTHER_CORE else None
        yield Row(f"warm batch, {name}, {place}", ours, "s", FLOOR, floor, ratio, aim)


def _places() -> list[tuple[str, int]]:
    """Where children can be, seen from this process on the first of its cores."""
    cores = sorted(os.sched_getaffinity(0))
    return [(OTHER_CORE, cores[1]), (SAME_CORE, cores[0])] if len(cores) > 1 else [(SAME_CORE, cores[0])]


@contextmanager
def _pinned(core: int, *children: int) -> Iterator[None]:
    """Keep children on a core, and this process on the first of its own."""
    cores = os.sched_getaffinity(0)
    for child in children:
        os.sched_setaffinity(child, {core})
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _new(child: Child, number: int) -> float:
    return _run(child, number, ten_statements(number))


def _run(child: Child, number: int, source: bytes) -> float:
    """Take the time until the end of a batch is heard, as an echo is: neither is read before the clock stops."""
    order = run_message(number, source)
    started = time.perf_counter()
    child.run(order)
    return child.heard_at - started
