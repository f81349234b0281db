"""How the zygote gets namespaces of its own, and a root directory with nothing in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from statek_executor.isolation import kernel, privileges

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

INNER_ID: Final = 1
"""User and group as seen inside the user namespace: not root, and not the number that the outside shows for it."""
HOST_NAME: Final = "statek-guest"

_MS_RDONLY: Final = 0x1
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_NOEXEC: Final = 0x8
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_SEALED: Final = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC


class OwnProc:
    """This process's directory under /proc, held open: it stays reachable when /proc itself is gone."""

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def write(self, name: str, text: str) -> None:
        """Write one file in a single call, as the id maps demand."""
        descriptor = os.open(name, os.O_WRONLY, dir_fd=self._descriptor)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._descriptor)


class UserLimits:
    """The limits of the user namespace that this process is in, held open: they outlast /proc.

    The kernel looks up whose they are when one of them is opened by its name (user_namespaces(7)).
    """

    def __init__(self) -> None:
        self._descriptor = os.open("/proc/sys/user", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> UserLimits:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def forbid_user_namespaces(self) -> None:
        """Let nobody in this namespace make another. In one of its own a process has every capability again, and with
        them all the kernel code that asks for one. It needs rights in the namespace; raises OSError."""
        descriptor = os.open("max_user_namespaces", os.O_WRONLY, dir_fd=self._descriptor)
        try:
            os.write(descriptor, b"0")
        finally:
            os.close(descriptor)


def enter_user_namespace(map_ids: Callable[[], None], limits: UserLimits) -> str:
    """Move into a user namespace in which one user and one group exist; `map_ids` says which those are outside."""
    kernel.unshare(CLONE_NEWUSER)
    map_ids()
    inside = f"only user {INNER_ID} and group {INNER_ID} exist inside"
    try:
        limits.forbid_user_namespaces()
    except OSError as error:  # containers often have /proc/sys read-only
        return f"{inside}; more namespaces can be made inside ({error.strerror})"
    return f"{inside}, and no more user namespaces"


def map_own_ids(proc: OwnProc, uid: int, gid: int) -> None:
    """As an ordinary user: be the one user of the namespace just entered."""
    # The maps of a process that is not dumpable belong to root, and this one may have lost that flag with its rights.
    privileges.set_dumpable(dumpable=True)
    proc.write("setgroups", "deny")
    proc.write("uid_map", f"{INNER_ID} {uid} 1")
    proc.write("gid_map", f"{INNER_ID} {gid} 1")


def map_ids_of(pid: int) -> None:
    """As root, for a child that has entered a namespace: its one user will be the unprivileged one.

    Only a process outside may map an id that is not its own (user_namespaces(7)).
    """
    mapping = f"{INNER_ID} {privileges.UNPRIVILEGED_ID} 1"
    for name, text in (("setgroups", "deny"), ("uid_map", mapping), ("gid_map", mapping)):
        Path(f"/proc/{pid}", name).write_text(text, encoding="ascii")


def enter_net_namespace() -> str:
    """Move into a network namespace whose loopback stays down."""
    kernel.unshare(CLONE_NEWNET)
    return "no interface but a loopback that is down"


def enter_ipc_namespace() -> str:
    """Move away from the host's System V objects and message queues."""
    kernel.unshare(CLONE_NEWIPC)
    return "no System V objects or message queues of the host"


def enter_uts_namespace() -> str:
    """Take another host name."""
    kernel.unshare(CLONE_NEWUTS)
    socket.sethostname(HOST_NAME)
    return f"the host is called {HOST_NAME} inside"


def enter_pid_namespace() -> str:
    """Have the next child of this process be the first of a pid namespace."""
    kernel.unshare(CLONE_NEWPID)
    return "only the zygote and its children exist inside, and they end with it"


def enter_empty_root() -> str:
    """Replace the whole file tree by one empty directory that cannot be written.

    The new root is mounted over /proc because that directory exists on every host that gets this far. `pivot_root(".",
    ".")` stacks the old tree upon the new one, from where it is detached (pivot_root(2), notes).
    """
    kernel.unshare(CLONE_NEWNS)
    kernel.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    kernel.mount("none", "/proc", "tmpfs", _SEALED, "size=4k,nr_inodes=1,mode=555")
    os.chdir("/proc")
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")
    return "the root is an empty read-only directory"
