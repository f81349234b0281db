"""For which call of which job does application code run right now, so that what it brings about can be traced to it?

The call is known in the code that it runs, in threads and tasks that this code starts with its context
(`asyncio.to_thread` does), and nowhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from statek.core.jobs import digest

KEY_CHARACTERS: Final = 128
"""Of a name that is used as an idempotency key; the name of a job may be longer than that by itself."""


class CurrentCall:
    """A call while it is made."""

    def __init__(self, job: str, key: str) -> None:
        self.job = job
        self.key = key
        """The same text however often the call is made."""
        self._numbers = itertools.count()

    def next_key(self) -> str:
        """Name the next thing that the call brings about: the same texts in the same order each time it is made."""
        name = f"{self.key}/{next(self._numbers)}"
        return name if len(name) <= KEY_CHARACTERS else digest(name.encode("utf-8", "surrogatepass"))


_CURRENT: ContextVar[CurrentCall | None] = ContextVar("statek_current_call", default=None)


def current_call() -> CurrentCall | None:
    """Return the call for which this code runs; None outside of any."""
    return _CURRENT.get()


def key_of_call() -> str | None:
    """Name the next thing that this code brings about, as `next_key` does; None outside of any call."""
    call = current_call()
    return None if call is None else f"call/{call.next_key()}"  # a job may be called "subtask/..."


@contextmanager
def within(job: str, key: str) -> Iterator[None]:
    """Let code run for a call."""
    token = _CURRENT.set(CurrentCall(job, key))
    try:
        yield
    finally:
        _CURRENT.reset(token)
