"""The executor pool that a scheduler starts for itself: the command statek-executor, on this machine."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Final

from statek.errors import StatekError

log = logging.getLogger(__name__)

STARTS_LIMIT: Final = 3
"""A pool that ends this often within `STABLE_SECONDS` of its start is given up, and the scheduler with it."""
STABLE_SECONDS: Final = 10.0
STOP_SECONDS: Final = 8.0


class LocalPoolFailed(StatekError):
    """The scheduler's own executor pool does not stay up; the pool's last words on stderr say why."""


class LocalPool:
    """Keeps one pool running. The pool ends by itself when this process does: its standard input closes then."""

    def __init__(self, socket: Path, workers: int) -> None:
        self._command = (
            *(sys.executable, "-P", "-m", "statek_executor"),
            *("--connect", f"ipc://{socket}", "--workers", str(workers), "--until-stdin-closes"),
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the pool; it connects by itself once there is somebody to connect to."""
        self._started = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )

    async def keep(self) -> None:
        """Replace the pool whenever it ends; raises `LocalPoolFailed` when it ends at once every time."""
        quick = 0
        while True:
            assert self._process is not None
            status = await self._process.wait()
            quick = quick + 1 if time.monotonic() - self._started < STABLE_SECONDS else 1
            if quick >= STARTS_LIMIT:
                raise LocalPoolFailed(f"the local executor pool ended {quick} times soon after its start: {status}")
            log.warning("the local executor pool ended with status %s and is started again", status)
            await self.start()

    async def stop(self) -> None:
        """End the pool in good order, by force if it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
