"""Filling the gaps that freed objects have left, so that what is made after a fork lies together.

An allocator hands out the gaps between living objects first. They are in every page of the zygote's memory, so a child
that took them would copy a page for nearly each object that it makes. Without gaps its objects come to lie side by side
in pages of its own. What fills the gaps is never looked at again, and costs one time what all children share.

It is done in the launcher, when everything is imported, and once more in the template, for what was let go meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Final

from statek_executor.sharing.mappings import writable_mappings

_SMALL: Final = 512
"""Up to this size objects are in the pools of CPython's allocator, one pool for each multiple of 16; above, in malloc's
heap."""
_STEP: Final = 16
_BYTES_HEAD: Final = 33
"""What a bytes object needs beside its content."""
_LARGEST: Final = 64 * 1024
"""A gap above that is a few pages of its own."""

_fillings: Final[list[object]] = []


def fill_gaps() -> None:
    """Fill them, as far as the mappings go that existed when this was done first."""
    gc.collect()
    mappings = writable_mappings()
    _fill(object, mappings)  # 16 bytes
    _fill(_float, mappings)  # 24
    for size in range(3 * _STEP, _SMALL + 1, _STEP):
        _fill(_maker(size), mappings)
    size = _LARGEST
    while size > _SMALL:
        _fill(_maker(size), mappings)
        size = size * 7 // 8


def _fill(make: Callable[[], object], mappings: Sequence[range]) -> None:
    """Make objects of one size and keep them, until one lies where nothing was before."""
    while True:
        filling = make()
        _fillings.append(filling)
        if not any(id(filling) in mapping for mapping in mappings):
            return


def _maker(size: int) -> Callable[[], object]:
    return lambda: bytes(size - _BYTES_HEAD)


def _float() -> object:
    return float("0.5")
