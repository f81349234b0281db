"""Between supervisors and scheduler: passes each message on, or lets something happen at it.

It stands on the byte streams of the local socket, not on sockets of ZeroMQ's own: so a connection that ends on one side
ends on the other at once, as if nobody stood between, and a message is dropped, doubled or held back as it was sent.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgpack

from crashsweep.zmtp import Piece, PieceReader

Direction = Literal["up", "down"]
"""Towards the scheduler, or towards the supervisor."""
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Passing:
    """What becomes of one message."""

    copies: int = 1
    delay_seconds: float = 0.0
    """It and all that come behind it in its direction."""
    sever: bool = False
    """The connection ends instead."""
    afterwards: Callable[[], None] | None = None


PASS: Final = Passing()
OnMessage = Callable[[Direction, str], Passing]
"""Called in the link's thread with each message's direction and kind, before it is passed on."""


class Severed(Exception):
    """The connection is to end here."""


class Link:
    """One socket that supervisors connect to, and one connection to the scheduler for each of theirs."""

    def __init__(self, front: Path, back: Path, on_message: OnMessage) -> None:
        self._front, self._back, self._on_message = front, back, on_message
        self._ready = threading.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._fronts: set[asyncio.StreamWriter] = set()
        self.failures: list[Exception] = []
        """What went wrong in the link itself, which is nobody's death."""
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Listen; returns when a supervisor can connect."""
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError(f"the link does not listen on {self._front}")

    def sever(self) -> None:
        """End every connection; the supervisors make new ones."""
        self._loop.call_soon_threadsafe(self._sever)

    def _sever(self) -> None:
        for front in self._fronts:
            front.transport.abort()  # its reader ends with it, and then both directions do

    def stop(self) -> None:
        """End every connection and listen no more."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_unix_server(self._connected, self._front)
        self._ready.set()
        async with server:
            await self._stopping.wait()
        self._sever()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, front: asyncio.StreamReader, to_front: asyncio.StreamWriter) -> None:
        """Serve one supervisor; where no scheduler listens its connection ends at once, and it tries again."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        async with _closing(to_front):
            try:
                back, to_back = await asyncio.open_unix_connection(self._back)
            except OSError:
                return
            async with _closing(to_back):
                self._fronts.add(to_front)
                try:
                    await self._relay_both(front, to_front, back, to_back)
                finally:
                    self._fronts.discard(to_front)

    async def _relay_both(
        self,
        front: asyncio.StreamReader,
        to_front: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        to_back: asyncio.StreamWriter,
    ) -> None:
        """Relay until one side ends, which ends the other."""
        both = {
            asyncio.create_task(self._relay("up", front, to_back)),
            asyncio.create_task(self._relay("down", back, to_front)),
        }
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for found in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(found, Exception):
                    self.failures.append(found)

    async def _relay(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until one of the two ends; nothing that a peer's death does to a stream is an error here."""
        pieces = PieceReader()
        try:
            while data := await reader.read(_CHUNK):
                for piece in pieces.feed(data):
                    await self._pass(direction, piece, writer)
        except (OSError, Severed):
            return

    async def _pass(self, direction: Direction, piece: Piece, writer: asyncio.StreamWriter) -> None:
        passing = self._on_message(direction, kind_of(piece)) if piece.frames else PASS
        if passing.delay_seconds:
            await asyncio.sleep(passing.delay_seconds)
        if passing.sever:
            raise Severed
        for _ in range(passing.copies):
            writer.write(piece.raw)
        await writer.drain()
        if passing.afterwards is not None:
            passing.afterwards()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a stream in the end, whatever its other end has come to."""
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def kind_of(piece: Piece) -> str:
    """Name the message: its last frame is a map with its kind."""
    return str(msgpack.unpackb(piece.frames[-1])["kind"])
