"""How are frames read from a child, which may send anything, or the first half of something? For a lease's own task."""

from __future__ import annotations

import asyncio

from statek_protocol.errors import OversizedMessage
from statek_protocol.framing import HEADER_BYTES, frame_length


class Frames:
    """The frames that come out of a child's stream, one by one."""

    def __init__(self, reader: asyncio.StreamReader, limit: int) -> None:
        self._reader = reader
        self.limit = limit
        """Bytes that a frame may have."""
        self._length: int | None = None

    async def next(self) -> bytes:
        """Read a frame; one whose reading was cut off after its length is gone on with the next time.

        Raises `ProtocolError` for one that cannot be, and what the stream raises at its end.
        """
        if self._length is None:
            self._length = frame_length(await self._reader.readexactly(HEADER_BYTES))
        if self._length > self.limit:
            raise OversizedMessage(self._length, self.limit)
        data = await self._reader.readexactly(self._length)
        self._length = None
        return data

    async def next_within(self, seconds: float) -> bytes | None:
        """Read a frame if it is there in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.next()
        except TimeoutError:
            return None
