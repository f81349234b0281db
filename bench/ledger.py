"""How fast does the ledger make events durable, one by one and a turn's worth at once, beside write and fsync?"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.rows import Row
from statek.core.events import ConsolePrinted
from statek.core.jobs import Job, digest
from statek.store.ledger import Ledger, Record

ROUNDS: Final = 40
GROUP: Final = 100
"""Events in one turn of a busy scheduler, of ten jobs."""
JOBS: Final = 10
_LINE: Final = b"a line of what a guest has printed, neither short nor long\n"
_POLICY: Final = b"policy"


def measure(effort: Effort) -> Iterator[Row]:
    """One row for single events, one for groups, and what groups are worth."""
    # Beside the sources, because a directory for temporary files is often in memory, where fsync costs nothing.
    with tempfile.TemporaryDirectory(prefix="statek-bench-", dir=Path(__file__).parents[1]) as directory:
        ledger = Ledger.open(Path(directory) / "ledger.sqlite3")
        plain = os.open(Path(directory) / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            clock = itertools.count(1)
            variants = {
                "one": timed(lambda: _append(ledger, 1, clock)),
                "plain one": timed(partial(_write, plain, 1)),
                "group": timed(lambda: _append(ledger, GROUP, clock)),
                "plain group": timed(partial(_write, plain, GROUP)),
            }
            samples = interleaved(variants, effort.rounds(ROUNDS))
        finally:
            os.close(plain)
            ledger.close()
    for key, name in (("one", "ledger: one event"), ("group", f"ledger: {GROUP} events in one turn")):
        floor = f"plain {key}"
        ours = samples.median(key)
        yield Row(name, ours, "s", "write and fsync", samples.median(floor), samples.ratio(key, floor))
    yield Row("ledger: rate of group commits", GROUP / samples.median("group"), "events/s")


def _append(ledger: Ledger, number: int, clock: Iterator[int]) -> None:
    jobs = [Job(f"job-{index}", digest(_POLICY)) for index in range(min(number, JOBS))]
    records = [
        Record(jobs[index % len(jobs)].job, next(clock), ConsolePrinted(1, "output", _LINE)) for index in range(number)
    ]
    ledger.append(records, jobs, {digest(_POLICY): _POLICY})


def _write(descriptor: int, number: int) -> None:
    os.write(descriptor, _LINE * number)
    os.fsync(descriptor)
