"""How are dbzero objects written among plain values, and found again?

As a pair: texts that say where the objects are found, and the value with a reference to the n-th of them for each
object. The bytes are in the ledger and need nothing else to be read again after a restart, but dbzero with the objects
in it. Everything here that looks at objects belongs to dbzero's thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from statek.core.encoded import tuple_of
from statek_protocol.references import HandleRef, PlainReferences
from statek_protocol.values import KNOWN, NESTING, decode_value, encode_value, type_name

PlaceOf = Callable[[object], "str | None"]
"""Says where an object is found again; None for what has no such place."""

PlainOf = Callable[[Any], Any]
"""Gives what is written in the place of a value, one level deep; the value itself where nothing is."""

REFERENCES: Final = PlainReferences()
_PAIR_DEPTH: Final = 2
_JOB: Final = "job/"
"""What a job's place begins with; no uuid of dbzero has a slash."""


def _itself(value: Any) -> Any:
    return value


def write(
    value: Any, place_of: PlaceOf, *, max_bytes: int, max_depth: int, name: str, plain_of: PlainOf = _itself
) -> bytes:
    """Write a value, and its places, each into half of the bytes; raises `ValueRefused` for what cannot be written."""
    places: list[str] = []
    tree = _replaced(value, _Ways(place_of, plain_of), places, max_depth)
    half = max_bytes // 2 - 64
    where = encode_value(tuple(places), max_bytes=half, max_depth=1, name=name)
    return tuple_of((where, encode_value(tree, max_bytes=half, max_depth=max_depth, name=name, crossing=REFERENCES)))


def read(data: bytes, *, max_bytes: int, max_depth: int) -> tuple[Sequence[str], Any]:
    """Return the places, and the value with references to them; raises `MalformedValue`."""
    pair: Any = decode_value(data, max_bytes=max_bytes, max_depth=max_depth + _PAIR_DEPTH, crossing=REFERENCES)
    places, tree = pair
    return places, tree


def restored(tree: Any, found: Callable[[int], object]) -> Any:
    """Put objects in the places of references; whatever finding them raises is raised."""
    if isinstance(tree, HandleRef):
        return found(tree.number)
    if type(tree) not in NESTING:
        return tree
    if type(tree) is dict:
        return {key: restored(part, found) for key, part in tree.items()}
    return type(tree)(restored(part, found) for part in tree)


def is_object(value: Any) -> bool:
    """Tell whether dbzero knows the value; where dbzero was never imported there is no such thing."""
    if type(value) in KNOWN or "dbzero" not in sys.modules:
        return False
    import dbzero as db0

    return bool(db0.is_memo(value))


def uuid_of(value: Any) -> str:
    """Return what an object of dbzero is found again by, which is its uuid; raises TypeError.

    A job is found by its name: the scheduler's objects are made anew from time to time, and their uuids change.
    """
    import dbzero as db0

    from statek.store.objects import PREFIX, Job

    if isinstance(value, Job):
        return _JOB + value.job
    try:
        uuid, prefix = str(db0.uuid(value)), db0.get_prefix_of(value).name
    except Exception as error:  # dbzero's own kinds of error are many
        raise TypeError(f"dbzero has no uuid for the {type_name(value)}: {error}") from error
    if prefix == PREFIX:
        raise TypeError(f"the scheduler's {type_name(value)} cannot be found again: give the job that it belongs to")
    return uuid


def keep(value: Any, tag: str) -> None:
    """Have dbzero keep an object to which nothing in it refers, by a tag; it would die with the last name for it."""
    import dbzero as db0

    if not db0.getrefcount(value):
        db0.tags(value).add(tag)


def fetch(uuid: str) -> Any:
    """Return an object of dbzero by what `uuid_of` said; raises LookupError for one that is not there any more."""
    import dbzero as db0

    if uuid.startswith(_JOB):
        return _job(uuid.removeprefix(_JOB))
    try:
        return db0.fetch(uuid)
    except Exception as error:
        raise LookupError(
            f"the object {uuid} is not in dbzero any more: it was deleted, or its prefix is not open"
        ) from error


def _job(name: str) -> Any:
    from statek.store.objects import find_job

    found = find_job(name)
    if found is None:
        raise LookupError(f"the job {name!r} is not in dbzero: it was forgotten")
    return found


@dataclass(frozen=True, slots=True)
class _Ways:
    place_of: PlaceOf
    plain_of: PlainOf


def _replaced(value: Any, ways: _Ways, places: list[str], depth: int) -> Any:
    """Put references in place of objects; whatever else is no plain value is refused when it is written."""
    kind = type(value)
    if kind in KNOWN - NESTING:
        return value
    if kind not in NESTING:
        plain = ways.plain_of(value)
        return _referred(value, ways, places) if plain is value else _replaced(plain, ways, places, depth)
    if depth == 0:
        return value
    if kind is dict:
        return {key: _replaced(part, ways, places, depth - 1) for key, part in value.items()}
    return kind(_replaced(part, ways, places, depth - 1) for part in value)


def _referred(value: Any, ways: _Ways, places: list[str]) -> Any:
    place = ways.place_of(value)
    if place is None:
        return value
    places.append(place)
    return HandleRef(len(places) - 1, type_name(value))
