"""The image: what a process keeps when other memory comes into the place of its own, and what it gives back."""

from __future__ import annotations

import subprocess
import sys

import pytest

PREAMBLE = """
import ctypes, gc, mmap, os, sys
from pathlib import Path
from statek_executor.sharing.gaps import fill_gaps
from statek_executor.sharing.image import Image

def anonymous():
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1])

image = Image()
"""


def outcome(program: str) -> str:
    """Run a program in a process of its own; returns the last line that it wrote."""
    command = [sys.executable, "-s", "-P", "-c", PREAMBLE + program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, (ended.returncode, ended.stderr)
    return ended.stdout.splitlines()[-1]


def test_what_was_there_is_there_and_goes_on_changing() -> None:
    program = """
things = {str(number): [number] * 3 for number in range(50_000)}
image.prepare()
fill_gaps()
image.take()
for number in range(0, 50_000, 2):
    things[str(number)].append(number)
for _ in range(3):
    image.give_back()
things["new"] = [-1]
gc.collect()
print(all(things[str(number)] == [number] * (4 - number % 2) for number in range(50_000)), len(things))
"""
    assert outcome(program) == "True 50001"


def test_what_was_only_looked_at_is_given_back_and_what_was_changed_is_not() -> None:
    program = """
things = [str(number) * 3 for number in range(100_000)]
image.prepare()
fill_gaps()
image.take()
copy = list(things)  # counts a reference in each of them
counted = anonymous()
del copy
image.give_back()
print(counted - anonymous() > 0.9 * sum(map(sys.getsizeof, things)) / 1024)
"""
    assert outcome(program) == "True"


def test_children_share_what_they_give_back_and_keep_what_is_theirs() -> None:
    program = """
things = [[number] for number in range(100_000)]
image.prepare()
fill_gaps()
image.take()
def lives(child):
    own = slice(child * 1_000, child * 1_000 + 500)
    things[own] = [[-child]] * 500
    for thing in things:
        gc.is_tracked(thing)
    before = anonymous()
    image.give_back()
    assert anonymous() < before - 2_000, (before, anonymous())
    assert [thing[0] for thing in things[own]] == [-child] * 500
    assert [thing[0] for thing in things[:1_000]] == list(range(1_000))
children = []
for child in range(1, 4):
    pid = os.fork()
    if pid == 0:
        lives(child)
        sys.stdout.flush()
        os._exit(0)
    children.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children], things[1:4])
"""
    assert outcome(program) == "[0, 0, 0] [[1], [2], [3]]"


def test_a_large_block_can_be_enlarged_and_freed() -> None:
    program = """
blocks = [bytearray(b"abcd" * 500_000) for _ in range(3)]
image.prepare()
fill_gaps()
image.take()
blocks[0].extend(bytes(64_000_000))
del blocks[1]
image.give_back()
print([(len(block), block[:2_000_000] == b"abcd" * 500_000) for block in blocks])
"""
    assert outcome(program) == "[(66000000, True), (2000000, True)]"


def test_memory_that_has_gone_before_the_image_is_taken_is_left_out() -> None:
    program = """
gone = mmap.mmap(-1, 4_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
gone.write(b"x" * 4_000_000)
kept = [str(number) for number in range(10_000)]
image.prepare()
gone.close()
fill_gaps()
image.take()
image.give_back()
print(image.length > 0, kept == [str(number) for number in range(10_000)])
"""
    assert outcome(program) == "True True"


def test_what_nobody_has_used_yet_stays_out() -> None:
    program = """
reserve = mmap.mmap(-1, 64_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
image.prepare()
fill_gaps()
image.take()
print(image.length < 32_000_000)
"""
    assert outcome(program) == "True"


def test_nobody_can_write_to_the_image_and_no_descriptor_of_it_is_left() -> None:
    program = """
image.prepare()
fill_gaps()
image.take()
lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "statek-image" in line]
rights = {line.split()[1] for line in lines}
open_files = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if number != "3"]
read_only = next(line for line in lines if line.split()[1] == "r--p")
start = int(read_only.split("-")[0], 16)
made_writable = ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE)
if made_writable == 0:
    ctypes.memset(start, 1, 8)  # of this process's own, for the mapping is private
print(sorted(rights), [name for name in open_files if "statek" in name])
"""
    assert outcome(program) == "['r--p', 'rw-p'] []"


def test_a_process_without_an_image_has_nothing_to_give_back() -> None:
    assert outcome("image.give_back()\nimage.prepare()\nimage.give_back()\nprint('well')") == "well"


def test_a_host_may_forbid_to_execute_what_could_be_written() -> None:
    """PR_SET_MDWE, which systemd sets as MemoryDenyWriteExecute: no memory becomes executable, and none is both."""
    program = """
prctl = ctypes.CDLL(None).prctl
forbidden = prctl(65, 1, 0, 0, 0) == 0
image.prepare()
fill_gaps()
image.take()
image.give_back()
print(forbidden)
"""
    if outcome(program) != "True":
        pytest.skip("this kernel is older than PR_SET_MDWE (6.3)")
