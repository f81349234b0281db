"""How many interpreters fit into a gibibyte, idle and after a batch?"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.measuring import Effort
from bench.nursery import Child, nursery, run_message
from bench.programs import ten_statements
from bench.rows import Row, Target

CHILDREN: Final = 100
CHILDREN_QUICK: Final = 3
GIB: Final = 1 << 30
IDLE_TARGET: Final = Target(least=2000)
USED_TARGET: Final = Target(least=500)

_BATCH: Final = run_message(1, ten_statements(1))


def measure(effort: Effort) -> Iterator[Row]:
    """By the proportional set size of each child: its own pages, and its share of those that it has in common."""
    if os.geteuid() != 0:
        return  # nobody else may see the pages of processes that are not dumpable
    with nursery() as zygote, ExitStack() as alive:
        number = CHILDREN_QUICK if effort.quick else CHILDREN
        children = [alive.enter_context(zygote.child("interpreter")) for _ in range(number)]
        for child in children:
            child.come_to_rest()
        yield Row("interpreters that wait", GIB / _typical_bytes(children), "per GiB", target=IDLE_TARGET)
        for child in children:
            child.load()
            child.run(_BATCH)
            child.come_to_rest()
        yield Row("interpreters after a batch", GIB / _typical_bytes(children), "per GiB", target=USED_TARGET)


def _typical_bytes(children: Sequence[Child]) -> float:
    return statistics.median(_proportional_bytes(child.pid) for child in children)


def _proportional_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = dict(line.split(":", 1) for line in lines[1:])
    return int(sizes["Pss"].removesuffix("kB")) * 1024
