"""Which resource limits bind a child from its start, and how the supervisor sets those that a policy names."""

from __future__ import annotations

import ctypes
import resource
from typing import Final

from statek_executor.isolation.seccomp import CHILD_FD

ZYGOTE_LIMITS: Final = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
    resource.RLIMIT_NICE: 0,
    resource.RLIMIT_RTPRIO: 0,
}
"""Nothing that the zygote itself needs: set once, inherited by each child."""

CHILD_LIMITS: Final = {
    resource.RLIMIT_NOFILE: CHILD_FD + 1,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_FSIZE: 0,
}
"""What the zygote needs and a child does not: no descriptor above its socket, no process, no file to write."""

STACK_BYTES: Final = 8 * 1024 * 1024
"""Deep enough for Python's recursion limit, small enough to count against a memory limit."""


def bind_zygote() -> None:
    """Set the limits that children inherit, and room for as many children as the host lets this user have."""
    for limit, value in ZYGOTE_LIMITS.items():
        resource.setrlimit(limit, (value, value))
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    stack = STACK_BYTES if hard == resource.RLIM_INFINITY else min(hard, STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, stack))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Limit(ctypes.Structure):
    """struct rlimit64."""

    _fields_ = (("soft", ctypes.c_uint64), ("hard", ctypes.c_uint64))


class ChildLimits:
    """The limits of a child that serves guests, in the form that the kernel takes."""

    def __init__(self) -> None:
        self._limits = {limit: _Limit(value, value) for limit, value in CHILD_LIMITS.items()}

    def addresses(self) -> list[tuple[int, int]]:
        """Each limit's number, and where its value is; this object must live as long as they are used."""
        return [(limit, ctypes.addressof(value)) for limit, value in self._limits.items()]


def set_memory_limits(pid: int, *, data_bytes: int, address_bytes: int) -> None:
    """Bound a child's private writable memory and its address space, from outside; in force at once.

    Runs in the supervisor. It needs the child's user, or CAP_SYS_RESOURCE. Raises OSError; a child that has ended is
    a ProcessLookupError.
    """
    _set(pid, resource.RLIMIT_DATA, data_bytes)
    _set(pid, resource.RLIMIT_AS, address_bytes)


def _set(pid: int, limit: int, value: int) -> None:
    if pid <= 0:
        raise ProcessLookupError(f"no process has the number {pid}")  # the kernel would take 0 for the caller
    _, most = resource.prlimit(pid, limit)
    if most != resource.RLIM_INFINITY:  # a hard limit that the host has set stays
        value = min(value, most)
    resource.prlimit(pid, limit, (value, value))
