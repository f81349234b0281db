"""The image: a file in memory with what all children began with, mapped in the place of that memory.

A page that a child has written to is its own from then on, even when it holds the same again afterwards: a reference
that was counted up and down leaves it so, and of the pages that a first batch writes to nearly half end like that. The
kernel shares a page anew only with the file that it is a page of. So the template puts such a file in the place of its
memory, privately mapped: what a child writes is still the child's alone. A child that has to wait compares its pages
with the file, and drops those that are equal; whoever looks at one next finds the file's.

The file is sealed: nobody can write to it, shorten it or lengthen it. A signal that comes between the look at a page
and its end may be lost. While a child waits there is none but one that came too late to mean anything.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from statek_executor.isolation import kernel
from statek_executor.sharing.mappings import writable_mappings
from statek_executor.sharing.routines import Routines

_LEAST: Final = 64 * 1024
"""Bytes; the variables of small libraries are not worth a mapping of their own."""
_UNUSED_IN_A_ROW: Final = 16
"""Pages; longer rows that nobody has used yet stay out of the image."""
_SLICE: Final = 1024 * 1024
"""Bytes that are compared before the pages of the image are let go: what a child reads there counts as its memory."""
_TWO_WORDS: Final = struct.Struct("=QQ")
_IS_MMAPPED: Final = 2
_END_OF_ROWS: Final = -1
_WORD_BYTES: Final = 8


class Image:
    """The image of this process's memory, once it is taken, and of those that it is copied to."""

    def __init__(self) -> None:
        self.length = 0
        """Bytes of address space that it takes beside the memory that it is an image of; 0 until it is taken."""
        self._routines: Routines | None = None
        self._start = 0
        """Its address."""
        self._slices: list[tuple[int, int, int]] = []
        """What is compared in one go: from where to where, and how much further on the image has it."""

    def prepare(self) -> None:
        """Make ready what it takes, while there are files to ask; raises OSError."""
        writable_mappings()
        self._routines = Routines()

    def take(self) -> None:
        """Take it, and put it in the place of the memory that was there when it was prepared. Raises OSError.

        What has become of single mappings meanwhile does not matter: one that is not whole any more is left out. From
        here on none may be unmapped. Allocators do that with memory in which nothing lives; so the gaps have been
        filled by now, with what is never freed (`sharing.gaps`).
        """
        assert self._routines is not None, "it was prepared"
        regions = list(_used_regions())
        offsets = [0, *accumulate(map(len, regions))]
        self.length = offsets.pop()
        file = kernel.memory_file("statek-image", executable=False)
        try:
            os.ftruncate(file, self.length)
            rows = _rows(file, regions, offsets)
            stopped = self._routines.calls(ctypes.addressof(rows))
            if ctypes.c_int64.from_address(stopped).value != _END_OF_ROWS:
                raise OSError(errno.ENOMEM, "no room for a file with the memory that children share")
            self._start = kernel.map_file(file, self.length, mmap.PROT_READ)
            kernel.seal(file)
        finally:
            os.close(file)
        for region, offset in zip(regions, offsets, strict=True):
            self._slices += _slices(region, self._start + offset - region.start)

    def give_back(self) -> None:
        """Drop every page that is as it was at the fork, and what malloc has left over.

        Nothing changes that this process could notice. It takes some milliseconds.
        """
        kernel.trim_heap()
        if self._routines is None or not self.length:
            return  # a process that is nobody's copy has nothing in common with anybody
        for start, stop, distance in self._slices:
            self._routines.give_back(start, stop, distance, mmap.PAGESIZE)
            kernel.drop_pages(start + distance, stop - start)
        kernel.drop_pages(self._start, self.length)  # once more as a whole, which frees the tables of its pages too


IMAGE: Final = Image()
"""This process's own: there is one memory."""


def _used_regions() -> Iterator[range]:
    """List the parts of the mappings that are in use and that nobody will unmap."""
    for mapping in writable_mappings():
        if len(mapping) >= _LEAST:
            pages = bytearray(kernel.resident_pages(mapping))
            for first, number in _large_blocks(mapping, pages):
                pages[first : first + number] = bytes(number)
            yield from _joined(mapping.start, pages)


def _large_blocks(mapping: range, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Find what may be a mapping of malloc's for one large block: its first page in the mapping, and their number.

    Such a block is unmapped when it is freed, and enlarged by the kernel. It begins with two words of malloc's own: 0,
    and the number of its bytes, whole pages, with the flag IS_MMAPPED (glibc, malloc/malloc.c). Something else that
    looks like it is taken for one: it stays out of the image, and that is all.
    """
    for number, is_used in enumerate(pages):
        if is_used:
            zero, size = _TWO_WORDS.unpack(ctypes.string_at(mapping.start + number * mmap.PAGESIZE, _TWO_WORDS.size))
            length, rest = divmod(size - _IS_MMAPPED, mmap.PAGESIZE)
            if zero == rest == 0 and 0 < length <= len(pages) - number:
                yield number, length


def _joined(start: int, pages: Sequence[int]) -> Iterator[range]:
    """Join pages that are used, and short rows of unused ones between them, to ranges of addresses."""
    used = [number for number, is_used in enumerate(pages) if is_used]
    first = 0
    for number, page in enumerate(used):
        if number + 1 == len(used) or used[number + 1] - page > _UNUSED_IN_A_ROW:
            yield range(start + used[first] * mmap.PAGESIZE, start + (page + 1) * mmap.PAGESIZE)
            first = number + 1


def _rows(file: int, regions: Iterable[range], offsets: Iterable[int]) -> ctypes.Array[ctypes.c_int64]:
    """Put together the calls that write each region to the file and map it from there, for `Routines.calls`."""
    machine = kernel.machine()
    rights, how = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | kernel.MAP_FIXED
    rows: list[tuple[int, ...]] = []
    for region, offset in zip(regions, offsets, strict=True):
        start, length = region.start, len(region)
        rows.append((machine.pwrite, file, start, length, offset, 0, 0, length))
        rows.append((machine.mmap, start, length, rights, how, file, offset, start))
    rows.append((_END_OF_ROWS, *[0] * 7))
    words = [word for row in rows for word in row]
    outside = mmap.mmap(-1, len(words) * _WORD_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    outside.write(struct.pack(f"={len(words)}q", *words))
    return (ctypes.c_int64 * len(words)).from_buffer(outside)


def _slices(region: range, distance: int) -> Iterator[tuple[int, int, int]]:
    """Cut a region, which the image has that much further on, into slices."""
    for start in range(region.start, region.stop, _SLICE):
        yield start, min(start + _SLICE, region.stop), distance
