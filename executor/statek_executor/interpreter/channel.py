"""The interpreter's only way out: framed messages over its one file descriptor. Runs inside the wall."""

from __future__ import annotations

import os
from typing import TypeVar

from statek_executor.errors import ChannelClosed
from statek_protocol.codec import decode, encode
from statek_protocol.framing import HEADER_BYTES, frame, frame_length
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import TO_INTERPRETER

M = TypeVar("M", bound=Message)


class Channel:
    """Blocking sends and receives; plain read(2) and write(2), because the filter allows nothing else."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def send(self, message: Message) -> None:
        """Write one message whole; blocks while the supervisor holds back."""
        data = memoryview(frame(encode(message)))
        while data:
            data = data[os.write(self._fd, data) :]

    def receive(self, kind: type[M]) -> M:
        """Read the next message, which must be of that kind; raises `ChannelClosed` at the end of the stream."""
        message = decode(self._read(frame_length(self._read(HEADER_BYTES))), TO_INTERPRETER)
        if not isinstance(message, kind):
            raise ChannelClosed(f"a {message.kind} came where a {kind.kind} was due")
        return message

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = os.read(self._fd, min(size, 1 << 20))
            if not piece:
                raise ChannelClosed("the supervisor closed the channel")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
