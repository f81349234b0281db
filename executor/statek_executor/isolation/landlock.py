"""How a process gives up files, TCP and signals to the outside for good: a Landlock ruleset that allows nothing."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from statek_executor.isolation import kernel

_VERSION_FLAG: Final = 1

_FS_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many access rights to files exist since which ABI (linux/landlock.h); the latest is IOCTL_DEV."""
_NET_RIGHTS: Final = {4: 2}
"""TCP bind and connect."""
_SCOPES: Final = {6: 2}
"""Abstract Unix sockets and signals."""


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr; a kernel that knows fewer fields accepts zeros in the rest."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def abi() -> int:
    """The version of Landlock that this kernel speaks; raises OSError when it has none."""
    return kernel.syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, 0, 0, _VERSION_FLAG)


def deny_all() -> str:
    """Deny this process and its children everything that this kernel's Landlock can deny. It needs no_new_privs."""
    version = abi()
    attributes = _Ruleset(_mask(_FS_RIGHTS, version), _mask(_NET_RIGHTS, version), _mask(_SCOPES, version))
    create = kernel.SYS_LANDLOCK_CREATE_RULESET
    ruleset = kernel.syscall(create, ctypes.addressof(attributes), ctypes.sizeof(attributes))
    try:
        kernel.syscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, ruleset)
    finally:
        os.close(ruleset)
    return f"ABI {version} denies {_summary(attributes)}"


def _mask(rights_since: dict[int, int], version: int) -> int:
    counts = [count for since, count in rights_since.items() if since <= version]
    return (1 << max(counts, default=0)) - 1


def _summary(attributes: _Ruleset) -> str:
    parts = ["files"]
    parts += ["TCP"] if attributes.net else []
    parts += ["signals and abstract sockets to the outside"] if attributes.scoped else []
    return ", ".join(parts)
