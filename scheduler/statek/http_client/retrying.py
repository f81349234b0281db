"""When is a request sent again, and when has it been tried for long enough?"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 5.0
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses of servers that cannot now."""


@dataclass(slots=True)
class Patience:
    """How long somebody who does not answer is tried again."""

    seconds: float
    """In all, from the first failure on."""
    failures: int = 0
    failing_since: float = 0.0

    def next_wait(self, now: float, asked: str | None = None) -> float | None:
        """Return how long to wait after a failure, None for no more; `asked` is the server's Retry-After."""
        if not self.failures:
            self.failing_since = now
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - so that clients do not come all at once
        wait = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self.failures) * spread
        if asked is not None and asked.isdigit():
            wait = max(wait, float(asked[:3]))
        self.failures += 1
        return wait if now + wait - self.failing_since <= self.seconds else None

    def succeeded(self) -> None:
        self.failures = 0


def checked_address(base_url: str, *, plain_http: bool) -> str:
    """Return the address without its last slash; raises ValueError where a token would be sent for all to read."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} is no address of a server: http://127.0.0.1:8700 is one")
    if parts.scheme == "http" and not _is_local(parts.hostname) and not plain_http:
        raise ValueError(f"{base_url} would get the token unencrypted: use https://, or say plain_http=True")
    return base_url.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
