"""The HTTP server: a thread of its own beside the scheduler's loop, so that neither waits for the other.

Off unless it is asked for. It listens on the loopback unless it is told otherwise, and only with a file of tokens.
There is no TLS here: what listens for other machines stands behind a proxy that has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statek.errors import EndpointUnusable

if TYPE_CHECKING:
    from statek.api.http.side import SchedulerSide

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 5.0
_BACKLOG: Final = 128
_HEADER_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the HTTP face is to be served."""

    tokens: Path
    host: str = "127.0.0.1"
    port: int = 8700
    """0 for any that is free."""
    max_body_bytes: int = 1 << 20


class HttpServer:
    """Serves one store. `start` and `stop` are called in any other thread."""

    def __init__(self, options: HttpOptions, store: Path, scheduler: SchedulerSide) -> None:
        self._options = options
        self._store = store
        self._scheduler = scheduler
        self._socket: socket.socket | None = None
        self._stop: Callable[[], None] = lambda: None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="statek-http", daemon=True)
        self._failure: BaseException | None = None

    @property
    def address(self) -> str:
        """Return where it listens, as clients write it."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def is_serving(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to serve; raises `TokensUnusable` or `EndpointUnusable`."""
        from statek.api.http.tokens import Tokens

        self._tokens = Tokens(self._options.tokens)
        self._socket = _bound(self._options.host, self._options.port)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._socket.close()
            raise self._failure
        if _names_of_loopback(self._options.host) is None:
            log.warning("HTTP on %s has no TLS: let clients come through a proxy that has it", self.address)

    def stop(self) -> None:
        """Let requests in hand end, for a while, and close everything."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # it has just ended by itself, which is in the log
            self._stop()
        self._thread.join(2 * STOP_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                log.exception("the HTTP server has ended")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        import uvicorn

        from statek.api.http.app import make_app
        from statek.api.http.listening import KEEP_ALIVE_SECONDS, ImpatientProtocol, Server
        from statek.api.http.stream import Commits

        commits = Commits()
        self._scheduler.listen(commits.on_committed)
        hosts = _names_of_loopback(self._options.host)
        app = make_app(
            self._store,
            self._tokens,
            commits,
            self._scheduler,
            hosts=hosts,
            max_body_bytes=self._options.max_body_bytes,
        )
        config = uvicorn.Config(
            app,
            http=ImpatientProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level=logging.ERROR,  # strangers can have as many warnings as they like
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=round(STOP_SECONDS),
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        server = Server(config, self._ready.set)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            def end() -> None:
                commits.close()
                server.should_exit = True

            loop.call_soon_threadsafe(end)

        self._stop = stop
        await server.serve(sockets=[self._socket])  # type: ignore[list-item]


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket on the first address of the host; raises `EndpointUnusable`."""
    name = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EndpointUnusable(name, error.strerror or str(error)) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.set_inheritable(False)
    except OSError as error:
        made.close()
        raise EndpointUnusable(name, error.strerror or str(error)) from error
    return made


def _names_of_loopback(host: str) -> frozenset[str] | None:
    """Return the names under which a server on the loopback is known; None for any, on other addresses."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return frozenset({"localhost", "127.0.0.1", "::1", host.lower()}) if loopback else None
