"""How a process gives up files, TCP and signals to the outside for good: a Landlock ruleset that allows nothing.

The zygote binds itself, and each child binds itself once more. What is bound apart is a domain of its own: a process
may signal and trace those in its own domain and in domains below that, and no sibling is in either.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from statek_executor.isolation import kernel
from statek_executor.isolation.seccomp import CHILD_FD

RULESET_FD: Final = CHILD_FD + 1
"""Where a child finds the ruleset to bind itself with, until it closes all descriptors but its own."""
SCOPING_ABI: Final = 6
"""From here on Landlock keeps signals inside a domain; it always did that to tracing."""

_VERSION_FLAG: Final = 1

_FS_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many access rights to files exist since which ABI (linux/landlock.h); the latest is IOCTL_DEV."""
_NET_RIGHTS: Final = {4: 2}
"""TCP bind and connect."""
_SCOPES: Final = {SCOPING_ABI: 2}
"""Abstract Unix sockets and signals."""


class _Attributes(ctypes.Structure):
    """struct landlock_ruleset_attr; a kernel that knows fewer fields accepts zeros in the rest."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def abi() -> int:
    """The version of Landlock that this kernel speaks; raises OSError when it has none."""
    return kernel.syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, 0, 0, _VERSION_FLAG)


class Ruleset:
    """Everything that this kernel's Landlock can deny, held as a descriptor by which processes bind themselves."""

    def __init__(self) -> None:
        """Make it; raises OSError where the kernel has no Landlock."""
        self._version = abi()
        masks = (_mask(table, self._version) for table in (_FS_RIGHTS, _NET_RIGHTS, _SCOPES))
        self._attributes = attributes = _Attributes(*masks)
        create = kernel.SYS_LANDLOCK_CREATE_RULESET
        self._descriptor = kernel.syscall(create, ctypes.addressof(attributes), ctypes.sizeof(attributes))

    def fileno(self) -> int:
        """The descriptor's number in this process."""
        return self._descriptor

    def bind(self) -> str:
        """Put this process and its later children into a new domain. It needs no_new_privs."""
        kernel.syscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, self._descriptor)
        return f"ABI {self._version} denies {_summary(self._attributes)}"

    def close(self) -> None:
        """Let go of the descriptor; whoever is bound stays bound."""
        os.close(self._descriptor)


def _mask(rights_since: dict[int, int], version: int) -> int:
    counts = [count for since, count in rights_since.items() if since <= version]
    return (1 << max(counts, default=0)) - 1


def _summary(attributes: _Attributes) -> str:
    parts = ["files"]
    parts += ["TCP"] if attributes.net else []
    parts += ["signals and abstract sockets to other processes"] if attributes.scoped else []
    return ", ".join(parts)
