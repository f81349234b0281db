"""`zygote.py DESCRIPTOR`: a real zygote that also makes bare children: a plain os.fork, and no step of the lock-down.

Both kinds come from one process with the same memory, so the difference between them is what the zygote does.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import children
from statek_executor.isolation import kernel
from statek_executor.zygote import launcher
from statek_executor.zygote.entries import KINDS, Entry
from statek_executor.zygote.service import Service

BARE_KINDS = {"bare": "bench.children:tell_age", "echo": "bench.children:echo"}
LOCKED_KINDS = {"locked": "bench.children:tell_age"}


class TimedService(Service):
    """Notes when each fork begins, and leaves out the steps of bare children."""

    def _fork(self, tag: int, entry: Entry) -> None:
        steps, fork = self._steps, kernel.fork
        if any(entry is self._entries[kind] for kind in BARE_KINDS):  # by identity: equal entries may differ in kind
            self._steps = tuple(step for step in steps if step.name == "socket")
            kernel.fork = os.fork
        children.forked_at_ns = time.perf_counter_ns()
        try:
            super()._fork(tag, entry)
        finally:
            self._steps, kernel.fork = steps, fork


def main() -> int:
    """Run as the launcher that a supervisor starts."""
    vars(launcher)["Service"] = TimedService  # the one thing that is not as in production
    return launcher.main(kinds={**KINDS, **LOCKED_KINDS, **BARE_KINDS})


if __name__ == "__main__":
    sys.exit(main())
