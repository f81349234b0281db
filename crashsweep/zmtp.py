"""What a ZeroMQ connection's bytes are made of: a greeting, commands, and messages of one or more frames.

ZMTP 3.1 (rfc.zeromq.org/spec/23): 64 bytes of greeting, then frames. A frame is a byte of flags, its length in one byte
or in eight (big-endian), and its body.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

GREETING_BYTES: Final = 64
_MORE, _LONG, _COMMAND = 1, 2, 4
_LONG_HEADER: Final = struct.Struct(">BQ")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that belong together on the wire, and the message's frames where they are a message."""

    raw: bytes
    frames: tuple[bytes, ...] = ()


class PieceReader:
    """Cuts one direction of a connection into pieces."""

    def __init__(self) -> None:
        self._greeting = GREETING_BYTES
        self._buffer = bytearray()
        self._message = bytearray()
        self._frames: list[bytes] = []

    def feed(self, data: bytes) -> list[Piece]:
        """Take what arrived, return what is complete; a greeting as it comes, for each side waits for the other's."""
        pieces = []
        if self._greeting:
            head, data = data[: self._greeting], data[self._greeting :]
            self._greeting -= len(head)
            pieces.append(Piece(head))
        self._buffer += data
        while (size := self._frame_size()) is not None and len(self._buffer) >= size[0] + size[1]:
            piece = self._take(*size)
            if piece is not None:
                pieces.append(piece)
        return pieces

    def _frame_size(self) -> tuple[int, int] | None:
        """Return the sizes of the next frame's header and body, None while its header is not there."""
        if len(self._buffer) < 2:
            return None
        if not self._buffer[0] & _LONG:
            return 2, self._buffer[1]
        if len(self._buffer) < _LONG_HEADER.size:
            return None
        return _LONG_HEADER.size, _LONG_HEADER.unpack_from(self._buffer)[1]

    def _take(self, header: int, body: int) -> Piece | None:
        flags, raw = self._buffer[0], bytes(self._buffer[: header + body])
        del self._buffer[: header + body]
        if flags & _COMMAND:
            return Piece(raw)
        self._message += raw
        self._frames.append(raw[header:])
        if flags & _MORE:
            return None
        piece = Piece(bytes(self._message), tuple(self._frames))
        self._message.clear()
        self._frames.clear()
        return piece
