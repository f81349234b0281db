"""Becoming a store's scheduler, also where another process holds the store for a moment.

Whoever pushes, submits or completes something while no scheduler runs holds the store for as long as that takes, and a
scheduler that starts meanwhile must not take it for another scheduler.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import StoreLocked

PATIENCE_SECONDS: Final = 3.0
"""How long the store may be somebody else's; a scheduler keeps it for longer."""
_AGAIN_SECONDS: Final = 0.02


async def take(directory: StoreDirectory, patience: float = PATIENCE_SECONDS) -> StoreLock:
    """Become the only scheduler on this store; raises `StoreLocked` where it is not free within so many seconds."""
    give_up = time.monotonic() + patience
    while True:
        try:
            return directory.lock()
        except StoreLocked:
            if time.monotonic() >= give_up:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)
