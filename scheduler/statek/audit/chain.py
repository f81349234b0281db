"""How records are chained: each hash covers a record and the hash before it, so that none can be changed alone.

A record's hash is BLAKE2b of 256 bits, personalised for this use, over the JSON list

    [hash before, sequence, at_us, kind, job, cursor, event digest, body]

in the form of `json.dumps(..., separators=(",", ":"))`, hashes in hex and the body as its own text. The first record
follows a hash of zeros and carries the store's random id, so no two stores have a record in common.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from statek.audit.kinds import COUNTED
from statek.audit.records import AuditRecord, Draft

HASH_BYTES: Final = 32
NOTHING: Final = bytes(HASH_BYTES)
"""What the first record follows."""
_RECORD: Final = b"statek-audit-1"
_EVENT: Final = b"statek-event-1"
"""BLAKE2b's personalisation: a hash that was made for anything else is never one of these."""
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain. Whoever has written down an earlier one can tell whether the chain still goes through it."""

    sequence: int
    hash: bytes


EMPTY: Final = Head(0, NOTHING)


def head_of(record: AuditRecord) -> Head:
    return Head(record.sequence, record.hash)


def record_hash(record: AuditRecord, *, sequence: int | None = None) -> bytes:
    """Compute what the record's hash has to be, in its own place or in that of another sequence."""
    place = record.sequence if sequence is None else sequence
    event = None if record.event is None else record.event.hex()
    return _hash(record.previous, place, record.at_us, record.kind, record.job, record.cursor, event, record.body)


def event_digest(cursor: int, job: str, at_us: int, kind: str, body: bytes) -> bytes:
    """Name an event of the ledger by all that its row says."""
    place = _COMPACT.encode([cursor, job, at_us, kind]).encode()
    return hashlib.blake2b(place + b"\n" + body, digest_size=HASH_BYTES, person=_EVENT).digest()


def seal(head: Head, drafts: Iterable[Draft], events: Mapping[int, bytes]) -> Iterator[AuditRecord]:
    """Give each draft its place after the head; `events` has the digests of the events that they speak of.

    A count of refusals only says up to which event it goes, and that may have been durable before.
    """
    sequence, previous = head.sequence, head.hash
    for draft in drafts:
        sequence += 1
        event = None if draft.cursor is None or draft.kind == COUNTED else events[draft.cursor]
        shown = None if event is None else event.hex()
        own = _hash(previous, sequence, draft.at_us, draft.kind, draft.job, draft.cursor, shown, draft.body)
        yield AuditRecord(sequence, draft.at_us, draft.kind, draft.job, draft.cursor, event, draft.body, previous, own)
        previous = own


def _hash(
    previous: bytes,
    sequence: int,
    at_us: int,
    kind: str,
    job: str | None,
    cursor: int | None,
    event: str | None,
    body: str,
) -> bytes:
    said = _COMPACT.encode([previous.hex(), sequence, at_us, kind, job, cursor, event, body])
    return hashlib.blake2b(said.encode(), digest_size=HASH_BYTES, person=_RECORD).digest()
