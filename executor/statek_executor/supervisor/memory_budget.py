"""Which waiting interpreters have to go so that all of them together stay within the memory they may use? Pure.

An interpreter that waits for a future costs no processor, only memory. It can always be ended: its job goes on from its
checkpoint and the record when the wait is over. So memory is given back from those that have waited longest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """An interpreter that waits: which lease it serves, since when (monotonic seconds), and what it holds."""

    lease: str
    since: float
    bytes: int


def to_end(waiting: Iterable[Waiting], budget_bytes: int) -> list[str]:
    """List the leases to end, longest waits first, until the rest fits into the budget."""
    longest_first = sorted(waiting, key=lambda one: one.since)
    excess = sum(one.bytes for one in longest_first) - budget_bytes
    ended: list[str] = []
    for one in longest_first:
        if excess <= 0:
            break
        ended.append(one.lease)
        excess -= one.bytes
    return ended
