"""How this package calls the kernel: libc functions bound once, failures raised as OSError.

Binding at import is what keeps a lock-down short: a function looked up and typed after the fork costs more in copied
pages than the system call itself.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

_libc: Final = ctypes.CDLL(None, use_errno=True)
_holding_the_gil: Final = ctypes.PyDLL(None, use_errno=True)

PR_SET_PDEATHSIG: Final = 1
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

CLONE_PARENT: Final = 0x8000

MAP_FIXED: Final = 0x10
MADV_DONTNEED: Final = 4

_MFD_NOEXEC_SEAL: Final = 0x8
_MFD_EXEC: Final = 0x10
_SEALS: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

KEYCTL_JOIN_SESSION_KEYRING: Final = 1
KEYCTL_READ: Final = 11
KEY_SPEC_SESSION_KEYRING: Final = -3

SYS_CLOSE_RANGE: Final = 436
SYS_LANDLOCK_CREATE_RULESET: Final = 444
SYS_LANDLOCK_RESTRICT_SELF: Final = 446
"""System calls younger than the common table have one number on every architecture."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs between processor architectures, from the kernel's uapi headers."""

    audit_arch: int
    x32_bit: int | None
    """Set in the numbers of a second call table that must not be reachable; None where there is none."""
    capget: int
    capset: int
    clone: int
    close: int
    getppid: int
    keyctl: int
    mmap: int
    pivot_root: int
    prctl: int
    prlimit: int
    pwrite: int
    recvmsg: int
    seccomp: int
    setsid: int
    write: int


MACHINES: Final = {
    "x86_64": Machine(
        audit_arch=0xC000003E,
        x32_bit=0x40000000,
        capget=125,
        capset=126,
        clone=56,
        close=3,
        getppid=110,
        keyctl=250,
        mmap=9,
        pivot_root=155,
        prctl=157,
        prlimit=302,
        pwrite=18,
        recvmsg=47,
        seccomp=317,
        setsid=112,
        write=1,
    ),
    "aarch64": Machine(
        audit_arch=0xC00000B7,
        x32_bit=None,
        capget=90,
        capset=91,
        clone=220,
        close=57,
        getppid=173,
        keyctl=219,
        mmap=222,
        pivot_root=41,
        prctl=167,
        prlimit=261,
        pwrite=67,
        recvmsg=212,
        seccomp=277,
        setsid=157,
        write=64,
    ),
}


def machine_name() -> str:
    """The architecture that this process runs on; raises OSError for one that has no tables here."""
    name = os.uname().machine
    if name not in MACHINES:
        raise OSError(f"isolation is written for {' and '.join(MACHINES)}, this machine is {name}")
    return name


def machine() -> Machine:
    """The constants of this process's architecture."""
    return MACHINES[machine_name()]


def _bind(name: str, *argument_types: Any) -> Callable[..., int]:
    function = getattr(_libc, name)
    function.argtypes = argument_types
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    bound: Callable[..., int] = function
    return bound


def _fail(what: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


_ulong = ctypes.c_ulong
_syscall = _bind("syscall", *[ctypes.c_long] * 5)
_prctl = _bind("prctl", ctypes.c_int, _ulong, _ulong, _ulong, _ulong)
_mount = _bind("mount", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, _ulong, ctypes.c_char_p)
_umount2 = _bind("umount2", ctypes.c_char_p, ctypes.c_int)
_unshare = _bind("unshare", ctypes.c_int)
_clearenv = _bind("clearenv")
_malloc_trim = _bind("malloc_trim", ctypes.c_size_t)
_madvise = _bind("madvise", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_mincore = _bind("mincore", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_mmap = _bind("mmap", ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64)
_mmap.restype = ctypes.c_void_p  # type: ignore[attr-defined]
_environ = ctypes.c_void_p.in_dll(_libc, "environ")

raw: Final[Callable[..., int]] = _holding_the_gil.syscall
"""A system call by its number and up to four whole numbers; the kernel's answer, -1 for a refusal.

For code that runs between the fork of a child and its first instruction: everything that it touches is copied.
"""
raw.argtypes = [ctypes.c_long] * 5  # type: ignore[attr-defined]
raw.restype = ctypes.c_long  # type: ignore[attr-defined]


def syscall(number: int, first: int = 0, second: int = 0, third: int = 0, fourth: int = 0) -> int:
    """A system call that libc has no function for; pointers are passed as addresses."""
    result = _syscall(number, first, second, third, fourth)
    if result == -1:
        _fail(f"system call {number}")
    return result


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one argument; the kernel wants the others to be zero."""
    result = _prctl(option, value, 0, 0, 0)
    if result == -1:
        _fail(f"prctl {option}")
    return result


def close_range(first: int, last: int) -> None:
    """Close every descriptor from first to last."""
    syscall(SYS_CLOSE_RANGE, first, last)


def unshare(namespace: int) -> None:
    """Move this process (for a pid namespace: its later children) into a new namespace."""
    if _unshare(namespace) == -1:
        _fail("unshare")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    encoded = kind.encode() if kind else None
    if _mount(source.encode(), target.encode(), encoded, flags, options.encode()) == -1:
        _fail(f"mount on {target}")


def detach(target: str) -> None:
    """Unmount lazily (MNT_DETACH): the mount disappears from the tree at once."""
    if _umount2(target.encode(), 2) == -1:
        _fail(f"unmount {target}")


def trim_heap() -> None:
    """Let malloc give back what nobody uses."""
    _malloc_trim(0)


def drop_pages(start: int, length: int) -> None:
    """Drop pages of this process's memory; of a file's the kernel brings back what the file holds."""
    if _madvise(start, length, MADV_DONTNEED) == -1:
        _fail("madvise")


def resident_pages(addresses: range) -> bytes:
    """Tell of each page of this process's memory whether it is there, by the lowest bit of a byte.

    Empty where the addresses are not all mapped.
    """
    pages = ctypes.create_string_buffer(-(-len(addresses) // mmap.PAGESIZE))
    if _mincore(addresses.start, len(addresses), ctypes.addressof(pages)) == 0:
        return pages.raw
    if ctypes.get_errno() == errno.ENOMEM:
        return b""
    _fail("mincore")


def memory_file(name: str, *, executable: bool) -> int:
    """Make a file in memory that can be sealed; whether it may be executed is said to kernels that ask (Linux 6.3)."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | (_MFD_EXEC if executable else _MFD_NOEXEC_SEAL))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return os.memfd_create(name, flags)
        hint = "; vm.memfd_noexec=2 lets no file in memory be executed" if executable else ""
        raise OSError(error.errno, f"memfd_create: {error.strerror}{hint}") from error


def map_file(descriptor: int, length: int, rights: int) -> int:
    """Map the beginning of a file privately; returns the address."""
    address = _mmap(None, length, rights, mmap.MAP_PRIVATE, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        _fail("mmap of a file in memory")
    return address


def seal(descriptor: int) -> None:
    """Let nobody write to a file in memory any more, or change its length, or lift the seals."""
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)


def pivot_root(new_root: str, old_root: str) -> None:
    """pivot_root(2)."""
    new, old = ctypes.create_string_buffer(new_root.encode()), ctypes.create_string_buffer(old_root.encode())
    syscall(machine().pivot_root, ctypes.addressof(new), ctypes.addressof(old))


def clear_environment() -> None:
    """Forget every environment variable, Python's copy and libc's, and blank the texts themselves.

    libc forgets where they are; what exec has put on the stack would stay there, for whoever reads memory.
    """
    place = _environ.value
    while place is not None and (text := ctypes.c_void_p.from_address(place).value) is not None:
        ctypes.memset(text, 0, len(ctypes.string_at(text)))
        place += ctypes.sizeof(ctypes.c_void_p)
    os.environ.clear()
    _clearenv()
