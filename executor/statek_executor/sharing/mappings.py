"""Where a process's writable memory is, as the kernel tells it."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def writable_mappings() -> tuple[range, ...]:
    """Tell where all this process's memory was when that was asked first; later there are no files to ask.

    What its programs and allocators write to, as ranges of addresses; the stack is left out. proc_pid_maps(5).
    """
    lines = Path("/proc/self/maps").read_text(encoding="ascii", errors="surrogateescape").splitlines()
    fields = [line.split(maxsplit=2) for line in lines if not line.endswith("[stack]")]
    return tuple(range(*(int(end, 16) for end in span.split("-"))) for span, rights, _ in fields if rights == "rw-p")
