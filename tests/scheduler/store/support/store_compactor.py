"""Run a mirror whose file soon has to be made anew, and end this process by SIGKILL at one step of that.

`python store_compactor.py STORE STEP` prints the pid of the process that makes the file anew.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store_histories import ticks
from store_mirrors import mirror_of

from statek.store import remaking, session
from statek.store.compaction import CompactionRules
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger

PATIENCE = 60.0
RULES = CompactionRules(2, 200_000, look_seconds=0.0)
STEPS: dict[str, tuple[Any, str, bool]] = {
    "begun": (remaking.Remaking, "_start", True),
    "closed": (Path, "rename", False),
    "renamed": (session, "sync_directory", True),
    "opened": (session.Session, "replace", True),
}
"""Where to die, by the step: at the beginning of a function, or, where True, at its end."""


def end_at(owner: Any, name: str, *, after: bool) -> None:
    """Have a function end this process when it is called, or when it has done its work."""
    original: Callable[..., Any] = getattr(owner, name)

    def deadly(*arguments: Any) -> Any:
        made = original(*arguments) if after else None
        if isinstance(made, subprocess.Popen):
            print(made.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)


def main(path: str, step: str) -> None:
    """Append events for ever: the file grows with each commit."""
    store = StoreDirectory.create_or_open(Path(path))
    with Ledger.open(store.ledger) as ledger, mirror_of(store, compaction_rules=RULES) as mirror:
        owner, name, after = STEPS[step]
        end_at(owner, name, after=after)
        for number in itertools.count():
            for tick in ticks(f"job-{number}"):
                cursors = ledger.append(tick.records, tick.jobs, tick.blobs)
                mirror.notify(cursors[-1])
                mirror.wait_until(cursors[-1], PATIENCE)


if __name__ == "__main__":
    main(*sys.argv[1:])
