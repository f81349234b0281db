"""What tells, after a crash, whether an operation was done: its outcome, kept in the file of the objects it changed.

A marker is written with the changes and committed with them, since both are in one dbzero prefix, which is one file. An
operation that changed objects of several prefixes has a marker in each, and each names them all: prefixes are committed
one after the other, so after a crash in between some have theirs and some do not. In dbzero's thread only; importing
this imports dbzero, which is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import dbzero as db0
import msgpack


class HalfDone(Exception):
    """Some of the files that an operation changed have its changes, and others have not."""

    def __init__(self, has: Collection[str], lacks: Collection[str]) -> None:
        super().__init__(f"its changes are in {', '.join(sorted(has))} and not in {', '.join(sorted(lacks))}")
        self.has = frozenset(has)
        self.lacks = frozenset(lacks)


@db0.memo(singleton=True, id="statek/Markers")
class Markers:
    """The markers in one prefix: by job and number of the batch, then by number of the call."""

    def __init__(self, prefix: str) -> None:
        db0.set_prefix(self, prefix)
        self.batches: dict[bytes, dict[int, bytes]] = {}


_due: list[tuple[str, int, int, bytes]] = []
"""Calls that were done in the function under way, before it is known which prefixes it changed."""


def put_when_known(job: str, batch: int, number: int, outcome: bytes) -> None:
    """Have a call marked as done as soon as it is known what the function that runs has changed."""
    _due.append((job, batch, number, outcome))


def settle(changed: Collection[str]) -> None:
    """Mark what is due in the prefixes that were changed; nothing is marked where nothing was."""
    due = list(_due)
    _due.clear()
    for job, batch, number, outcome in due:
        put(changed, job, batch, number, outcome)


def put(prefixes: Collection[str], job: str, batch: int, number: int, outcome: bytes) -> None:
    """Mark a call as done, in all the prefixes that it changed; call it before these changes are committed."""
    marker = msgpack.packb([outcome, sorted(prefixes)])
    for prefix in prefixes:
        batches = Markers(prefix).batches
        key = _key(job, batch)
        if key not in batches:
            batches[key] = {}
        batches[key][number] = marker


def find(job: str, batch: int, number: int) -> bytes | None:
    """Return the outcome of a call that was done, or None; raises `HalfDone`."""
    for markers in _all():
        calls = markers.batches.get(_key(job, batch))
        if calls is not None and number in calls:
            outcome, prefixes = msgpack.unpackb(calls[number])
            _check_whole(job, batch, number, prefixes)
            found: bytes = outcome
            return found
    return None


def _check_whole(job: str, batch: int, number: int, prefixes: list[str]) -> None:
    has = {name for name in prefixes if _has(name, job, batch, number)}
    if len(has) < len(prefixes):
        raise HalfDone(has, set(prefixes) - has)


def _has(prefix: str, job: str, batch: int, number: int) -> bool:
    if prefix not in _open_prefixes() or not db0.exists(Markers, prefix=prefix):
        return False
    calls = db0.fetch(Markers, prefix=prefix).batches.get(_key(job, batch))
    return calls is not None and number in calls


def forget(job: str, batch: int) -> None:
    """Delete the markers of a batch that has ended: nobody will ask for them."""
    key = _key(job, batch)
    for markers in _all():
        if key in markers.batches:
            del markers.batches[key]


def forget_ended(has_ended: Callable[[str, int], bool]) -> None:
    """Delete the markers that a crash left behind; whoever knows the jobs says which batches have ended."""
    for markers in _all():
        for key in list(markers.batches):
            batch, _, job = key.partition(b" ")
            if has_ended(job.decode(), int(batch)):
                del markers.batches[key]


def count() -> int:
    """Return how many there are."""
    return sum(len(calls) for markers in _all() for calls in markers.batches.values())


def _key(job: str, batch: int) -> bytes:
    return b"%d %s" % (batch, job.encode())


def _all() -> Iterator[Any]:
    for prefix in _open_prefixes():
        if db0.exists(Markers, prefix=prefix):
            yield db0.fetch(Markers, prefix=prefix)


def _open_prefixes() -> list[str]:
    """List the prefixes that are open for writing: only what is in those can have been changed."""
    return [prefix.name for prefix in db0.get_mutable_prefixes()]
