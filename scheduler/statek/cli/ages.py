"""How long ago something was, in as few characters as tell it."""

from __future__ import annotations

import time
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def age(at_us: int, now_us: int | None = None) -> str:
    """Write the time since an instant in µs of Unix time: "3m" or "2d"; "0s" for one that is still to come."""
    seconds = max(0, ((time.time_ns() // 1_000 if now_us is None else now_us) - at_us) // 1_000_000)
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "0s"
