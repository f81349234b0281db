"""Who still holds a query on a prefix, or a snapshot? dbzero counts its objects, and does not count these.

Python's garbage collector does not know them either, but it knows what holds them: containers, instances, closures,
generators, modules. Beside those there are the variables of the functions that run. In dbzero's thread, which is the
only one to make queries; importing this imports dbzero.
"""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType
from typing import Any, Final

import dbzero as db0

_PORTION: Final = 200
"""Holders that are looked into at once: other threads get their turn between two portions."""


def holds_queries(prefix: str) -> bool:
    """Tell whether anything refers to a query on that prefix, or to a snapshot of whatever.

    It looks at all objects of the process, which takes a second where there are some millions.
    """
    kinds = _kinds(prefix)
    found: list[Any] = []
    holders = _tracked()
    for start in range(0, len(holders), _PORTION):
        found += [part for part in gc.get_referents(*holders[start : start + _PORTION]) if type(part) in kinds]
    frames = sys._current_frames()
    del frames[threading.get_ident()]  # what runs here is ours, and would be in a cycle with itself
    for frame in frames.values():
        found += [part for part in _variables(frame) if type(part) in kinds]
    return any(_is_on(part, prefix) for part in found)


def _tracked() -> list[Any]:
    """Return what the collector knows, also what it was told to leave alone (`gc.freeze`) and does not list."""
    frozen = gc.get_freeze_count() > 0
    if frozen:
        gc.unfreeze()
    try:
        return gc.get_objects()
    finally:
        if frozen:
            gc.freeze()


def _kinds(prefix: str) -> frozenset[type]:
    """Return dbzero's classes of queries, of iterators over them, and of snapshots, which have no names in it."""
    query = db0.find(prefix=prefix)
    return frozenset((type(query), type(iter(query)), type(db0.snapshot())))


def _variables(running: FrameType | None) -> list[Any]:
    found: list[Any] = []
    while running is not None:
        found += running.f_locals.values()
        running = running.f_back
    return found


def _is_on(found: Any, prefix: str) -> bool:
    of = db0.get_prefix_of(found) if hasattr(found, "__iter__") else None
    return of is None or of.name == prefix
