"""Encoded values (`statek_protocol.values`) put together and taken apart without being read.

A value may be megabytes that a hostile peer chose; a tuple of such values is a header in front of their bytes, and an
element is found by passing over those before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgpack

from statek_protocol.references import FutureRef, PlainReferences
from statek_protocol.values import TUPLE, encode_value

_SMALL: Final = 1024
_REFERENCES: Final = PlainReferences()
_SEQUENCE_HEADERS: Final = (*range(0x90, 0xA0), 0xDC, 0xDD)
"""First bytes of a msgpack array, which is how a list is written."""
_EXTENSION_HEADERS: Final = {0xC7: 3, 0xC8: 4, 0xC9: 6, 0xD4: 2, 0xD5: 2, 0xD6: 2, 0xD7: 2, 0xD8: 2}
"""First bytes of a msgpack extension, which is how a tuple is written, and the length of the header that follows."""


def plain(value: object) -> bytes:
    """Write a small value of the scheduler's own: None, a bool, a number, or a reference to a future."""
    return encode_value(value, max_bytes=_SMALL, max_depth=1, crossing=_REFERENCES)


def text(value: str) -> bytes:
    """Write a text of any length."""
    return encode_value(value, max_bytes=5 * len(value) + _SMALL, max_depth=1, crossing=_REFERENCES)


def future_reference(number: int) -> bytes:
    return plain(FutureRef(number))


def tuple_of(items: Sequence[bytes]) -> bytes:
    """Put encoded values together as a tuple of them."""
    packer = msgpack.Packer(autoreset=False)
    packer.pack_array_header(len(items))
    body = b"".join((packer.bytes(), *items))
    packer.reset()
    packer.pack_ext_type(TUPLE, body)
    made: bytes = packer.bytes()
    return made


def dict_of(items: Mapping[str, bytes]) -> bytes:
    """Put encoded values together as a dict of them."""
    packer = msgpack.Packer(autoreset=False)
    packer.pack_map_header(len(items))
    parts = [packer.bytes()]
    for name, value in items.items():
        packer.reset()
        packer.pack(name)
        parts += (packer.bytes(), value)
    return b"".join(parts)


def names_in(data: bytes) -> tuple[str, ...]:
    """Return the keys of an encoded dict whose keys are texts; raises TypeError for any other value."""
    unpacker = msgpack.Unpacker(None, max_buffer_size=len(data))
    unpacker.feed(data)
    found = []
    try:
        for _ in range(unpacker.read_map_header()):
            found.append(unpacker.unpack())
            unpacker.skip()
    except (ValueError, msgpack.UnpackException) as error:
        raise TypeError("only a dict has names") from error
    if not all(type(name) is str for name in found):
        raise TypeError("a name is a text")
    return tuple(found)


def element(data: bytes, index: int) -> bytes:
    """Take one element out of an encoded tuple or list; raises TypeError for another value, IndexError past the end."""
    array = _array(data)
    unpacker = msgpack.Unpacker(None, max_buffer_size=len(array))
    unpacker.feed(array)
    if index >= unpacker.read_array_header():
        raise IndexError(index)
    for _ in range(index):
        unpacker.skip()
    start = unpacker.tell()
    unpacker.skip()
    return array[start : unpacker.tell()]


def _array(data: bytes) -> bytes:
    """Return the msgpack array that a list or tuple is written as."""
    if data[:1] and data[0] in _SEQUENCE_HEADERS:
        return data
    header = _EXTENSION_HEADERS.get(data[0]) if data else None
    if header is not None and data[header - 1] == TUPLE:
        return data[header:]
    raise TypeError("only a tuple or a list has elements")
