"""The supervisor's one ZeroMQ socket: frames out and in, and nothing decided."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Final

import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

from statek_executor.errors import SchedulerRefused
from statek_protocol.codec import decode, encode
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import FRAME_LIMIT, Message
from statek_protocol.messages.executor import STAMPS, TO_SUPERVISOR, TO_SUPERVISOR_LEASED, Stamp
from statek_protocol.transport.endpoints import Endpoint, LocalAddress
from statek_protocol.transport.keys import EXECUTOR, own_pair, scheduler_public

log = logging.getLogger(__name__)

LINGER_MS = 1_000
"""How long the last messages (a goodbye) may take to leave when the socket closes."""
RECONNECT_MS = 50
RECONNECT_MAX_MS = 1_000


_HANDSHAKE_FAILURES: Final[dict[zmq.Event, str]] = {
    zmq.Event.HANDSHAKE_FAILED_PROTOCOL: "no common handshake: does a scheduler listen there, with its keys?",
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL: "the handshake failed: does scheduler.key belong to the scheduler there?",
}


class Uplink:
    """A DEALER connected to the scheduler. While there is no connection sends wait, and nothing queues up behind it."""

    def __init__(self, endpoint: Endpoint, keys: Path) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, LINGER_MS)
        self._socket.set(zmq.IMMEDIATE, 1)
        self._socket.set(zmq.MAXMSGSIZE, FRAME_LIMIT)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._keys = keys
        self._local: LocalAddress | None = None
        self.refused: Counter[str] = Counter()
        if endpoint.encrypted:
            self._use_curve(endpoint, keys)
        if endpoint.path is not None:
            self._local = LocalAddress(endpoint.path)
        self._monitor = self._socket.get_monitor_socket()  # before the first attempt, which it would miss
        self._socket.connect(self._local.address if self._local else endpoint.text)

    @property
    def _public_key_file(self) -> Path:
        return self._keys / f"{EXECUTOR}.key"

    def _use_curve(self, endpoint: Endpoint, keys: Path) -> None:
        own = own_pair(keys, EXECUTOR)
        self._socket.set(zmq.CURVE_SERVERKEY, scheduler_public(keys, same_machine=endpoint.loopback))
        self._socket.set(zmq.CURVE_PUBLICKEY, own.public)
        self._socket.set(zmq.CURVE_SECRETKEY, own.secret)

    async def watch_connection(self) -> None:
        """Tell what keeps us from being connected, which would otherwise look like silence.

        Raises `SchedulerRefused` when our key is not let in: ZeroMQ does not try again after that.
        """
        while True:
            event = zmq.Event((await recv_monitor_message(self._monitor))["event"])
            if event is zmq.Event.HANDSHAKE_FAILED_AUTH:
                raise SchedulerRefused(
                    f"the scheduler does not know this executor's key: copy {self._public_key_file} "
                    f"into the authorized/ directory of its keys, under a name of its own, and start again"
                )
            failure = _HANDSHAKE_FAILURES.get(event)
            if failure is not None:
                log.error("%s", failure)

    async def send(self, message: Message) -> None:
        """Send a message of the supervisor's own."""
        await self._socket.send(encode(message))

    async def send_leased(self, stamp: Stamp, data: bytes) -> None:
        """Send an encoded message that belongs to a lease."""
        await self._socket.send_multipart([encode(stamp), data])

    async def receive(self) -> tuple[Stamp | None, Message, bytes]:
        """Return the next message that the protocol allows, with its bytes; what it does not allow is counted."""
        while True:
            frames = await self._socket.recv_multipart()
            try:
                if len(frames) == 1:
                    return None, decode(frames[0], TO_SUPERVISOR), frames[0]
                if len(frames) == 2:
                    stamp = decode(frames[0], STAMPS)
                    assert isinstance(stamp, Stamp)
                    return stamp, decode(frames[1], TO_SUPERVISOR_LEASED), frames[1]
                self.refused["malformed"] += 1
            except ProtocolError as error:
                self.refused[error.code] += 1
                log.warning("refused a message from the scheduler: %s", error)

    def close(self) -> None:
        """Close the socket; what was sent may still leave within the linger time."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._context.destroy(LINGER_MS)  # with whatever socket is still open: one left over would block for ever
        if self._local:
            self._local.close()
