"""What crosses in place of something that stays in the scheduler: an application's object, or a value not yet there.

A reference is a number in the job's own table in the scheduler. It carries no right by itself: the scheduler looks it
up in the table of the job whose lease it came under, so a made-up number is an error and never another job's object.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgpack

from statek_protocol import leaves

HANDLE: Final = 13
FUTURE: Final = 14
"""Extension codes that `leaves` does not use."""

TYPE_NAME_BYTES: Final = 200
PATH_LIMIT: Final = 16
"""Steps of unpacking from a future to one of its elements."""


@dataclass(frozen=True, slots=True)
class HandleRef:
    """An application's object: its number in the job's table, and the name of its class, for people to read."""

    number: int
    type_name: str


@dataclass(frozen=True, slots=True)
class FutureRef:
    """A value that is not there yet: its number in the job's table, and the steps to an element of it."""

    number: int
    path: tuple[int, ...] = ()


Reference = HandleRef | FutureRef


class Crossing(Protocol):
    """What one side of the boundary has in place of references. Each side has its own, and neither sees the other's."""

    @property
    def kinds(self) -> frozenset[type]:
        """The exact types that cross as references; they are leaves to whoever walks a value."""

    def refer(self, obj: Any) -> Reference:
        """Give the reference for an object of one of the kinds; raises `leaves.Unencodable`."""

    def resolve(self, reference: Reference) -> object:
        """Give the object of one of the kinds; raises one of `leaves.READ_FAULTS` for a reference to nothing."""


class PlainReferences:
    """References cross as themselves: for whoever resolves them later, such as the scheduler in dbzero's thread."""

    kinds: Final[frozenset[type]] = frozenset({HandleRef, FutureRef})

    def refer(self, obj: Any) -> Reference:
        reference: Reference = obj
        return reference

    def resolve(self, reference: Reference) -> object:
        return reference


def writer(crossing: Crossing) -> Callable[[object], msgpack.ExtType]:
    """Write what this side has in place of references, and every other leaf as `leaves` does."""

    def write(value: object) -> msgpack.ExtType:
        return _extension(crossing.refer(value)) if type(value) in crossing.kinds else leaves.extension(value)

    return write


def reader(crossing: Crossing) -> Callable[[int, bytes], object]:
    """Read references into what this side has in their place, and every other leaf as `leaves` does."""

    def read(code: int, payload: bytes) -> object:
        parse = _PARSERS.get(code)
        return leaves.read(code, payload) if parse is None else crossing.resolve(parse(payload))

    return read


def _extension(reference: Reference) -> msgpack.ExtType:
    if isinstance(reference, FutureRef):
        return msgpack.ExtType(FUTURE, struct.pack(f">I{len(reference.path)}I", reference.number, *reference.path))
    name = reference.type_name.encode("utf-8", "backslashreplace")[:TYPE_NAME_BYTES].decode("utf-8", "ignore")
    return msgpack.ExtType(HANDLE, struct.pack(">I", reference.number) + name.encode())


def _parse_handle(payload: bytes) -> HandleRef:
    if len(payload) > 4 + TYPE_NAME_BYTES:
        raise ValueError("a handle with too long a name")
    return HandleRef(struct.unpack_from(">I", payload)[0], payload[4:].decode())


def _parse_future(payload: bytes) -> FutureRef:
    steps = len(payload) // 4 - 1
    if steps > PATH_LIMIT:
        raise ValueError("an element of a future that is nested too deep")
    number, *path = struct.unpack(f">I{steps}I", payload)
    return FutureRef(number, tuple(path))


_PARSERS: Final[dict[int, Callable[[bytes], Reference]]] = {HANDLE: _parse_handle, FUTURE: _parse_future}
