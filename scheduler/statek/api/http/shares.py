"""How much may who has one token have in hand at once?

Each request is in memory with its body and its answer until it is taken, each stream keeps its connection; so that one
token, stolen or in the hands of a bad program, leaves room for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from statek.api.http.problems import Problem

REQUESTS: Final = 64
"""Of one token at the same time, streams among them."""


class Shares:
    """What is in hand, by token. In the HTTP server's loop."""

    def __init__(self) -> None:
        self._in_hand: Counter[str] = Counter()

    @contextmanager
    def taken(self, token: str) -> Iterator[None]:
        """Count a request of a token while it is in hand; raises `Problem` where that is one too many."""
        if self._in_hand[token] >= REQUESTS:
            reason = f"{REQUESTS} requests and streams of this token are in hand, and no more are taken meanwhile"
            raise Problem(429, "too_many", reason, {"Retry-After": "1"})
        self._in_hand[token] += 1
        try:
            yield
        finally:
            self._in_hand[token] -= 1
            if not self._in_hand[token]:
                del self._in_hand[token]
