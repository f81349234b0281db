"""A record as one line for people: whoever chose a text in it, it stays within its own field of its own line."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any, Final

from statek.audit.escaping import quoted, shown
from statek.audit.records import AuditRecord

_FIRST: Final = ("batch", "outcome", "tool", "layer", "rule", "limit", "cause", "code", "reason")
"""What people look for; the rest follows by name."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST_SHOWN: Final = 12
_LISTED: Final = 4
"""Of a longer list only the length is shown; `--json` has it all."""
_KIND_WIDTH: Final = 17


def line_of(record: AuditRecord) -> str:
    """Write a record as number, time in UTC, kind, job, and what it says; printable throughout."""
    fields = " ".join(f"{name}={value}" for name, value in _fields("", record.said))
    job = "-" if record.job is None else quoted(record.job)
    return (
        f"{record.sequence:>6}  {time_of(record.at_us)}  {shown(record.kind):<{_KIND_WIDTH}} {job}  {fields}".rstrip()
    )


def time_of(at_us: int) -> str:
    """Write a time as ISO 8601 in UTC, with milliseconds; one that no calendar has as its number."""
    try:
        moment = datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{at_us} us"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(prefix: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lay out what is nested as `policy.name`; leave out what is not known or empty."""
    for name in sorted(body, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)):
        value = body[name]
        if isinstance(value, dict):
            yield from _fields(f"{prefix}{quoted(name)}.", value)
        elif value not in (None, ""):
            yield f"{prefix}{quoted(name)}", _value(value)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str() if _DIGEST.fullmatch(value):
            return f"{value[:_DIGEST_SHOWN]}…"
        case str():
            return quoted(value)
        case list() if len(value) > _LISTED:
            return f"({len(value)})"
        case list():
            return ",".join(map(_value, value))
    return quoted(f"{value:g}" if isinstance(value, float) else str(value))
