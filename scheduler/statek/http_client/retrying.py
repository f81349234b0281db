"""When is a request sent again, and when has it been tried for long enough?"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx2

from statek.http_client.acts import Call
from statek.http_client.answers import misunderstood, read
from statek.http_client.errors import ServerUnreachable

T = TypeVar("T")

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 5.0
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses of servers that cannot now."""


class TryAgain(Exception):
    """An attempt came to nothing for now; `asked` is the server's Retry-After."""

    def __init__(self, reason: str, asked: str | None = None) -> None:
        super().__init__(reason)
        self.asked = asked


@dataclass(slots=True)
class Attempts:
    """Those at one request or one stream, and how long is to be waited before the next."""

    address: str
    seconds: float
    """For how long in all, from the first failure on."""
    repeatable: bool = True
    """Whether it may be sent again where nobody knows whether it was done."""
    wait_seconds: float = 0.0
    """Before the next attempt."""
    failures: int = 0
    failing_since: float = 0.0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Take what comes of an attempt that fails; raises `ServerUnreachable` when another one is not to be made."""
        try:
            yield
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            if not self.repeatable and not isinstance(error, httpx2.ConnectError):
                raise ServerUnreachable(self.address, 0, reason) from error
            self.failed(reason)
        except TryAgain as error:
            self.failed(str(error), error.asked)

    def failed(self, reason: str, asked: str | None = None) -> None:
        """Count a failure; raises `ServerUnreachable` when that was enough."""
        now = time.monotonic()
        if not self.failures:
            self.failing_since = now
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - so that clients do not come all at once
        wait = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self.failures) * spread
        if asked is not None and asked.isascii() and asked.isdigit():
            wait = max(wait, float(asked[:3]))
        self.failures += 1
        if now + wait - self.failing_since > self.seconds:
            raise ServerUnreachable(self.address, self.seconds, reason)
        self.wait_seconds = wait

    def succeeded(self) -> None:
        """Begin to count anew."""
        self.failures = 0


def result(call: Call[T], response: httpx2.Response) -> T:
    """Return what an answer means; raises `ServerRefused`, or `TryAgain` where that may help."""
    if call.is_repeatable:
        _check_busy(response)
    told = read(response.status_code, response.content)
    try:
        return call.meaning(told)
    except (LookupError, TypeError, ValueError) as error:
        raise misunderstood(response.status_code, response.content) from error


def check_stream(response: httpx2.Response, body: bytes) -> None:
    """Raise `ServerRefused` where a server gives no stream, for which it says the reason, or `TryAgain`."""
    _check_busy(response)
    if response.status_code != httpx2.codes.OK:
        read(response.status_code, body)
        raise misunderstood(response.status_code, body)


def _check_busy(response: httpx2.Response) -> None:
    """Raise `TryAgain` where a server cannot now."""
    if response.status_code in BUSY:
        raise TryAgain(f"status {response.status_code}", response.headers.get("retry-after"))
