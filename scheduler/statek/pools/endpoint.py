"""A ROUTER socket: frames in and out for many peers, and who may connect. Nothing is decided here."""

from __future__ import annotations

import asyncio
import enum
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import zmq
from zmq.auth.asyncio import AsyncioAuthenticator

from statek.errors import EndpointUnusable
from statek_protocol.messages.base import FRAME_LIMIT
from statek_protocol.transport.endpoints import Endpoint, LocalAddress
from statek_protocol.transport.keys import SCHEDULER, authorized_executors, own_pair

DRAIN_LIMIT: Final = 1_000
"""Messages that are taken at once, so that a flood of one peer's is one tick and not an endless one."""
LINGER_MS: Final = 500

OnFrames = Callable[[bytes, list[bytes]], None]
"""Called with the peer's identity (made by this socket, not by the peer) and the frames it sent."""


class Delivery(enum.Enum):
    """What became of a message that was to be sent at once."""

    SENT = "sent"
    GONE = "gone"
    """The peer's connection is closed."""
    FULL = "full"
    """The peer has not taken what was sent before; this message is lost."""


class AuthorizedKeys:
    """Lets in the public keys that lie in the key directory at the moment of the handshake."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def callback(self, _domain: str, key: bytes) -> bool:
        """Say whether a key, in ZeroMQ's text form, may connect."""
        return key in authorized_executors(self._keys)


class RouterEndpoint:
    """One bound ROUTER. On tcp every peer is authenticated by its CURVE key; on ipc by the directory's mode."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: Endpoint, keys: Path | None) -> None:
        self._endpoint = endpoint
        self._socket = context.socket(zmq.ROUTER)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking = False
        self._local: LocalAddress | None = None
        self._authenticator: AsyncioAuthenticator | None = None
        self._socket.set(zmq.LINGER, LINGER_MS)
        self._socket.set(zmq.MAXMSGSIZE, FRAME_LIMIT)
        self._socket.set(zmq.ROUTER_MANDATORY, 1)
        try:
            if endpoint.encrypted:
                assert keys is not None
                self._use_curve(context, keys)
            self._bind()
        except (zmq.ZMQError, OSError) as error:
            self.close()
            raise EndpointUnusable(endpoint.text, _reason(error)) from error

    @property
    def address(self) -> str:
        """Return what a peer connects to; a port that was left to the system is filled in."""
        if self._local is not None:
            return self._endpoint.text
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def start(self, on_frames: OnFrames) -> None:
        """Hand on everything that arrives, until `close`; called in the event loop's thread."""
        self._on_frames = on_frames
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)
        self._look_again()

    def _drain(self) -> None:
        """Take what has arrived, and come back for more before the event loop sleeps.

        ZeroMQ's descriptor tells of a change once, and any call on the socket may use that up (ZMQ_FD in
        zmq_getsockopt(3)). So nothing but an empty socket ends the looking, and `send` looks again too.
        """
        self._looking = False
        if self._loop is None:
            return  # closed since the look was asked for
        for _ in range(DRAIN_LIMIT):
            try:
                identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_frames(identity, frames)
        self._look_again()

    def _look_again(self) -> None:
        if self._loop is not None and not self._looking:
            self._looking = True
            self._loop.call_soon(self._drain)

    def send(self, identity: bytes, frames: Sequence[bytes]) -> Delivery:
        """Send now or not at all."""
        try:
            self._socket.send_multipart([identity, *frames], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return Delivery.GONE
            if error.errno == zmq.EAGAIN:
                return Delivery.FULL
            raise
        finally:
            self._look_again()
        return Delivery.SENT

    def pause(self) -> None:
        """Hand on nothing any more; what arrives stays unread, and sending goes on."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None

    def close(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self.pause()
        self._socket.close()
        if self._local is not None:
            self._local.close()

    def _use_curve(self, context: zmq.Context[zmq.Socket[bytes]], keys: Path) -> None:
        pair = own_pair(keys, SCHEDULER)
        self._authenticator = AsyncioAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(domain="*", credentials_provider=AuthorizedKeys(keys))
        self._socket.set(zmq.CURVE_SERVER, 1)
        self._socket.set(zmq.CURVE_PUBLICKEY, pair.public)
        self._socket.set(zmq.CURVE_SECRETKEY, pair.secret)

    def _bind(self) -> None:
        if self._endpoint.path is None:
            self._socket.bind(self._endpoint.text)
            return
        self._local = LocalAddress(self._endpoint.path)
        _refuse_a_live_socket(self._endpoint.path)
        umask = os.umask(0o177)  # the socket file is for its owner alone
        try:
            self._socket.bind(self._local.address)
        finally:
            os.umask(umask)


def _refuse_a_live_socket(path: Path) -> None:
    """ZeroMQ would take a socket file away from whoever listens on it; somebody who answers keeps it."""
    if not path.exists():
        return
    probe = socket.socket(socket.AF_UNIX)
    local = LocalAddress(path)
    try:
        probe.connect(local.address.removeprefix("ipc://"))
    except OSError:
        return
    finally:
        probe.close()
        local.close()
    raise OSError(errno.EADDRINUSE, "another process listens on it")


def _reason(error: zmq.ZMQError | OSError) -> str:
    if error.errno in (zmq.EADDRINUSE, errno.EADDRINUSE):
        return "it is in use: stop whoever listens there, or choose another"
    return error.strerror or str(error)
