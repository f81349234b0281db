"""The interpreter's only way out: framed messages over its one file descriptor. Runs inside the wall."""

from __future__ import annotations

import os
from typing import Final, TypeVar

from statek_executor.errors import ChannelClosed
from statek_executor.sharing.image import IMAGE
from statek_protocol.codec import decode, encode
from statek_protocol.framing import HEADER_BYTES, frame, frame_length
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import TO_INTERPRETER, Rest

M = TypeVar("M", bound=Message)

READ_BYTES: Final = 16 * 1024
"""Asked for at a time: more than most messages have, and little enough to cost nothing where less comes."""
LARGE_READ_BYTES: Final = 1024 * 1024
"""Asked for at most, of a message that is known to be large."""


class Channel:
    """Blocking sends and receives; plain read(2) and write(2), because the filter allows nothing else."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read_ahead = b""
        """What came with the last message, of the next one."""

    def send(self, message: Message) -> None:
        """Write one message whole; blocks while the supervisor holds back."""
        data = frame(encode(message))
        written = os.write(self._fd, data)
        while written < len(data):
            written += os.write(self._fd, memoryview(data)[written:])

    def receive(self, kind: type[M]) -> M:
        """Read the next message, which must be of that kind; raises `ChannelClosed` at the end of the stream."""
        message = decode(self._next_frame(), TO_INTERPRETER)
        while isinstance(message, Rest):
            IMAGE.give_back()
            message = decode(self._next_frame(), TO_INTERPRETER)
        if not isinstance(message, kind):
            raise ChannelClosed(f"a {message.kind} came where a {kind.kind} was due")
        return message

    def _next_frame(self) -> bytes:
        """Read one frame; most come whole with the first read."""
        while len(self._read_ahead) < HEADER_BYTES:
            self._read_ahead += self._read(READ_BYTES)
        end = HEADER_BYTES + frame_length(self._read_ahead[:HEADER_BYTES])
        pieces, have = [self._read_ahead], len(self._read_ahead)
        while have < end:
            pieces.append(self._read(max(READ_BYTES, min(end - have, LARGE_READ_BYTES))))
            have += len(pieces[-1])
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._read_ahead = data[end:]
        return data[HEADER_BYTES:end]

    def _read(self, size: int) -> bytes:
        data = os.read(self._fd, size)
        if not data:
            raise ChannelClosed("the supervisor closed the channel")
        return data
