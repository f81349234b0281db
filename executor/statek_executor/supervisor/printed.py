"""How is what a guest prints gathered, so that a flood of lines is not a flood of records? Pure.

The scheduler makes each message durable, and that costs it about as much for one byte as for some kilobytes. A guest
that prints in a loop sends thousands of small ones a second, which its neighbours would notice. So what comes within a
moment goes on as one. Whoever prints now and then is passed on at once, and so is everything before any other message.
"""

from __future__ import annotations

from typing import Final

from statek_protocol.messages.base import CONSOLE_CHUNK_LIMIT
from statek_protocol.messages.interpreter import Console

GATHER_SECONDS: Final = 0.02
"""Between two messages of output at least, unless the first one is full or something else follows it."""


class Printed:
    """Output on its way, in the name of the batch that it came in: the scheduler judges that for itself."""

    def __init__(self) -> None:
        self._batch = 0
        self._data = bytearray()
        self._due = 0.0
        """When what is here has to go on."""

    def __bool__(self) -> bool:
        return bool(self._data)

    def has_room(self, piece: Console) -> bool:
        """Tell whether one message can carry this as well."""
        if not self._data:
            return True
        return piece.batch == self._batch and len(self._data) + len(piece.data) <= CONSOLE_CHUNK_LIMIT

    def add(self, piece: Console) -> None:
        """Take what was printed; it has to fit."""
        assert self.has_room(piece), "what is here goes on first"
        self._batch = piece.batch
        self._data += piece.data

    def wait_seconds(self, now: float) -> float:
        """Return for how long what is here may wait for more, 0 when it has to go on."""
        return max(0.0, self._due - now)

    def take(self, now: float) -> Console:
        """Give away all that is here."""
        gathered = Console(self._batch, bytes(self._data))
        self._data.clear()
        self._due = now + GATHER_SECONDS
        return gathered
