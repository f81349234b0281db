"""Messages on a byte stream: each frame is its length in four little-endian bytes, then that many bytes.

The stream is a socketpair between supervisor and interpreter. A stream and not SOCK_SEQPACKET, because a datagram is
bounded by the kernel's socket buffer (some 200 KiB by default) and a workspace is not.
"""

from __future__ import annotations

import struct
from typing import Final

from statek_protocol.errors import ConnectionEnded, OversizedMessage
from statek_protocol.messages.base import FRAME_LIMIT

_LENGTH: Final = struct.Struct("<I")
HEADER_BYTES: Final = _LENGTH.size


def frame(data: bytes) -> bytes:
    """Put the length in front; raises `OversizedMessage`."""
    if len(data) > FRAME_LIMIT:
        raise OversizedMessage(len(data), FRAME_LIMIT)
    return _LENGTH.pack(len(data)) + data


def frame_length(header: bytes) -> int:
    """Read the length that a header announces; raises `OversizedMessage` before anything of the frame is read."""
    (length,) = _LENGTH.unpack(header)
    if length > FRAME_LIMIT:
        raise OversizedMessage(length, FRAME_LIMIT)
    return int(length)


class FrameReader:
    """Turns the pieces in which a stream arrives into frames; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived and return the frames that are now complete; raises `OversizedMessage`."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= HEADER_BYTES:
            length = frame_length(bytes(self._buffer[start : start + HEADER_BYTES]))
            end = start + HEADER_BYTES + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + HEADER_BYTES : end]))
            start = end
        del self._buffer[:start]
        return frames

    def end(self) -> None:
        """Say that the stream ended; raises `ConnectionEnded` when it ended inside a frame."""
        if self._buffer:
            raise ConnectionEnded(f"the stream ended {len(self._buffer)} bytes into a frame")
