"""What does the scheduler keep of a job's variables? Pure.

A workspace is a set of segments, bytes that only interpreters read. Each is replaced as a whole; what a snapshot does
not mention stays as it is. So what is sent and stored grows with what changed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from statek.core.jobs import Digest
from statek_protocol.messages.base import BatchNumber, Count
from statek_protocol.schema import Bounds

_ROOT_BYTES: Final = 32
EMPTY_ROOT: Final = bytes(_ROOT_BYTES).hex()


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment without its bytes."""

    number: Count
    digest: Digest
    size: Count
    batches: Annotated[tuple[BatchNumber, ...], Bounds(0, 10_000)] = ()
    """The batches whose sources are needed to read it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All segments of a workspace, by number."""

    segments: Mapping[int, StoredSegment] = field(default_factory=dict)
    size: int = 0
    """Of all of them together, in bytes."""
    root: str = EMPTY_ROOT
    """Digest of the whole: the exclusive or of digests of all (number, digest), which costs what changes."""

    @classmethod
    def of(cls, segments: Iterable[StoredSegment]) -> Manifest:
        return cls().changed({segment.number: segment for segment in segments}, ())

    def changed(self, stored: Mapping[int, StoredSegment], dropped: Iterable[int]) -> Manifest:
        """Return the manifest after segments were put in, or in place of others, and others taken out."""
        segments = dict(self.segments)
        gone = [segments.pop(number) for number in {*stored, *dropped} if number in segments]
        segments.update(stored)
        size = self.size + sum(part.size for part in stored.values()) - sum(part.size for part in gone)
        root = functools.reduce(int.__xor__, map(_mark, (*gone, *stored.values())), int(self.root, 16))
        return Manifest(segments, size, root.to_bytes(_ROOT_BYTES, "big").hex())

    def batches(self) -> list[int]:
        """List the batches whose sources are needed to read the workspace."""
        return sorted({batch for segment in self.segments.values() for batch in segment.batches})


@dataclass(frozen=True, slots=True)
class Workspace:
    """A job's variables as they are kept."""

    manifest: Manifest
    data: Mapping[int, bytes]
    """The bytes of each segment."""


@dataclass(frozen=True, slots=True)
class WorkspaceChange:
    """What is to be made durable of a snapshot, and the manifest after it."""

    stored: tuple[tuple[StoredSegment, bytes], ...]
    dropped: tuple[int, ...]
    manifest: Manifest


def _mark(segment: StoredSegment) -> int:
    named = f"{segment.number}:{segment.digest}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=_ROOT_BYTES).digest(), "big")
