"""How are the variables written that a job starts with, and what an event brings?

Plain values as they are; dbzero objects by their uuid; what the application exports and is neither, by its place there.
Containers are copied: two jobs that start with the same list each have one of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from statek.core.encoded import dict_of, element, names_in, tuple_of
from statek.store import by_reference
from statek.store.by_reference import is_object, uuid_of
from statek.store.containers import as_plain
from statek_protocol.messages.base import MIB
from statek_protocol.references import HandleRef
from statek_protocol.values import MalformedValue, ValueRefused, decode_value, encode_value, type_name

GIVEN_BYTES: Final = 2 * MIB
"""Half of it for the values, half for where their objects are found."""
VALUES_BYTES: Final = MIB
GIVEN_DEPTH: Final = 64
KEPT: Final = "statek/given"
"""The tag by which dbzero keeps objects that were given to a job and to which nothing else refers."""
_EXPORTED: Final = "="
"""What the place of an exported object begins with; no uuid does."""
_NOWHERE: Final = encode_value((), max_bytes=16, max_depth=1)


class Exports(Protocol):
    """What an application offers under names (`calls.application.Offer`)."""

    @property
    def objects(self) -> Mapping[str, object]:
        """Its objects by their places."""

    def name_of(self, value: object) -> str | None:
        """Return the place of an object."""


class GivenGone(Exception):
    """An object among the variables that a job starts with cannot be found any more; the text names the variable."""


def encode_given(value: Any, exports: Exports | None = None, *, name: str = "value") -> bytes:
    """Write variables by name, or what an event brings; raises TypeError with the place of what cannot be written.

    In dbzero's thread, unless the value is known to be plain. An object to which nothing in dbzero refers is kept by
    the tag `KEPT` from now on, until the application takes that off.
    """

    def place_of(part: object) -> str | None:
        if is_object(part):
            by_reference.keep(part, KEPT)
            return uuid_of(part)
        place = None if exports is None else exports.name_of(part)
        return None if place is None else _EXPORTED + place

    try:
        bounds = {"max_bytes": GIVEN_BYTES, "max_depth": GIVEN_DEPTH}
        return by_reference.write(value, place_of, **bounds, name=name, plain_of=_plain_of)
    except ValueRefused as error:
        text = f"{error}; what can be given besides are dbzero objects, and objects that the application exports"
        raise TypeError(text if error.bound is None else str(error)) from error


def from_plain(values: bytes) -> bytes:
    """Take a plain value that another process wrote; raises `MalformedValue`."""
    decode_value(values, max_bytes=VALUES_BYTES, max_depth=GIVEN_DEPTH)
    return tuple_of((_NOWHERE, values))


def as_event(name: str, body: bytes) -> bytes:
    """Make what an event brings the one variable of that name, without reading it; raises TypeError, IndexError."""
    return tuple_of((element(body, 0), dict_of({name: element(body, 1)})))


def names_of(data: bytes) -> tuple[str, ...]:
    """Return the names of variables, without reading them; raises TypeError for what is not variables by name."""
    return names_in(element(data, 1))


def has_objects(data: bytes) -> bool:
    """Tell whether any object has to be found to read it."""
    return element(data, 0) != _NOWHERE


def outline(data: bytes) -> dict[str, str]:
    """Return the names of variables with the names of their types, without any object; raises `MalformedValue`."""
    _, tree = by_reference.read(data, max_bytes=GIVEN_BYTES, max_depth=GIVEN_DEPTH)
    if type(tree) is not dict:
        raise MalformedValue("variables have names")
    return {name: _type_of(value) for name, value in tree.items()}


def decode_given(data: bytes, exports: Exports) -> dict[str, Any]:
    """Read variables again; raises `GivenGone`, `MalformedValue`. In dbzero's thread."""
    places, tree = by_reference.read(data, max_bytes=GIVEN_BYTES, max_depth=GIVEN_DEPTH)
    if type(tree) is not dict:
        raise MalformedValue("variables have names")
    return {name: _variable(name, value, lambda number: _find(places[number], exports)) for name, value in tree.items()}


def why_gone(data: bytes, exports: Exports) -> str | None:
    """Say which object of what an event brings cannot be found; None where all can. In dbzero's thread."""
    try:
        places, _ = by_reference.read(data, max_bytes=GIVEN_BYTES, max_depth=GIVEN_DEPTH)
        for place in places:
            _find(place, exports)
    except (LookupError, MalformedValue) as error:
        return str(error)
    return None


def _plain_of(value: Any) -> Any:
    """Let cross by value what crosses so from a call: kinds of plain values, containers and enumerations of dbzero."""
    if "dbzero" in sys.modules:
        import dbzero as db0

        if db0.is_enum_value(value):
            return str(value)
    return as_plain(value, VALUES_BYTES)


def _variable(name: str, value: Any, found: Callable[[int], object]) -> Any:
    try:
        return by_reference.restored(value, found)
    except LookupError as error:
        raise GivenGone(f"the variable {name!r} cannot be given: {error}") from error


def _find(place: str, exports: Exports) -> object:
    if not place.startswith(_EXPORTED):
        return by_reference.fetch(place)
    try:
        return exports.objects[place.removeprefix(_EXPORTED)]
    except KeyError:
        raise LookupError(f"the application does not export {place.removeprefix(_EXPORTED)!r} any more") from None


def _type_of(value: Any) -> str:
    return value.type_name if isinstance(value, HandleRef) else type_name(value)
