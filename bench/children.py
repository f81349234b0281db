"""The benches' own kinds of children. Run in a child, behind the wall or, for the floors, without one."""

from __future__ import annotations

import os
import struct
import time
from typing import Final

AGE: Final = struct.Struct("<Q")
ECHO_BYTES: Final = 1 << 16

forked_at_ns = 0
"""Set by the zygote just before each fork, and so in the child the moment at which its own began."""


def tell_age(descriptor: int) -> None:
    """Tell how long after the beginning of its fork this child was ready to serve, and wait for the end."""
    os.write(descriptor, AGE.pack(time.perf_counter_ns() - forked_at_ns))
    os.read(descriptor, 1)


def echo(descriptor: int) -> None:
    """Send everything back as it comes."""
    while data := os.read(descriptor, ECHO_BYTES):
        os.write(descriptor, data)
