"""uvicorn, told when it listens, left alone by signals, and rid of connections that only take up room."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS: Final = 500
"""Each is a file of the scheduler's process, so for more of them others are closed."""
HEADER_SECONDS: Final = 10.0
"""How long the first request of a connection may take to come, up to its body."""
KEEP_ALIVE_SECONDS: Final = 15
"""How long a connection stays after a request; a next one that comes has `HEADER_SECONDS` more."""
STALLED_SECONDS: Final = 30.0
"""How long a client may leave alone what it asked for."""


class ImpatientProtocol(H11Protocol):
    """A connection that is cut off when it asks nothing, or does not take what it asked for."""

    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._idle = self.loop.call_later(HEADER_SECONDS, self._cut_if_idle)
        self._make_room()

    def on_response_complete(self) -> None:
        self._idle.cancel()
        self._idle = self.loop.call_later(KEEP_ALIVE_SECONDS + HEADER_SECONDS, self._cut_if_idle)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.cancel()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        """Where there are too many, close the oldest on which nobody with a token asks, or else this one.

        So whoever has none cannot keep those out who do, by holding all connections that there are.
        """
        kept = [one for one in self.connections if isinstance(one, ImpatientProtocol) and one.is_open]
        if len(kept) > CONNECTIONS:
            strangers = (one for one in kept if one is not self and not one.is_known)
            min(strangers, key=lambda one: one._since, default=self).transport.abort()

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()

    @property
    def is_known(self) -> bool:
        """Tell whether the last request came with a token that the guard knew."""
        scope: Any = self.scope  # uvicorn's types do not say that there may be none yet
        return scope is not None and "token" in scope.get("state", {})

    def _cut_if_idle(self) -> None:
        """Close what asks nothing, without waiting until it has taken what was sent before."""
        cycle: Any = self.cycle  # uvicorn's types do not say that there may be none yet
        if cycle is None or cycle.response_complete:
            self.transport.abort()


class Server(uvicorn.Server):
    """Calls back when it listens; the process's signals are somebody else's."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[Any]:
        yield
