"""Locked-down interpreters that wait for a lease, so that nobody waits for a fork."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from statek_executor.supervisor.zygote_client import Exited, Forked, ForkRefused, Gone, ZygoteClient, describe_exit

log = logging.getLogger(__name__)

STOCK_SIZE: Final = 4
"""Waiting interpreters per pool at most. One of them has rehearsed a job and has some 4 MiB, the others half a MiB."""
REHEARSAL_SECONDS: Final = 0.05
"""An interpreter that has been there for so long is through with it."""

_LEAN, _REHEARSED = "interpreter", "rehearsed"


@dataclass(slots=True)
class Child:
    """One interpreter process, as the supervisor holds it."""

    tag: int
    pid: int
    pidfd: int
    sock: socket.socket
    exit: asyncio.Future[Exited] = field(repr=False)
    """Done once the zygote has reaped the process (or is itself gone, and the kernel has killed all of it)."""
    rehearsed_at: float | None = None
    """When, by the loop's clock, it will have gone through a job of nobody's; None for one that does not."""
    _writer: asyncio.StreamWriter | None = None

    def signal(self, number: int) -> None:
        """Send a signal; one that comes too late is no error."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the conversation; from here on the event loop owns the socket."""
        reader, self._writer = await asyncio.open_connection(sock=self.sock)
        return reader, self._writer

    def close(self) -> None:
        """Give back the descriptors. The event loop must close its own socket: it would watch a reused number."""
        if self._writer is not None:
            self._writer.transport.abort()
        else:
            self.sock.close()
        os.close(self.pidfd)


class NoInterpreter(Exception):
    """The host could not make another interpreter; the text says why."""


class Stock:
    """Keeps a few children ready and hands each of them out once."""

    def __init__(self, zygote: ZygoteClient, size: int, on_gone: Callable[[str], None]) -> None:
        self._zygote = zygote
        self._size = min(size, STOCK_SIZE)
        self._on_gone = on_gone
        self._tags = itertools.count(1)
        self._forking: dict[int, str] = {}
        self._ready: deque[Child] = deque()
        self._waiting: deque[asyncio.Future[Child]] = deque()
        self._alive: dict[int, Child] = {}
        self._closed = False

    def start(self) -> None:
        """Begin to listen to the zygote, and fill up."""
        asyncio.get_running_loop().add_reader(self._zygote.fileno(), self._on_readable)
        self._fill()

    async def take(self) -> Child:
        """Return a ready child, waiting for a fork only when the stock is empty; raises `NoInterpreter`."""
        if self._closed:
            raise NoInterpreter("the zygote is being replaced")
        if self._ready:
            child = self._best()
            self._ready.remove(child)
        else:
            waiter: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self._fill()
            child = await self._granted(waiter)
        self._fill()
        return child

    def _best(self) -> Child:
        """The one that has rehearsed; while it is still at it, any other is sooner done."""
        now = asyncio.get_running_loop().time()
        return min(self._ready, key=lambda child: _rank(child, now))

    async def _granted(self, waiter: asyncio.Future[Child]) -> Child:
        """Wait for a child; one that comes just as the wait is given up goes back to the stock."""
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._ready.append(waiter.result())
            raise

    def close(self) -> None:
        """Stop listening and serving; the children that wait here end with the zygote."""
        self._closed = True
        asyncio.get_running_loop().remove_reader(self._zygote.fileno())
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(NoInterpreter("the zygote is being replaced"))
        while self._ready:
            self._ready.popleft().close()

    def _fill(self) -> None:
        wanted = self._size + sum(not waiter.done() for waiter in self._waiting)
        while len(self._ready) + len(self._forking) < wanted:
            tag = next(self._tags)
            self._forking[tag] = kind = self._kind_to_fork()
            self._zygote.fork(tag, kind)

    def _kind_to_fork(self) -> str:
        """One of those that wait shall have rehearsed; a lease that waits is served sooner without."""
        is_there = _REHEARSED in self._forking.values() or any(child.rehearsed_at is not None for child in self._ready)
        return _LEAN if is_there or any(not waiter.done() for waiter in self._waiting) else _REHEARSED

    def _on_readable(self) -> None:
        for event in self._zygote.read_events():
            match event:
                case Forked():
                    self._on_forked(event)
                case ForkRefused():
                    self._on_refused(event)
                case Exited():
                    self._on_exited(event)
                case Gone():
                    self._on_zygote_gone(event)

    def _on_forked(self, event: Forked) -> None:
        kind = self._forking.pop(event.tag, _LEAN)
        event.sock.setblocking(False)
        loop = asyncio.get_running_loop()
        exit_future: asyncio.Future[Exited] = loop.create_future()
        child = Child(event.tag, event.pid, event.pidfd, event.sock, exit_future)
        child.rehearsed_at = loop.time() + REHEARSAL_SECONDS if kind == _REHEARSED else None
        self._alive[event.tag] = child
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(child)
                return
        self._ready.append(child)

    def _on_refused(self, event: ForkRefused) -> None:
        """Tell one lease that waits; the next one that comes asks again."""
        log.error("no new interpreter: %s", event.reason)
        self._forking.pop(event.tag, None)
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(NoInterpreter(event.reason))
                return

    def _on_exited(self, event: Exited) -> None:
        child = self._alive.pop(event.tag, None)
        if child is None:
            return
        child.exit.set_result(event)
        if child in self._ready:
            log.error("a waiting interpreter %s", describe_exit(event.exit_code, event.signal))
            self._ready.remove(child)
            child.close()
            self._fill()

    def _on_zygote_gone(self, event: Gone) -> None:
        asyncio.get_running_loop().remove_reader(self._zygote.fileno())
        for child in self._alive.values():
            child.exit.set_result(Exited(child.tag, None, int(signal.SIGKILL), 0.0, 0))
        self._alive.clear()
        self._on_gone(event.reason)


def _rank(child: Child, now: float) -> int:
    if child.rehearsed_at is None:
        return 1
    return 0 if child.rehearsed_at <= now else 2
