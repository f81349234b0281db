"""Which calls may have changed application objects after a copy of these was taken? The ledger knows what was called.

It does not know what a call changed, so this names every call that can have: all tools, and all operations that are
there to change an object. Operations that look at one are counted: they change nothing unless a property of the
application's does. Of a job that was forgotten since then the calls cannot be told any more; that it was is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statek.core.events import CallAnswered, CallRequested, JobForgotten
from statek.store.history import History
from statek_protocol import operations

_CHANGING: Final = frozenset(
    {
        operations.OBJECT_SET,
        operations.OBJECT_DELETE,
        operations.OBJECT_INVOKE,
        operations.OBJECT_SET_ITEM,
        operations.OBJECT_DELETE_ITEM,
    }
)
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class MissingCalls:
    """Calls whose changes may be missing, and how many others looked at objects."""

    calls: tuple[str, ...] = ()
    """Each as JOB/BATCH/NUMBER and the name of what was called."""
    reads: int = 0


def calls_since(ledger: History, cursor: int) -> MissingCalls:
    """Name the calls that were answered after that event."""
    calls: list[str] = []
    reads = 0
    for key, name in _answered(ledger, cursor):
        if "." not in name or name in _CHANGING:
            calls.append(f"{key} {name}")
        elif name in operations.OBJECT_OPERATIONS:
            reads += 1
    calls += [f"{name}: all calls of a job that was forgotten" for name in _forgotten(ledger, cursor)]
    return MissingCalls(tuple(calls), reads)


def _forgotten(ledger: History, cursor: int) -> Iterator[str]:
    """Yield the names of forgotten jobs to which something happened after that event."""
    after = cursor
    while page := ledger.events(None, after, _PAGE, (JobForgotten.kind,)):
        after = page[-1].cursor
        yield from (
            stored.job for stored in page if isinstance(stored.event, JobForgotten) and stored.event.last > cursor
        )


def _answered(ledger: History, cursor: int) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of each call, in the order of their answers."""
    names: dict[tuple[str, int], dict[int, str]] = {}
    while page := ledger.events(None, cursor, _PAGE, (CallAnswered.kind,)):
        cursor = page[-1].cursor
        for stored in page:
            answered = stored.event
            assert isinstance(answered, CallAnswered)
            batch = (stored.job, answered.batch)
            if batch not in names:
                names[batch] = _names(ledger, *batch)
            name = names[batch].get(answered.number)  # None for a call that was refused: nothing was run for it
            if name is not None:
                yield f"{stored.job}/{answered.batch}/{answered.number}", name


def _names(ledger: History, job: str, batch: int) -> dict[int, str]:
    events = (stored.event for stored in ledger.batch_events(job, batch, (CallRequested.kind,)))
    return {e.number: e.tool for e in events if isinstance(e, CallRequested) and not e.refused}
