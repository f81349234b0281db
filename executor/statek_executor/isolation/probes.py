"""Runs in a child: tries what each layer forbids and tells what happened. It believes nothing that it was told.

The system call filter hides every other layer, so a probe works in two halves. `prepare` runs when the child is locked
down in everything but the filter, and tries the other layers one by one. `serve` runs behind the filter, reports, and
then tries what the filter forbids; an attempt that succeeds against expectation does no harm.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from statek_executor.isolation import kernel, landlock, limits, namespaces, privileges
from statek_executor.isolation.lines import read_line, write_line
from statek_executor.isolation.seccomp import CHILD_FD

WELL_KNOWN_PATHS: Final = ("/bin", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/sys", "/usr", "/var")

_IPC_STAT: Final = 2
_DESCRIPTORS_TRIED: Final = 1024
_CLONE_THREAD: Final = 0x10000
_PROT_EXEC_READ: Final = 0x5
_PRIVATE_ANONYMOUS: Final = 0x22
_MAP_FAILED: Final = ctypes.c_void_p(-1).value

_libc: Final = ctypes.CDLL(None, use_errno=True)
_shmctl: Final = _libc.shmctl
_shmctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_mmap: Final = _libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_clone_number: Final = {"x86_64": 56, "aarch64": 220}
_environ: Final = ctypes.c_void_p.in_dll(_libc, "environ")

_evidence: dict[str, Any] = {}


def prepare() -> None:
    """Before the filter: receive what to look for, if this child is to look at all, and try every other layer."""
    order = json.loads(read_line(CHILD_FD))
    if order is None:
        return
    _evidence.update({name: _result(probe) for name, probe in _PROBES.items()})
    _evidence["shared_memory"] = _errno_of(lambda: _stat_shared_memory(order["shared_memory"]))


def serve(descriptor: int) -> None:
    """Behind the filter: report, then make each attempt that the supervisor names."""
    write_line(CHILD_FD, _evidence)
    while line := read_line(CHILD_FD):
        write_line(CHILD_FD, _errno_of(ATTEMPTS[json.loads(line)]))


def _errno_of(attempt: Callable[[], object]) -> str | None:
    """The kernel's answer to an attempt by name (EPERM), "memory" for a MemoryError, None if it was allowed."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except MemoryError:
        return "memory"
    return None


def _result(probe: Callable[[], Any]) -> Any:
    """What a probe found; the kernel's answer by name when it could not even look."""
    try:
        return probe()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def _open_descriptors() -> list[int]:
    return [number for number in range(_DESCRIPTORS_TRIED) if _errno_of(partial(os.fstat, number)) != "EBADF"]


def _known_paths() -> list[str]:
    return [path for path in WELL_KNOWN_PATHS if _errno_of(partial(os.stat, path)) != "ENOENT"]


def _free_descriptors() -> int:
    """How many descriptors can be had; all are closed again."""
    got: list[int] = []
    try:
        while len(got) < _DESCRIPTORS_TRIED:
            got.append(os.dup(CHILD_FD))
    except OSError:
        pass  # the answer is how many there were before this
    for descriptor in got:
        os.close(descriptor)
    return len(got)


def _limits_in_force() -> bool:
    expected = limits.ZYGOTE_LIMITS | limits.CHILD_LIMITS
    return all(resource.getrlimit(limit) == (value, value) for limit, value in expected.items())


def _send_to_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", 9))


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def _open_root() -> None:
    os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY))


def _signal_zygote() -> None:
    os.kill(os.getppid(), 0)


def _become_another() -> None:
    """Root is tried by all but root itself."""
    other = 0 if os.getuid() else 2
    os.setresuid(other, other, other)


def _make_namespace() -> None:
    kernel.unshare(namespaces.CLONE_NEWUTS)


def _stat_shared_memory(identity: int) -> None:
    buffer = ctypes.create_string_buffer(1024)
    if _shmctl(identity, _IPC_STAT, ctypes.addressof(buffer)) == -1:
        raise OSError(ctypes.get_errno(), "shmctl")


def _environment() -> int:
    """How many variables Python sees, and one more if libc sees any."""
    first = ctypes.c_void_p.from_address(_environ.value).value if _environ.value else None
    return len(os.environ) + (1 if first else 0)


_PROBES: Final[Mapping[str, Callable[[], Any]]] = {
    "no_new_privs": lambda: kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS),
    "capabilities": privileges.capabilities,
    "become_another": lambda: _errno_of(_become_another),
    "make_namespace": lambda: _errno_of(_make_namespace),
    "dumpable": lambda: kernel.prctl(kernel.PR_GET_DUMPABLE),
    "open_root": lambda: _errno_of(_open_root),
    "landlock_abi": landlock.abi,
    "signal_zygote": lambda: _errno_of(_signal_zygote),
    "session_key_bytes": privileges.session_key_bytes,
    "uid": os.getuid,
    "groups": lambda: len(os.getgroups()),
    "pid": os.getpid,
    "descriptors": _open_descriptors,
    "free_descriptors": _free_descriptors,
    "limits": _limits_in_force,
    "environment": _environment,
    "host_name": lambda: os.uname().nodename,
    "interfaces": _interfaces,
    "send_to_loopback": lambda: _errno_of(_send_to_loopback),
    "known_paths": _known_paths,
    "root_is_read_only": lambda: bool(os.statvfs("/").f_flag & os.ST_RDONLY),
}


def _map_executable() -> None:
    address = _mmap(None, 4096, _PROT_EXEC_READ, _PRIVATE_ANONYMOUS, -1, 0)
    if address == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), "mmap")


def _make_thread() -> None:
    """clone(2) with flags that no kernel accepts together: it shows the filter without making a process."""
    kernel.syscall(_clone_number[kernel.machine_name()], _CLONE_THREAD)


ATTEMPTS: Final[Mapping[str, Callable[[], object]]] = {
    "open a file": lambda: os.open("/", os.O_RDONLY),
    "have more memory than the limit": lambda: bytes(256 * 1024 * 1024),
    "make a socket": lambda: socket.socket().close(),
    "make a process": _make_thread,
    "run a program": lambda: os.execv("/nowhere", ["nowhere"]),  # noqa: S606  # meant to fail
    "signal a process": lambda: os.kill(os.getpid(), 0),
    "map executable memory": _map_executable,
    "read another descriptor": lambda: os.read(0, 1),
    "write to another descriptor": lambda: os.write(2, b""),
}
"""What is tried behind the filter. os.getpid is a forbidden call as well."""
