"""Where a process's writable memory is, as the kernel tells it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_NO_MEMORY_OF_PROGRAMS: Final = ("[stack]", "[vvar]", "[vdso]", "[vsyscall]")


@cache
def writable_mappings() -> tuple[range, ...]:
    """Tell where all this process's memory was when that was asked first; later there are no files to ask.

    What its programs and allocators write to, as ranges of addresses; the stack is left out. proc_pid_maps(5).
    """
    lines = Path("/proc/self/maps").read_text(encoding="ascii", errors="surrogateescape").splitlines()
    fields = [line.split(maxsplit=5) for line in lines]
    return tuple(
        range(*(int(end, 16) for end in span.split("-")))
        for span, rights, *_, name in (line if len(line) == 6 else [*line, ""] for line in fields)
        if rights == "rw-p" and name not in _NO_MEMORY_OF_PROGRAMS
    )
