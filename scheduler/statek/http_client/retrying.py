"""When is a request sent again, and when has it been tried for long enough?"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

import httpx2

from statek.http_client.errors import ServerUnreachable

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 5.0
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses of servers that cannot now."""


@dataclass(slots=True)
class Attempts:
    """Those at one request or one stream; tells after each that failed how many seconds to wait for the next."""

    address: str
    seconds: float
    """For how long in all, from the first failure on."""
    failures: int = 0
    failing_since: float = 0.0

    def wait(self, reason: str, asked: str | None = None) -> float:
        """Take a failure; raises `ServerUnreachable` when that was enough. `asked` is the server's Retry-After."""
        now = time.monotonic()
        if not self.failures:
            self.failing_since = now
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - so that clients do not come all at once
        wait = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self.failures) * spread
        if asked is not None and asked.isdigit():
            wait = max(wait, float(asked[:3]))
        self.failures += 1
        if now + wait - self.failing_since > self.seconds:
            raise ServerUnreachable(self.address, self.seconds, reason)
        return wait

    def wait_after(self, error: httpx2.TransportError, *, repeatable: bool) -> float:
        """Take a failure of a connection; raises `ServerUnreachable` at once where the act may have been done."""
        reason = str(error) or type(error).__name__
        if not repeatable and not isinstance(error, httpx2.ConnectError):
            raise ServerUnreachable(self.address, 0, reason) from error
        return self.wait(reason)

    def wait_for(self, response: httpx2.Response) -> float:
        """Take the answer of a server that cannot now, or a stream that it has ended."""
        reason = "it ended the stream" if response.is_success else f"status {response.status_code}"
        return self.wait(reason, response.headers.get("retry-after"))

    def succeeded(self) -> None:
        """Begin to count anew."""
        self.failures = 0
