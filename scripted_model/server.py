"""The scripted model as a server on loopback, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from scripted_model import http
from scripted_model.exchange import ConnectionEnded, Exchange, Narrator, OnSaid
from scripted_model.requests import ChatRequest
from scripted_model.script import Author

_START_SECONDS: Final = 10.0
_BACKLOG: Final = 1_000


class ScriptedModel:
    """The server. A context manager: it listens inside, and nothing of it is left outside."""

    def __init__(
        self,
        author: Author,
        *,
        port: int = 0,
        key: str | None = None,
        keep_requests: int = 1_000,
        on_said: OnSaid | None = None,
    ) -> None:
        """Takes a script, or a function in its place; with a key, requests that do not have it are refused."""
        self._narrator = Narrator(author, key, on_said)
        self._changed = threading.Condition()
        self._stop: asyncio.Event | None = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-model", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self.port = port
        """Where it listens; with 0 the kernel chooses, and it is known once the server is started."""
        self.requests: deque[ChatRequest] = deque(maxlen=keep_requests)
        """The last ones, as they came."""
        self.count = 0
        """How many came."""
        self.disconnects = 0
        """How often a client closed its connection before it had the whole reply."""
        self.concurrent = 0
        """How many are under way."""
        self.most_concurrent = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> Self:
        """Listen; raises OSError when the port is taken."""
        self._thread.start()
        self.wait_for(lambda: self._stop is not None or self._failed is not None, _START_SECONDS)
        if self._failed is not None:
            raise self._failed
        return self

    def close(self) -> None:
        """Close every connection, and wait until that is done."""
        stop = self._stop
        if stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something holds of this server's counts; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"after {seconds:g} s the condition does not hold")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - whoever starts the server is told
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._connection(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", self.port, limit=http.HEAD_LIMIT, backlog=_BACKLOG)
        async with server:
            stop = self._listening(server)
            await stop.wait()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    def _listening(self, server: asyncio.Server) -> asyncio.Event:
        with self._changed:
            self.port = server.sockets[0].getsockname()[1]
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            self._changed.notify_all()
            return self._stop

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(self._narrator, reader, writer)
        try:
            while (request := await http.read(reader)) is not None:
                chat_request = await exchange.chat_request(request)
                if chat_request is not None:
                    await self._answer(exchange, chat_request)
        except ConnectionEnded:
            pass
        except http.NotHTTP as error:
            await exchange.refuse(400, str(error))
        except (ConnectionError, asyncio.IncompleteReadError):
            self._count(disconnects=1)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, exchange: Exchange, request: ChatRequest) -> None:
        self._count(running=1, request=request)
        try:
            await exchange.answer(request, self.count)
        finally:
            self._count(running=-1)

    def _count(self, *, running: int = 0, disconnects: int = 0, request: ChatRequest | None = None) -> None:
        with self._changed:
            if request is not None:
                self.requests.append(request)
                self.count += 1
            self.disconnects += disconnects
            self.concurrent += running
            self.most_concurrent = max(self.most_concurrent, self.concurrent)
            self._changed.notify_all()
