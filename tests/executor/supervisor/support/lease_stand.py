"""A lease server between a scheduler that records and an interpreter that the test plays: a real process with a
socketpair, whose other end says whatever the test wants.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, cast

from statek_executor.supervisor.lease import Baseline, LeaseServer
from statek_executor.supervisor.stock import Child, NoInterpreter, Stock
from statek_executor.supervisor.zygote_client import Exited
from statek_policies import Limits, Policy
from statek_protocol.codec import decode, encode
from statek_protocol.framing import frame
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import FROM_SUPERVISOR_LEASED, Grant, Lost, Metered, Stamp
from statek_protocol.messages.interpreter import TO_INTERPRETER, Load, Rest, Run

M = TypeVar("M", bound=Message)
P = ParamSpec("P")

WAIT_SECONDS = 20.0
"""A deadline for what takes a second of processor time at most, on a machine that is busy with other things."""
IDLE = ("sleep", "1000")
BUSY = ("sh", "-c", "trap '' XCPU ALRM; while :; do :; done")
PLENTY = 2**40


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test to its end, within a deadline."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), WAIT_SECONDS))

    return run


@dataclass
class FakeStock:
    """Hands out processes of an ordinary program, as the real one hands out interpreters."""

    command: tuple[str, ...] = IDLE
    refusal: str | None = None
    peer: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None
    signals: list[int] = field(default_factory=list)
    on_exit: Callable[[], None] = lambda: None

    async def take(self) -> Child:
        if self.refusal is not None:
            raise NoInterpreter(self.refusal)
        ours, self.peer = socket.socketpair()
        for end in (ours, self.peer):
            end.setblocking(False)
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE)
        pidfd = os.pidfd_open(self.process.pid)
        loop = asyncio.get_running_loop()
        child = _WatchedChild(1, self.process.pid, pidfd, ours, loop.create_future())
        child.signals = self.signals
        watched = os.dup(pidfd)
        loop.add_reader(watched, self._on_exit, child, watched)
        return child

    def _on_exit(self, child: Child, watched: int) -> None:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
        assert self.process is not None
        code = self.process.wait()
        self.on_exit()  # the kernel closes what a process had
        child.exit.set_result(Exited(1, code if code >= 0 else None, -code if code < 0 else None, 0.25, 4096))


class _WatchedChild(Child):
    """A child that remembers what it was sent."""

    signals: list[int]

    def signal(self, number: int) -> None:
        self.signals.append(number)
        super().signal(number)


@dataclass
class Conversation:
    """One lease, seen from both of its ends."""

    stock: FakeStock
    policy: Policy
    up: list[tuple[Stamp, Message]] = field(default_factory=list)
    delivered: int = 1
    server: LeaseServer = field(init=False)
    reader: asyncio.StreamReader = field(init=False)
    writer: asyncio.StreamWriter = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_up(self, stamp: Stamp, data: bytes) -> None:
        self.up.append((stamp, decode(data, FROM_SUPERVISOR_LEASED)))
        self._news.set()

    # the scheduler's end

    def deliver(self, message: Message) -> None:
        self.delivered += 1
        self.server.deliver(Stamp("job.1", 1, self.delivered), message, encode(message))

    def all(self, kind: type[M]) -> list[M]:
        return [message for _, message in self.up if isinstance(message, kind)]

    @property
    def kinds(self) -> list[str]:
        return [message.kind for _, message in self.up]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what was sent up makes this true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def lost(self) -> Lost:
        """Wait for the lease's end, check that it is the last word, and return it."""
        await self.server.task
        [lost] = self.all(Lost)
        assert self.up[-1][1] == lost
        assert [stamp.sequence for stamp, _ in self.up] == list(range(1, len(self.up) + 1))
        assert {(stamp.lease, stamp.epoch) for stamp, _ in self.up} == {("job.1", 1)}
        return lost

    # the interpreter's end

    async def hears(self, kind: type[M]) -> M:
        """Return the next message, which must be of that kind; on a busy machine it may be told to rest meanwhile."""
        message = await self._message()
        while isinstance(message, Rest) and kind is not Rest:
            message = await self._message()
        assert isinstance(message, kind)
        return message

    async def _message(self) -> Message:
        length = int.from_bytes(await self.reader.readexactly(4), "little")
        return decode(await self.reader.readexactly(length), TO_INTERPRETER)

    def says(self, *messages: Message | bytes) -> None:
        for message in messages:
            self.writer.write(message if isinstance(message, bytes) else frame(encode(message)))

    def dies(self, number: int = signal.SIGKILL) -> None:
        assert self.stock.process is not None
        self.stock.process.send_signal(number)
        self.writer.transport.abort()

    async def begin(self, batch: int = 1) -> None:
        """Let the interpreter have a policy and a batch."""
        if self.delivered == 1:
            self.deliver(Load(self.policy.to_wire(), (), (), ()))
            await self.hears(Load)
        self.deliver(Run(batch, "batch", b"source", 0, 0, ()))
        await self.hears(Run)


@asynccontextmanager
async def conversation(
    limits: Limits | None = None, *, command: tuple[str, ...] = IDLE, began: bool = True
) -> AsyncIterator[Conversation]:
    """A lease whose interpreter has, unless said otherwise, begun its first batch."""
    stock = FakeStock(command)
    talk = Conversation(stock, Policy(limits=limits or Limits()))
    talk.server = LeaseServer(
        Stamp("job.1", 1, 1), Grant("job"), cast(Stock, stock), Baseline(PLENTY, PLENTY), talk.send_up
    )
    try:
        while stock.peer is None:
            await asyncio.sleep(0)
        talk.reader, talk.writer = await asyncio.open_connection(sock=stock.peer)
        stock.on_exit = talk.writer.transport.abort
        if began:
            await talk.begin()
        yield talk
    finally:
        await _end(talk)


async def _end(talk: Conversation) -> None:
    talk.server.task.cancel()
    await asyncio.gather(talk.server.task, return_exceptions=True)
    talk.writer.transport.abort()
    process = talk.stock.process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.to_thread(process.wait, WAIT_SECONDS)


def measured(talk: Conversation) -> Metered:
    [metered] = talk.all(Metered)
    return metered
