"""What somebody asks the audit log for: which job, which kinds, which time. Pure."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from statek.audit.kinds import KINDS

_RELATIVE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class QueryError(ValueError):
    """What is asked for cannot be: the text names it and says what can."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which records are wanted; all of them where nothing is said."""

    job: str | None = None
    kinds: frozenset[str] = frozenset()
    """None in particular when empty."""
    since_us: int | None = None
    """From this time on, in µs of Unix time."""
    until_us: int | None = None
    """Up to and including this time."""


def parse_time(text: str, now_us: int) -> int:
    """Read a point in time, in µs of Unix time: ISO 8601, or how long ago (`90s`, `10m`, `2h`, `3d`, `1w`).

    Without an offset an ISO time is one of this machine's zone, and a date is its midnight. Raises `QueryError`.
    """
    if (relative := _RELATIVE.fullmatch(text)) is not None:
        return now_us - round(float(relative[1]) * _SECONDS[relative[2]] * 1_000_000)
    try:
        moment = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise QueryError(
            f"{text[:64]!r} is no time: write ISO 8601 (2030-01-31T12:00:00Z) or how long ago (90s, 10m, 2h, 3d)"
        ) from None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (moment - epoch) // datetime.timedelta(microseconds=1)


def checked_kinds(names: Iterable[str]) -> frozenset[str]:
    """Return the kinds by these names; raises `QueryError` with the nearest name for one that there is not."""
    kinds = frozenset(names)
    for name in sorted(kinds - KINDS):
        near = difflib.get_close_matches(name, KINDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(KINDS))}"
        raise QueryError(f"{name[:64]!r} is no kind of record: {hint}")
    return kinds
