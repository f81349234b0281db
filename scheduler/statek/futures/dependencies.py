"""How what a future depends on is written down: plain values as they are, dbzero objects by their uuid.

The bytes are those of a pair: the uuids, and the value with a reference to the n-th of them for each object. They are
in the ledger and need nothing else to be read again after a restart, but dbzero with the objects in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from statek.core.encoded import tuple_of
from statek_protocol.references import HandleRef, PlainReferences
from statek_protocol.values import KNOWN, NESTING, ValueRefused, decode_value, encode_value, type_name

DEPS_BYTES: Final = 64 * 1024
DEPS_DEPTH: Final = 16
_HALF: Final = DEPS_BYTES // 2 - 64
_REFERENCES: Final = PlainReferences()


class DependencyGone(Exception):
    """An object that the future depends on is not in dbzero any more."""


def encode_deps(deps: Any) -> bytes:
    """Write what a future depends on; raises TypeError for what could not be found again. In dbzero's thread."""
    uuids: list[str] = []
    try:
        tree = _replaced(deps, uuids, DEPS_DEPTH)
        names = encode_value(tuple(uuids), max_bytes=_HALF, max_depth=1, name="deps")
        return tuple_of(
            (names, encode_value(tree, max_bytes=_HALF, max_depth=DEPS_DEPTH, name="deps", crossing=_REFERENCES))
        )
    except ValueRefused as error:
        raise TypeError(f"the deps of a future are dbzero objects and plain values: {error}") from error


def decode_deps(data: bytes) -> Any:
    """Read it again; raises `DependencyGone`. In dbzero's thread."""
    pair: Any = decode_value(data, max_bytes=DEPS_BYTES, max_depth=DEPS_DEPTH + 2, crossing=_REFERENCES)
    uuids, tree = pair
    return _restored(tree, [_fetch(uuid) for uuid in uuids])


def prefixes_of(deps: Any) -> frozenset[str]:
    """Name the dbzero prefixes of the objects that a future depends on. In dbzero's thread."""
    return frozenset(_prefix(part) for part in _objects(deps))


def state_of(prefix: str) -> int:
    """Return the state number of an open prefix: it moves with every commit, of whichever process."""
    import dbzero as db0

    return int(db0.get_state_num(prefix))


def _objects(deps: Any) -> Iterator[Any]:
    if _is_object(deps):
        yield deps
    elif type(deps) in NESTING:
        for part in deps.values() if type(deps) is dict else deps:
            yield from _objects(part)


def _prefix(value: Any) -> str:
    import dbzero as db0

    return str(db0.get_prefix_of(value).name)


def _is_object(value: Any) -> bool:
    """Tell whether dbzero knows the value; where dbzero was never imported there is no such thing."""
    if type(value) in KNOWN or "dbzero" not in sys.modules:
        return False
    import dbzero as db0

    return bool(db0.is_memo(value))


def _replaced(value: Any, uuids: list[str], depth: int) -> Any:
    """Put references in place of dbzero objects; whatever else is no plain value is refused when it is written."""
    if _is_object(value):
        uuids.append(_uuid(value))
        return HandleRef(len(uuids) - 1, type_name(value))
    if type(value) not in NESTING or depth == 0:
        return value
    if type(value) is dict:
        return {key: _replaced(part, uuids, depth - 1) for key, part in value.items()}
    return type(value)(_replaced(part, uuids, depth - 1) for part in value)


def _restored(value: Any, objects: list[Any]) -> Any:
    if isinstance(value, HandleRef):
        return objects[value.number]
    if type(value) not in NESTING:
        return value
    if type(value) is dict:
        return {key: _restored(part, objects) for key, part in value.items()}
    return type(value)(_restored(part, objects) for part in value)


def _uuid(value: Any) -> str:
    import dbzero as db0

    try:
        return str(db0.uuid(value))
    except Exception as error:  # dbzero's own kinds of error are many
        raise TypeError(f"dbzero has no uuid for the {type_name(value)} in the deps: {error}") from error


def _fetch(uuid: str) -> Any:
    import dbzero as db0

    try:
        return db0.fetch(uuid)
    except Exception as error:
        raise DependencyGone(f"the object {uuid} that it depends on is not in dbzero any more") from error


__all__ = ["DEPS_BYTES", "DependencyGone", "decode_deps", "encode_deps", "prefixes_of", "state_of"]
