"""What the audit log consists of: records as values, and their bodies as canonical JSON of bounded size."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from statek.audit.escaping import shortened

Body: TypeAlias = Mapping[str, Any]
"""What a record says: texts, numbers, None, and lists and maps of them."""

TEXT_CHARACTERS: Final = 500
"""Of each text in a body: enough for every rule and name of ours; what a guest adds is cut and counted."""
ENTRIES: Final = 100
"""Of each list or map in a body."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that is not in the chain yet."""

    at_us: int
    """When it happened by the scheduler's clock, in µs of Unix time."""
    kind: str
    job: str | None
    body: str
    cursor: int | None = None
    """The ledger's event that it speaks of, if it speaks of one."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A record in its place in the chain."""

    sequence: int
    """1 for the first; without a gap."""
    at_us: int
    kind: str
    job: str | None
    cursor: int | None
    event: bytes | None
    """Digest of the ledger's event at that cursor (`chain.event_digest`)."""
    body: str
    """Canonical JSON (`canonical`)."""
    previous: bytes
    """The hash of the record before it."""
    hash: bytes

    @property
    def said(self) -> dict[str, Any]:
        """Return the body as a map; raises ValueError where somebody put something else there."""
        body = json.loads(self.body)
        if not isinstance(body, dict):
            raise ValueError("the body is not a map")  # noqa: TRY004 - wrong data, like every other fault of JSON text
        return body

    def as_json(self) -> str:
        """Return the record as one line of ASCII, from which its hash can be computed again."""
        value = {
            "sequence": self.sequence,
            "at_us": self.at_us,
            "kind": self.kind,
            "job": self.job,
            "cursor": self.cursor,
            "event": None if self.event is None else self.event.hex(),
            "body": self.said,
            "previous": self.previous.hex(),
            "hash": self.hash.hex(),
        }
        return json.dumps(value, separators=(",", ":"))


def canonical(body: Body) -> str:
    """Write a body in the one way that it can be written: sorted names, no space, ASCII, every part bounded."""
    return _CANONICAL.encode(_bounded(body))


def _bounded(value: Any) -> Any:
    """Bound a value by its exact type, the most frequent ones first: this is done for each record."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= TEXT_CHARACTERS else shortened(value, TEXT_CHARACTERS)
    if kind is int or value is None or kind is bool:
        return value
    if kind is dict:
        return {_bounded(name): _bounded(value[name]) for name in islice(sorted(value), ENTRIES)}
    if kind is list or kind is tuple:
        return [_bounded(item) for item in value[:ENTRIES]]
    if kind is float:
        return value if math.isfinite(value) else str(value)
    raise TypeError(f"a record cannot say a {kind.__name__}")
