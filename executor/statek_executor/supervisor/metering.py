"""How much an interpreter has used, read from outside: nothing of it is the interpreter's own word."""

from __future__ import annotations

import time
from pathlib import Path

_SCHED = 2
"""CPUCLOCK_SCHED in the low bits of a process's CPU clock id (clock_getcpuclockid(3), include/linux/posix-timers.h)."""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process; raises `ProcessLookupError` once it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | _SCHED)
    except OSError as error:
        raise ProcessLookupError(pid) from error


def peak_memory_bytes(pid: int) -> int:
    """Return the highest resident set so far (VmHWM, shared pages of the zygote included), 0 once it is gone."""
    return _status_bytes(pid, "VmHWM:")


def anonymous_bytes(pid: int) -> int:
    """Return the anonymous pages in the resident set (RssAnon, those of the zygote included), 0 once it is gone.

    What belongs to the process alone stands in smaps, which the kernel does not show of a process that cannot be
    dumped, not even to its own user.
    """
    return _status_bytes(pid, "RssAnon:")


def _status_bytes(pid: int, field: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
