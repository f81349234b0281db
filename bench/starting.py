"""How long until a locked-down child is ready, and a job's first batch done, beside a plain fork of the same zygote?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from bench.measuring import Effort, interleaved
from bench.nursery import Nursery, nursery, run_message
from bench.programs import ten_statements
from bench.rows import Row, Target

ROUNDS: Final = 60
READY_TARGET: Final = Target(most=1.6)
COLD_TARGET: Final = Target(most=4.5)
STOCK_TARGET: Final = Target(most=2.5)
FLOOR: Final = "plain os.fork of the zygote"

_BATCH: Final = run_message(1, ten_statements(1))


def measure(effort: Effort) -> Iterator[Row]:
    """Ready child, first batch from nothing, first batch in a child of the stock."""
    with nursery() as zygote:
        variants = {
            "bare": lambda: _age(zygote, "bare"),
            "ready": lambda: _age(zygote, "locked"),
            "cold": lambda: _cold(zygote),
            "stock": lambda: _from_stock(zygote, "rehearsed"),
            "lean": lambda: _from_stock(zygote, "interpreter"),
        }
        samples = interleaved(variants, effort.rounds(ROUNDS))
    names = {
        "ready": ("locked-down child ready", READY_TARGET),
        "cold": ("first batch, nothing there yet", COLD_TARGET),
        "stock": ("first batch, child from the stock", STOCK_TARGET),
        "lean": ("first batch, lean child from the stock", None),
    }
    floor = samples.median("bare")
    for key, (name, target) in names.items():
        yield Row(name, samples.median(key), "s", FLOOR, floor, samples.ratio(key, "bare"), target)


def _age(zygote: Nursery, kind: str) -> float:
    """From the zygote's call of fork to the child's first own line, as the child tells it."""
    with zygote.child(kind) as child:
        return child.age_seconds()


def _cold(zygote: Nursery) -> float:
    """From the supervisor's request for a child to the end of the batch."""
    started = time.perf_counter()
    with zygote.child("interpreter") as child:
        child.load()
        child.run(_BATCH)
        return time.perf_counter() - started


def _from_stock(zygote: Nursery, kind: str) -> float:
    """From the job's arrival at a child that waits to the end of the batch.

    The stock gives the child that has rehearsed first, and lean ones to leases that come close upon one another.
    """
    with zygote.child(kind) as child:
        child.come_to_rest()
        started = time.perf_counter()
        child.load()
        child.run(_BATCH)
        return time.perf_counter() - started
