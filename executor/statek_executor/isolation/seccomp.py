"""Which system calls a locked-down child may make: one table of rules, compiled to one filter.

The verdict for anything that is not in the table is KILL_PROCESS: the supervisor then sees a child ended by SIGSYS and
reports a violation of this layer. Calls that honest library code makes on its own account (a traceback that looks for
source lines, a late import) are answered with EPERM instead.

Not there on purpose: futex (one thread never waits for a lock), mprotect (memory never changes its rights), any other
advice about memory (MERGEABLE would let one guest measure another's pages), poll and recvmsg (read is enough, and
receives no descriptors), clone, kill and prctl (there is nobody else). Recent x86-64 kernels let uprobe and uretprobe
pass every filter; they refuse callers that the kernel did not put a probe into.
"""

from __future__ import annotations

import ctypes
import errno
from dataclasses import dataclass
from typing import Final

from statek_executor.isolation import bpf, kernel

CHILD_FD: Final = 3
"""The one descriptor that a child holds: its end of the socket pair with the supervisor."""

_SET_MODE_FILTER: Final = 1
_READ_OR_WRITE: Final = 0x3
_ANONYMOUS_PRIVATE: Final = 0x22
_NORESERVE: Final = 0x4000
_WORD: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Bits:
    """A condition: argument `index`, with only the bits of `mask` looked at, equals `value`."""

    index: int
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One system call that is not deadly."""

    name: str
    x86_64: int | None
    aarch64: int | None
    """Its number on each architecture; None where it does not exist."""
    reason: str
    conditions: tuple[Bits, ...] = ()
    """All must hold; otherwise the process is killed."""
    action: int = bpf.ALLOW

    def number(self, machine_name: str) -> int | None:
        """The call's number on an architecture."""
        return self.x86_64 if machine_name == "x86_64" else self.aarch64


_OWN_SOCKET: Final = (Bits(0, _WORD, CHILD_FD),)
_COMMON_CLOCKS: Final = (Bits(0, _WORD & ~0xF, 0),)
"""The host's clocks and this process's own. Other numbers are made of pids and descriptors: a neighbour's CPU time."""
_DATA_ONLY: Final = (Bits(2, _WORD & ~_READ_OR_WRITE, 0), Bits(3, _WORD & ~_NORESERVE, _ANONYMOUS_PRIVATE))
_GIVE_BACK: Final = (Bits(2, _WORD, kernel.MADV_DONTNEED),)

ALLOWED: Final = (
    Rule("read", 0, 63, "receive from the supervisor", _OWN_SOCKET),
    Rule("write", 1, 64, "send to the supervisor", _OWN_SOCKET),
    Rule("mmap", 9, 222, "private memory that is never executable, shared or a file's", _DATA_ONLY),
    Rule("munmap", 11, 215, "give memory back"),
    Rule("mremap", 25, 216, "grow a large block in place"),
    Rule("brk", 12, 214, "the heap of malloc"),
    Rule("madvise", 28, 233, "give back pages that are as they were at the fork", _GIVE_BACK),
    Rule("clock_gettime", 228, 113, "clocks that the vDSO cannot read, such as CPU time", _COMMON_CLOCKS),
    Rule("getrandom", 318, 278, "seeds of random generators"),
    Rule("rt_sigreturn", 15, 139, "the way out of the handler for the CPU limit's soft signal"),
    Rule("exit_group", 231, 94, "end"),
)

_EPERM: Final = bpf.ERRNO | errno.EPERM


def _refused(name: str, x86_64: int | None, aarch64: int | None) -> Rule:
    return Rule(name, x86_64, aarch64, "library code looks for files on its own account", action=_EPERM)


REFUSED: Final = (
    _refused("open", 2, None),
    _refused("openat", 257, 56),
    _refused("openat2", 437, 437),
    _refused("close", 3, 57),
    _refused("stat", 4, None),
    _refused("fstat", 5, 80),
    _refused("lstat", 6, None),
    _refused("newfstatat", 262, 79),
    _refused("statx", 332, 291),
    _refused("lseek", 8, 62),
    _refused("ioctl", 16, 29),
    _refused("access", 21, None),
    _refused("faccessat", 269, 48),
    _refused("faccessat2", 439, 439),
    _refused("readlink", 89, None),
    _refused("readlinkat", 267, 78),
    _refused("getcwd", 79, 17),
    _refused("getdents", 78, None),
    _refused("getdents64", 217, 61),
)

RULES: Final = ALLOWED + REFUSED


def program(machine_name: str) -> bpf.Block:
    """The filter for one architecture."""
    machine = kernel.MACHINES[machine_name]
    kill = (bpf.ret(bpf.KILL_PROCESS),)
    blocks: list[bpf.Block] = [
        (bpf.load(bpf.ARCH_OFFSET), *bpf.unless_equal(machine.audit_arch, kill)),
        (bpf.load(bpf.NUMBER_OFFSET),),
    ]
    if machine.x32_bit is not None:
        blocks.append(bpf.when_at_least(machine.x32_bit, kill))
    for rule in RULES:
        number = rule.number(machine_name)
        if number is not None:
            blocks.append(bpf.when_equal(number, _verdict(rule)))
    return (*(instruction for block in blocks for instruction in block), *kill)


def _verdict(rule: Rule) -> bpf.Block:
    checks = [
        bpf.require_bits(bpf.argument_offset(bits.index), bits.mask, bits.value, otherwise=bpf.KILL_PROCESS)
        for bits in rule.conditions
    ]
    return (*(instruction for check in checks for instruction in check), bpf.ret(rule.action))


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Filter:
    """The filter of this machine in the form that the kernel takes, built before the fork, installed after it."""

    def __init__(self) -> None:
        block = program(kernel.machine_name())
        self._code = ctypes.create_string_buffer(bpf.assemble(block))
        self._program = _FilterProgram(len(block), ctypes.addressof(self._code))
        self._address = ctypes.addressof(self._program)
        self._number = kernel.machine().seccomp

    def installation(self) -> tuple[int, int, int, int]:
        """The system call that binds a process to the filter for good. It needs no_new_privs."""
        return self._number, _SET_MODE_FILTER, 0, self._address
