"""Forget all jobs of a store, portion by portion: `store_pruner.py STORE`; prints a number after each.

Portions are small, so that a kill meets every kind of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from statek.audit.recorder import Recorder
from statek.loop import retaining
from statek.loop.tick import Tick
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger

NOW = 10_000_000


def main(path: str) -> None:
    retaining.EVENTS_AT_ONCE, retaining.ROWS_AT_ONCE = 40, 15  # type: ignore[misc]
    with Ledger.open(StoreDirectory.create_or_open(Path(path)).ledger) as ledger:
        forgetter, recorder, portions = retaining.Forgetter(ledger), Recorder(), 0
        decided = at_rest = False
        while not (decided and at_rest):
            tick = Tick(NOW, recorder, ledger.last_cursor)
            decided = forgetter.decide(tick, NOW)
            tick.commit(ledger)
            at_rest = forgetter.carry_out()
            portions += 1
            print(portions, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
