"""Which jobs of a store would be forgotten by a rule, and forgetting them now, without a scheduler on the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from statek.audit.recorder import Recorder
from statek.loop.retaining import Forgetter
from statek.loop.tick import Tick
from statek.store.directory import StoreDirectory
from statek.store.history import History
from statek.store.ledger import Ledger

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was, or would be, forgotten."""

    jobs: int
    events: int
    bytes: int
    """How much smaller the ledger's file is now; of a dry run, what is in the jobs' events, variables and own blobs."""


def would_prune(store: StoreDirectory, seconds: float) -> Pruned:
    """Say what `prune` would forget; nothing is changed, and a scheduler may run. Raises a `StoreError`."""
    before_us, place, seen = _before_us(seconds), (0, 0), set[str]()
    events = size = 0
    with History.read(store.ledger) as ledger:
        while found := ledger.due_to_forget(before_us, place, _PAGE):
            place = found[-1][:2]
            for name in dict.fromkeys(name for _, _, name in found if name not in seen):
                seen.add(name)
                of_job = ledger.weight(name)
                events, size = events + of_job[0], size + of_job[1]
    return Pruned(len(seen), events, size)


def prune(store: StoreDirectory, seconds: float) -> Pruned:
    """Forget the jobs that ended longer ago than that, and give their space back; raises a `StoreError`.

    Takes the store's lock. dbzero's objects follow at the next start of a scheduler.
    """
    size = store.ledger.stat().st_size
    with store.lock(), Ledger.open(store.ledger) as ledger:
        forgetter, recorder = Forgetter(ledger), Recorder()
        decided = at_rest = False
        while not (decided and at_rest):
            tick = Tick(time.time_ns() // 1_000, recorder, ledger.last_cursor)
            decided = forgetter.decide(tick, _before_us(seconds))
            tick.commit(ledger)
            at_rest = forgetter.carry_out()
        ledger.make_shrinkable()
    return Pruned(forgetter.forgotten, forgetter.events, size - store.ledger.stat().st_size)


def _before_us(seconds: float) -> int:
    return int((time.time() - seconds) * 1e6)
