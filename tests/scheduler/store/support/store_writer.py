"""Fill a store until killed: `store_writer.py STORE [mirror]`; prints each cursor that was acknowledged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from store_histories import ticks

from statek.store import log_keeping
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror

MOST_AHEAD = 2_000
"""Events that the ledger may be ahead of the mirror, so that a kill finds the mirror at work and not far behind."""


def main(path: str, mirrored: bool) -> None:
    store = StoreDirectory.create_or_open(Path(path))
    store.lock()
    ledger = Ledger.open(store.ledger)
    log_keeping.PAGES_BESIDE = 50  # type: ignore[misc]  # so that a kill finds the log on its way home
    ledger.keep_log_beside()
    mirror = Mirror(store.dbzero, store.ledger, fail, commit_seconds=0.0) if mirrored else None
    if mirror is not None:
        mirror.start()
    while True:
        write_job(f"job-{sum(ledger.counts().values())}", ledger, mirror)


def write_job(job: str, ledger: Ledger, mirror: Mirror | None) -> None:
    for tick in ticks(job):
        cursors = ledger.append(tick.records, tick.jobs, tick.blobs)
        print(cursors[-1], flush=True)
        if mirror is not None:
            mirror.notify(cursors[-1])
            mirror.wait_until(cursors[-1] - MOST_AHEAD, timeout=60.0)


def fail(error: BaseException) -> None:
    print(f"the mirror failed: {error!r}", file=sys.stderr, flush=True)
    os._exit(3)


if __name__ == "__main__":
    main(sys.argv[1], "mirror" in sys.argv)
