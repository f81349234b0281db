"""The scheduler's end of one lease, bare: a ROUTER that grants a job to a real executor and answers its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import zmq

from bench.services import service
from statek_policies import Policy
from statek_protocol.codec import decode, encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import (
    FROM_SUPERVISOR,
    FROM_SUPERVISOR_LEASED,
    STAMPS,
    Credit,
    Grant,
    Heartbeat,
    Hello,
    Pong,
    Pull,
    Stamp,
    Welcome,
)
from statek_protocol.messages.interpreter import Call, Finished, Load, Reply, Run
from statek_protocol.values import encode_value

ANSWER_MS: Final = 30_000
CREDIT_EVERY: Final = 50
HEARTBEAT_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 60.0
CALLS: Final = 1_000_000
TOOL: Final = "ping"
_PLAIN: Final = FROM_SUPERVISOR
_LEASED: Final = FROM_SUPERVISOR_LEASED

M = TypeVar("M", bound=Message)


class LeaseFailed(Exception):
    """The executor did not do what a lease is for; the text has its message."""


class Lease:
    """A job that calls one tool again and again, for as long as it is answered."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._peer = b""
        self._sent = 0
        self._value = encode_value(None, max_bytes=100, max_depth=1)

    def begin(self, source: bytes) -> Call:
        """Welcome the executor, grant the job, run its batch up to the first call."""
        self._await(Hello)
        self._socket.send_multipart([self._peer, encode(Welcome("bench", HEARTBEAT_SECONDS, LEASE_SECONDS))])
        self._await(Pull)
        limits = {"calls": CALLS, "wall_seconds": 600.0, "cpu_seconds": 600.0}
        self._send(Grant("bench"))
        self._send(Load(Policy().with_limits(**limits).to_wire(), (), (), (TOOL,)))
        self._send(Run(1, "bench", source, 0, 0, ()))
        return self._await(Call)

    def answer(self, call: Call) -> Call:
        """Answer a call and return the next one: once through executor and interpreter, there and back."""
        self._send(Reply(call.batch, call.number, self._value, None))
        return self._await(Call)

    def _send(self, message: Message) -> None:
        self._sent += 1
        self._socket.send_multipart([self._peer, encode(Stamp("lease", 1, self._sent)), encode(message)])

    def _await(self, kind: type[M]) -> M:
        give_up = time.monotonic() + ANSWER_MS / 1000
        while time.monotonic() < give_up and self._socket.poll(ANSWER_MS):
            message = self._receive()
            if isinstance(message, kind):
                return message
            if isinstance(message, Finished):
                raise LeaseFailed(f"the batch has ended: {message}")
        raise LeaseFailed(f"no {kind.kind} came")

    def _receive(self) -> Message:
        self._peer, *frames = self._socket.recv_multipart()
        if len(frames) == 1:
            message = decode(frames[0], _PLAIN)
            if isinstance(message, Heartbeat):
                self._socket.send_multipart([self._peer, encode(Pong())])
            return message
        stamp, message = decode(frames[0], STAMPS), decode(frames[1], _LEASED)
        assert isinstance(stamp, Stamp)
        if stamp.sequence % CREDIT_EVERY == 0:
            self._send(Credit(stamp.sequence))
        return message


@contextmanager
def lease(directory: Path) -> Iterator[Lease]:
    """A lease on a real executor pool, over a local socket in the directory."""
    endpoint = f"ipc://{directory}/executors.sock"
    context = zmq.Context()
    with context.socket(zmq.ROUTER) as socket:
        socket.set(zmq.LINGER, 0)
        socket.bind(endpoint)
        with service("statek_executor", "--connect", endpoint, "--workers", "1"):
            yield Lease(socket)
    context.term()
