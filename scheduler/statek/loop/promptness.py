"""How does the loop come to things soon, in a process whose other threads have much to do?

Process-wide, both of it, and taken back at the end: a scheduler may run inside an application.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_SECONDS: Final = 0.0002
"""How long another thread may keep the interpreter's lock from the loop. Each statement of SQLite and each message
gives the lock away and waits for it: for Python's five milliseconds, as long as dbzero's thread has something to do."""


@contextmanager
def promptly() -> Iterator[Callable[[], None]]:
    """Let the loop's thread come to things soon, for the time of a with block.

    Gives a function that keeps the garbage collector from walking over all that there is now, again and again, as is
    done at the beginning. Modules, 10,000 jobs and as many waits are a walk of 20 to 50 ms, for which the interpreter's
    lock is held, in whichever thread it comes. They are freed as ever when nobody refers to them.
    """
    before = sys.getswitchinterval()
    spare = gc.freeze if gc.get_freeze_count() == 0 else _nothing  # what somebody else here has frozen is not ours
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    spare()
    try:
        yield spare
    finally:
        sys.setswitchinterval(before)
        if spare is gc.freeze:
            gc.unfreeze()


def _nothing() -> None:
    """Freeze nothing."""
