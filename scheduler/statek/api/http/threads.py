"""In which threads is what is asked carried out, and how much of it at once?

Reading the ledger and writing what it says as JSON is Python's work, which every thread of the process takes from the
scheduler's loop. So only few do it at once, and only one for each token: whoever asks for a thousand pages at once is
served page by page, and the next token has its turn between two of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")

READERS: Final = 2
"""Of all tokens."""
ACTORS: Final = 32
"""Of all tokens; they wait for the scheduler's turn, and take next to no time of their own."""
ACTORS_OF_TOKEN: Final = 8


class Threads:
    """What is carried out, and what waits for that. In the HTTP server's loop."""

    def __init__(self) -> None:
        self._readers = CapacityLimiter(READERS)
        self._actors = CapacityLimiter(ACTORS)
        self._reading: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()
        self._acting: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    async def read(self, token: str, work: Callable[[], T]) -> T:
        """Have something read for a token."""
        async with self._reading.setdefault(token, CapacityLimiter(1)):
            return await to_thread.run_sync(work, limiter=self._readers)

    async def act(self, token: str, work: Callable[[], T]) -> T:
        """Have something done for a token that the scheduler decides."""
        async with self._acting.setdefault(token, CapacityLimiter(ACTORS_OF_TOKEN)):
            return await to_thread.run_sync(work, limiter=self._actors)
