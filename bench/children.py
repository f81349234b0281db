"""The benches' own kinds of children. Run in a child, behind the wall or, for the floors, without one."""

from __future__ import annotations

import os
import struct
import time
from typing import Final

AGE: Final = struct.Struct("<Q")
ECHO_BYTES: Final = 1 << 16


def tell_age(descriptor: int) -> None:
    """Tell how long after the zygote began to make it this child was ready to serve, and wait for the end.

    When that was is the first thing to be read; the clock is the machine's.
    """
    ready = time.perf_counter_ns()
    (begun,) = AGE.unpack(os.read(descriptor, AGE.size))
    os.write(descriptor, AGE.pack(ready - begun))
    os.read(descriptor, 1)


def echo(descriptor: int) -> None:
    """Send everything back as it comes."""
    while data := os.read(descriptor, ECHO_BYTES):
        os.write(descriptor, data)
