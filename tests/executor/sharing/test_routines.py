"""The two routines of machine code: on the processor that the tests run on."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_executor.isolation import kernel
from statek_executor.sharing import routines
from statek_executor.sharing.routines import Routines, code_of

PAGE = mmap.PAGESIZE
PAGES = 24
GETPPID = kernel.machine().getppid
END = (-1, *[0] * 7)


@pytest.fixture(scope="module")
def both() -> Routines:
    return Routines()


def row(number: int, due: int, *arguments: int) -> tuple[int, ...]:
    return (number, *arguments, *[0] * (6 - len(arguments)), due)


def stops_at(both: Routines, *rows: tuple[int, ...]) -> int:
    """Return the row at which the calls stop."""
    words = [word for one in rows for word in one]
    table = (ctypes.c_int64 * len(words))(*words)
    return (both.calls(ctypes.addressof(table)) - ctypes.addressof(table)) // 64


def test_calls_are_made_until_the_table_ends(both: Routines) -> None:
    parent = os.getppid()
    assert stops_at(both, *[row(GETPPID, parent)] * 5, END) == 5
    assert stops_at(both, END) == 0


def test_calls_stop_at_an_answer_that_is_not_due(both: Routines) -> None:
    parent = os.getppid()
    assert stops_at(both, row(GETPPID, parent), row(GETPPID, parent + 1), row(GETPPID, parent), END) == 1


def test_all_six_arguments_arrive(both: Routines, tmp_path: Path) -> None:
    """`mmap` has six; where a page of a file comes to lie tells of each."""
    (tmp_path / "file").write_bytes(bytes(PAGE) + b"here" * (PAGE // 4))
    place = mmap.mmap(-1, PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(place))
    with (tmp_path / "file").open("rb") as file:
        private_fixed = mmap.MAP_PRIVATE | kernel.MAP_FIXED
        call = row(kernel.machine().mmap, start, start, PAGE, mmap.PROT_READ, private_fixed, file.fileno(), PAGE)
        assert stops_at(both, call, END) == 1
    assert ctypes.string_at(start, 4) == b"here"


class Twin:
    """Memory that is privately mapped from a file, beside what the file holds."""

    def __init__(self) -> None:
        self.file = os.memfd_create("twin")
        os.write(self.file, b"".join(struct.pack("=Q", number + 1) * (PAGE // 8) for number in range(PAGES)))
        self.memory = mmap.mmap(self.file, PAGES * PAGE, flags=mmap.MAP_PRIVATE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.image = kernel.map_file(self.file, PAGES * PAGE, mmap.PROT_READ)

    def own_pages(self) -> set[int]:
        """Tell which pages are no longer the file's, as the kernel sees it: pagemap has a bit for the others."""
        with Path("/proc/self/pagemap").open("rb") as file:
            file.seek(self.start // PAGE * 8)
            entries = struct.unpack(f"={PAGES}Q", file.read(PAGES * 8))
        return {number for number, entry in enumerate(entries) if entry >> 63 and not entry >> 61 & 1}


@pytest.fixture
def twin() -> Iterator[Twin]:
    made = Twin()
    yield made
    os.close(made.file)


numbers = st.sets(st.integers(0, PAGES - 1))


@given(
    written=numbers, restored=numbers, place=st.integers(0, PAGE - 1), first=st.integers(0, 3), last=st.integers(0, 3)
)
def test_exactly_the_pages_that_are_as_before_are_given_back(
    both: Routines, written: set[int], restored: set[int], place: int, first: int, last: int
) -> None:
    twin = Twin()
    try:
        for number in written:
            twin.memory[number * PAGE + place] ^= 0xFF
        for number in written & restored:
            twin.memory[number * PAGE + place] ^= 0xFF
        assert twin.own_pages() == written
        before = bytes(twin.memory)
        start, end = twin.start + first * PAGE, twin.start + (PAGES - last) * PAGE
        both.give_back(start, end, twin.image - twin.start, PAGE)
        spared = {number for number in written if not first <= number < PAGES - last}
        assert twin.own_pages() == written - restored | spared
        assert bytes(twin.memory) == before
    finally:
        os.close(twin.file)


def test_where_nothing_is_asked_for_nothing_is_given_back(both: Routines, twin: Twin) -> None:
    twin.memory[0] = twin.memory[0]
    both.give_back(twin.start, twin.start, twin.image - twin.start, PAGE)
    assert twin.own_pages() == {0}


def test_the_routines_can_be_executed_and_not_written_to() -> None:
    made = Routines()
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "statek-routines" in line]
    assert {rights for _, rights, *_ in lines} == {"r-xp"}
    assert stops_at(made, END) == 0


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_each_machine_has_both_routines_in_whole_instructions(machine: str) -> None:
    for listing in routines._ROUTINES[machine]:
        lines = [line.split() for line in listing.splitlines() if line.strip()]
        lengths = {len(bytes.fromhex(line[0])) for line in lines}
        assert lengths == {4} if machine == "aarch64" else max(lengths) <= 8
        assert lines[-1][1] == "ret"
        assert len(code_of(listing)) == sum(len(line[0]) // 2 for line in lines)
