"""Lines of JSON between a supervisor and a child that is no interpreter: one that tries what is forbidden."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Final

CHUNK_BYTES: Final = 64 * 1024


def read_line(descriptor: int) -> bytes:
    """Wait for one line, or nothing at the end of the stream."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            return b""
        line += chunk
    return line


def write_line(descriptor: int, value: object, *, default: Callable[[object], object] | None = None) -> None:
    """Write a value whole; `default` says what stands for one that JSON has no form for."""
    rest = memoryview(json.dumps(value, default=default).encode() + b"\n")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
