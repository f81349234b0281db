"""When is something wrong with a scheduler? What its facts mean for whoever watches over it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from statek_protocol.messages.client import Health

LAG_SECONDS: Final = 1.0
BUSY_SECONDS: Final = 30.0
"""A function that holds dbzero's thread for so long holds up every ordinary tool and operation."""
BEHIND_EVENTS: Final = 100_000
LOG_BYTES: Final = 512 * 1024 * 1024


def troubles(health: Health) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong: what, and what to do about it."""
    if health.ready and not health.executors:
        yield f"{health.ready} jobs wait and no executor is connected: start statek-executor, or look at its log"
    if health.lag_seconds > LAG_SECONDS:
        yield (
            f"the scheduler's loop was {health.lag_seconds:.1f} s late within the last ten seconds: "
            "the machine or its disk is too slow for what it has to do"
        )
    if health.objects_doing == "function" and health.objects_busy_seconds > BUSY_SECONDS:
        yield (
            f"a tool, an operation or a condition has held dbzero's thread for {health.objects_busy_seconds:.0f} s, "
            f"and {health.objects_waiting} more wait for it: `statek audit --kind call_overdue` names the call; "
            "give slow input and output to tools with thread=True"
        )
    if health.objects_behind > BEHIND_EVENTS:
        yield f"dbzero's objects are {health.objects_behind} events behind: applications see old states of jobs"
    if health.log_bytes > LOG_BYTES:
        yield (
            f"the ledger's write-ahead log has {health.log_bytes} bytes: "
            "somebody keeps a reader of it open, a backup or a shell"
        )
