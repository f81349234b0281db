"""Our objects made anew from the ledger in a directory beside the store's, in a process of its own.

`python -m statek.store.remake DIRECTORY LEDGER UUID` brings the file in that directory, which is empty and of the
prefix with that uuid, to the ledger's end, makes it durable, and then becomes the probe that reads it through and
prints what it found. It may be killed at any moment; it ends by itself when its standard input does, which is when
whoever asked for it has died.
"""

from __future__ import annotations

import math
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from statek.store.copies import OURS
from statek.store.directory import sync_directory
from statek.store.history import History
from statek.store.prefix_probe import SUFFIX
from statek.store.session import Session

_NICENESS: Final = 10
"""It gives way to whoever serves, and is done some day also where the processors are never idle: at 19 it was not."""
_STEP: Final = 500
"""Events between two looks at whether anybody still wants the file."""


class Unwanted(Exception):
    """Whoever asked for the file is gone."""


def main(arguments: Sequence[str]) -> None:
    """Make the objects and read them through, or fail with a traceback that tells why."""
    directory, ledger, uuid = arguments
    os.nice(_NICENESS)
    make(Path(directory), Path(ledger), int(uuid))
    os.execv(sys.executable, (sys.executable, "-P", "-m", "statek.store.probe", directory))  # noqa: S606 - ourselves


def make(directory: Path, ledger_path: Path, uuid: int) -> None:
    """Bring the empty file in the directory to the ledger's end, and make it durable."""
    with History.read(ledger_path) as ledger:
        session = Session(directory, math.inf)
        try:
            if session.uuid != uuid:
                raise ValueError(f"the empty file that was kept is of prefix {session.uuid} and not {uuid}")
            _follow(ledger, session)
        finally:
            session.close()
    with (directory / f"{OURS}{SUFFIX}").open("rb") as file:
        os.fsync(file.fileno())
    sync_directory(directory)


def _follow(ledger: History, session: Session) -> None:
    while events := ledger.events(None, session.cursor, _STEP):
        if select.select([sys.stdin], [], [], 0)[0]:
            raise Unwanted
        session.apply(events, ledger)
        session.commit_if_due()


if __name__ == "__main__":
    main(sys.argv[1:])
