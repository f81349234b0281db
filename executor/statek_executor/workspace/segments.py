"""What is known of a segment once it is written, and of the difference that several of them make."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from statek_executor.workspace.contents import Contents
from statek_executor.workspace.encoder import Encoded, Transient, fingerprint
from statek_executor.workspace.partition import Group, is_landmark

BESIDE: Final = 0
"""Number of the segment for what is kept beside the variables."""
_NO_NAMES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment as it was written last."""

    number: int
    names: tuple[str, ...]
    loads: frozenset[str]
    needs: frozenset[str]
    size: int
    fingerprint: bytes
    landmarks: tuple[tuple[str, weakref.ref[Any]], ...] = ()
    """Variables whose functions or classes other segments may name; not held, so that nothing ends later for it."""
    transient: tuple[Transient, ...] = ()
    plain: bool = False
    """It is a single plain variable, and the fingerprint that of its written value."""


@dataclass(frozen=True, slots=True)
class Written:
    """A segment's bytes, and the batches whose sources are needed to read them."""

    number: int
    data: bytes
    batches: tuple[int, ...]


@dataclass(slots=True)
class Changes:
    """The difference between what the scheduler has and what there is now."""

    written: list[Written] = field(default_factory=list)
    dropped: set[int] = field(default_factory=set)
    segments: dict[int, Segment] = field(default_factory=dict)
    """Those that were written anew, sent or not."""
    transient: tuple[Transient, ...] = ()
    """What the workspace does not keep, in those segments and in all others."""
    size: int = 0
    """Of the whole workspace, in bytes."""
    variables: int = 0
    """In the whole workspace."""
    beside: Mapping[str, object] | None = None


def segment_of(
    number: int, group: Group, encoded: Encoded, values: Mapping[str, object], landmarks: Mapping[int, str]
) -> Segment:
    if encoded.plain:
        names, size = tuple(group.names), len(encoded.data)
        return Segment(number, names, _NO_NAMES, _NO_NAMES, size, encoded.plain, plain=True)
    own = [name for name in group.names if is_landmark(values[name]) and landmarks.get(id(values[name])) == name]
    return Segment(
        number,
        tuple(group.names),
        frozenset(group.loads),
        frozenset(group.needs),
        len(encoded.data),
        fingerprint(encoded.data),
        tuple([(name, weakref.ref(values[name])) for name in own]),
        encoded.transient,
    )


def plain_of(part: Contents) -> bytes:
    """Give what stands for the value of a single plain variable in a segment that was read; empty for others."""
    if part.records or part.needs or part.loads or len(part.expressions) != 1:
        return b""
    (written,) = part.expressions.values()
    return fingerprint(written)


def with_beside(changes: Changes, beside: Mapping[str, object], data: bytes) -> Changes:
    changes.segments[BESIDE] = Segment(BESIDE, (), frozenset(), frozenset(), len(data), fingerprint(data))
    changes.beside = beside
    return changes
