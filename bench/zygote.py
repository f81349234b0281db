"""`zygote.py DESCRIPTOR`: a real zygote that also makes bare children: a plain os.fork, and no step of the lock-down.

Both kinds come from one process with the same memory, so the difference between them is what the zygote does.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import children
from bench.children import AGE
from statek_executor.isolation.seccomp import CHILD_FD
from statek_executor.zygote import launcher
from statek_executor.zygote.entries import KINDS
from statek_executor.zygote.service import Service

BARE: Final = {"bare": children.tell_age, "echo": children.echo}
LOCKED: Final = {"locked": children.tell_age}


class TimedService(Service):
    """Tells children that tell their age when their making began, and makes bare ones by itself."""

    def _copy(self, kind: str, outer: socket.socket, inner: socket.socket) -> int:
        if {**BARE, **LOCKED}.get(kind) is children.tell_age:
            outer.send(AGE.pack(time.perf_counter_ns()))
        return _bare(kind, inner) if kind in BARE else super()._copy(kind, outer, inner)


def _bare(kind: str, inner: socket.socket) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(inner.fileno(), CHILD_FD)
            BARE[kind](CHILD_FD)
        finally:
            os._exit(0)
    return pid


def main() -> int:
    """Run as the launcher that a supervisor starts."""
    vars(launcher)["Service"] = TimedService  # the one thing that is not as in production
    own = {kind: f"{serve.__module__}:{serve.__name__}" for kind, serve in {**BARE, **LOCKED}.items()}
    return launcher.main(kinds={**KINDS, **own})


if __name__ == "__main__":
    sys.exit(main())
