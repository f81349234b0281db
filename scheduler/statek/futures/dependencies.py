"""How what a future depends on is written down: plain values as they are, dbzero objects by their uuid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from statek.store import by_reference
from statek.store.by_reference import is_object, uuid_of
from statek_protocol.values import NESTING, ValueRefused

DEPS_BYTES: Final = 64 * 1024
DEPS_DEPTH: Final = 16


class DependencyGone(Exception):
    """An object that the future depends on is not in dbzero any more."""


def encode_deps(deps: Any) -> bytes:
    """Write what a future depends on; raises TypeError for what could not be found again. In dbzero's thread."""
    try:
        return by_reference.write(deps, _uuid, max_bytes=DEPS_BYTES, max_depth=DEPS_DEPTH, name="deps")
    except ValueRefused as error:
        raise TypeError(f"the deps of a future are dbzero objects and plain values: {error}") from error


def decode_deps(data: bytes) -> Any:
    """Read it again; raises `DependencyGone`. In dbzero's thread."""
    uuids, tree = by_reference.read(data, max_bytes=DEPS_BYTES, max_depth=DEPS_DEPTH)
    return by_reference.restored(tree, lambda number: _fetch(uuids[number]))


def prefixes_of(deps: Any) -> frozenset[str]:
    """Name the dbzero prefixes of the objects that a future depends on. In dbzero's thread."""
    return frozenset(_prefix(part) for part in _objects(deps))


def state_of(prefix: str) -> int:
    """Return the state number of an open prefix: it moves with every commit, of whichever process."""
    import dbzero as db0

    return int(db0.get_state_num(prefix))


def _objects(deps: Any) -> Iterator[Any]:
    if is_object(deps):
        yield deps
    elif type(deps) in NESTING:
        for part in deps.values() if type(deps) is dict else deps:
            yield from _objects(part)


def _prefix(value: Any) -> str:
    import dbzero as db0

    return str(db0.get_prefix_of(value).name)


def _uuid(value: object) -> str | None:
    return uuid_of(value) if is_object(value) else None


def _fetch(uuid: str) -> Any:
    try:
        return by_reference.fetch(uuid)
    except LookupError as error:
        raise DependencyGone(f"it depends on what is gone: {error}") from error


__all__ = ["DEPS_BYTES", "DependencyGone", "decode_deps", "encode_deps", "prefixes_of", "state_of"]
