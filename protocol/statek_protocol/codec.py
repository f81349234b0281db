"""Between messages and bytes: msgpack of plain values, decoded by one strict path.

Whoever calls `decode` says which kinds it takes from that sender. Whatever else arrives raises a `ProtocolError`, and
nothing of a refused message was acted upon. The size is looked at before the first byte is read, and a large frame's
structure before the first value is built, so that the cost of refusing is bounded too.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgpack

from statek_protocol import schema
from statek_protocol.errors import MalformedMessage, OversizedMessage, UnknownKind
from statek_protocol.messages.base import KIB, Message
from statek_protocol.structure import check_structure

_KIND = "kind"
_SMALL_FRAME = 64 * KIB
"""Up to this size the worst structure costs a few MB to build, and walking it first would be the greater expense."""
_packers = [msgpack.Packer()]
"""The one that packs: to make one for each message takes as long as to write it. No other code runs while it does."""


def encode(message: Message) -> bytes:
    """Encode a message; raises `OversizedMessage` when it is larger than its kind may be (a bug or a broken limit)."""
    data: bytes = _packers[-1].pack({_KIND: message.kind, **schema.dump(message)})
    if len(data) > _SMALL_FRAME:
        _packers[-1] = msgpack.Packer()  # the other keeps the memory that this took
    if len(data) > message.max_bytes:
        raise OversizedMessage(len(data), message.max_bytes)
    return data


def decode(data: bytes, kinds: frozenset[type[Message]]) -> Message:
    """Read one message of the given kinds; raises a `ProtocolError` for anything else."""
    by_name, largest = _kinds(kinds)
    if len(data) > largest:
        raise OversizedMessage(len(data), largest)
    fields = _unpack(data)
    kind = fields.pop(_KIND, None)
    if type(kind) is not str:
        raise MalformedMessage("a message without a kind")
    cls = by_name.get(kind)
    if cls is None:
        raise UnknownKind(kind)
    if len(data) > cls.max_bytes:
        raise OversizedMessage(len(data), cls.max_bytes)
    return schema.load(cls, fields, path=kind)


@functools.cache
def _kinds(kinds: frozenset[type[Message]]) -> tuple[Mapping[str, type[Message]], int]:
    return {cls.kind: cls for cls in kinds}, max(cls.max_bytes for cls in kinds)


def _unpack(data: bytes) -> dict[str, Any]:
    if len(data) > _SMALL_FRAME:
        check_structure(data)
    try:
        value = msgpack.unpackb(data, raw=False, use_list=True, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:  # UnicodeDecodeError and StackError are ValueErrors
        raise MalformedMessage(f"not one msgpack value: {type(error).__name__}") from error
    if type(value) is not dict:
        raise MalformedMessage(f"a {type(value).__name__}, not a map")
    return value
