"""How many interpreters fit into a gibibyte beside their zygote: lean ones, after a batch, and waiting after it?"""

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
    """By what all of them add to the memory of a zygote that is there anyway, and the page tables of each.

    The proportional set sizes of zygote and children together say what they have in pages; less the zygote's own before
    it had children, that is the children's. What else the kernel keeps of a process (its descriptors of mappings, stack
    and sockets, some 120 KiB) is in nobody's account.
    """
    if os.geteuid() != 0:
        return  # nobody else may see the pages of processes that are not dumpable
    with nursery() as zygote, ExitStack() as alive:
        family = _family_of(alive.enter_context(zygote.child("interpreter")))
        number = CHILDREN_QUICK if effort.quick else CHILDREN
        before = _proportional_bytes(family)
        children = [alive.enter_context(zygote.child("interpreter")) for _ in range(number)]

        def row(name: str, target: Target | None) -> Row:
            for child in children:
                child.come_to_rest()
            processes = [child.pid for child in children]
            added = _proportional_bytes([*family, *processes]) - before
            each = added / number + statistics.median(map(_page_table_bytes, processes))
            return Row(name, GIB / each, "per GiB", target=target)

        yield row("interpreters without a job", IDLE_TARGET)
        for child in children:
            child.load()
            child.run(_BATCH)
        yield row("interpreters just after a batch", None)
        for child in children:
            child.rest()
        yield row("interpreters after a batch, told to rest", USED_TARGET)


def _family_of(child: Child) -> list[int]:
    """Launcher, zygote, template, and this first child, which takes whatever is copied only once."""
    child.come_to_rest()
    zygote = int(_fields(child.pid, "status")["PPid"])
    siblings = Path(f"/proc/{zygote}/task/{zygote}/children").read_text(encoding="ascii").split()
    return [int(_fields(zygote, "status")["PPid"]), zygote, *map(int, siblings)]


def _proportional_bytes(pids: Sequence[int]) -> int:
    return sum(_kilobytes(_fields(pid, "smaps_rollup")["Pss"]) for pid in pids)


def _page_table_bytes(pid: int) -> int:
    return _kilobytes(_fields(pid, "status")["VmPTE"])


def _fields(pid: int, name: str) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _kilobytes(entry: str) -> int:
    return int(entry.removesuffix("kB")) * 1024
