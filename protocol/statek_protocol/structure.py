"""How many values a msgpack text holds, counted without building any of them.

A msgpack byte can stand for an empty list, which is 56 bytes of memory in CPython: 60 MB from a hostile interpreter
would become gigabytes in whoever decodes it. Large frames are therefore walked first: the walk follows the length
fields, jumps over texts and byte strings, and stops at the first value too many. Format: the msgpack specification,
"Formats".
"""

from __future__ import annotations

from typing import Final

from statek_protocol.errors import MalformedMessage

VALUES_LIMIT: Final = 250_000
"""Values (map keys and containers included) in one message; the largest honest ones carry some 100,000."""

_NO_BODY: Final = dict.fromkeys((0xC0, 0xC2, 0xC3), 0)  # nil, false, true
_FLOATS: Final = {0xCA: 4, 0xCB: 8}
_INTEGERS: Final = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED_BODY: Final = _NO_BODY | _FLOATS | _INTEGERS
_LENGTH_BYTES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # bin, str
_ARRAYS: Final = {0xDC: 2, 0xDD: 4}
_MAPS: Final = {0xDE: 2, 0xDF: 4}


def check_structure(data: bytes, limit: int = VALUES_LIMIT) -> None:
    """Raise `MalformedMessage` unless the text is one complete value of at most `limit` values, extensions excluded."""
    position, pending, seen = 0, 1, 0
    while pending:
        seen += 1
        if seen + pending > limit:
            raise MalformedMessage(f"more than {limit} values in one message")
        if position >= len(data):
            raise MalformedMessage("the message ends inside a value")
        position, children = _step(data, position)
        pending += children - 1
    if position != len(data):
        raise MalformedMessage("bytes after the end of the message")


def _step(data: bytes, position: int) -> tuple[int, int]:
    """Pass one value's head (and body, where it has no children); return the new position and the children's number."""
    head = data[position]
    position += 1
    if head <= 0x7F or head >= 0xE0 or head in _FIXED_BODY:  # small integers, and bodies of a fixed size
        return position + _FIXED_BODY.get(head, 0), 0
    if head <= 0x8F:
        return position, 2 * (head & 0x0F)
    if head <= 0x9F:
        return position, head & 0x0F
    if head <= 0xBF:
        return position + (head & 0x1F), 0
    if head in _LENGTH_BYTES:
        after, length = _number(data, position, _LENGTH_BYTES[head])
        return after + length, 0
    if head in _ARRAYS:
        return _number(data, position, _ARRAYS[head])
    if head in _MAPS:
        after, length = _number(data, position, _MAPS[head])
        return after, 2 * length
    raise MalformedMessage(f"an extension or reserved type (0x{head:02x})")


def _number(data: bytes, position: int, size: int) -> tuple[int, int]:
    return position + size, int.from_bytes(data[position : position + size], "big")
