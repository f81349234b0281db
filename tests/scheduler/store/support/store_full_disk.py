"""Run out of disk in mid-append and go on when there is room again: `store_full_disk.py STORE`; prints what happened.

A limit on the size of files stands for the full disk: the kernel refuses the write in the same place.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from statek.core.events import ConsolePrinted
from statek.core.jobs import Job, digest
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreUnwritable
from statek.store.ledger import Ledger, Record

ROOM = 1_000_000


def main(path: str) -> None:
    ledger = Ledger.open(StoreDirectory.create_or_open(Path(path)).ledger)
    written, reason = fill_up(ledger)
    cursor = ledger.last_cursor
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = append(ledger, written)
    ledger.verify()
    print(json.dumps({"written": written, "cursor": cursor, "reason": reason, "again": list(again)}))
    ledger.close()


def fill_up(ledger: Ledger) -> tuple[int, str]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
    written = 0
    try:
        while True:
            append(ledger, written)
            written += 1
    except StoreUnwritable as error:
        return written, error.reason


def append(ledger: Ledger, number: int) -> range:
    data = b"%d" % number * 2_000
    record = Record("job", number, ConsolePrinted(1, "output", b"%d\n" % number))
    return ledger.append([record], [Job("job", f"{number}")], {digest(data): data})


if __name__ == "__main__":
    main(sys.argv[1])
