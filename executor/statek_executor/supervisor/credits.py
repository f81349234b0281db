"""Backpressure of one lease: how much was sent to the scheduler and is not yet durable."""

from __future__ import annotations

import asyncio
from collections import deque

from statek_protocol.messages.executor import UNACKNOWLEDGED_BYTES, UNACKNOWLEDGED_LIMIT


class Credits:
    """How much was sent and is not yet durable; past the limits the child is not read from."""

    def __init__(self) -> None:
        self._outstanding: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    def sent(self, sequence: int, size: int) -> None:
        self._outstanding.append((sequence, size))
        self._bytes += size
        self._update()

    def acknowledged(self, sequence: int) -> None:
        while self._outstanding and self._outstanding[0][0] <= sequence:
            self._bytes -= self._outstanding.popleft()[1]
        self._update()

    async def room(self) -> None:
        await self._room.wait()

    def _update(self) -> None:
        if len(self._outstanding) >= UNACKNOWLEDGED_LIMIT or self._bytes >= UNACKNOWLEDGED_BYTES:
            self._room.clear()
        else:
            self._room.set()
