"""What the zygote gives up before its first fork, so that every child is born without it.

Each layer is taken where the host gives it; what the host refuses is recorded with the kernel's own reason and with
what would help, and the zygote goes on. Whether that is enough is decided by policies, which name the layers they need.

There are two orders. Root makes the namespaces first and the user namespace last. An ordinary user enters a user
namespace first, because it is what permits all others.

Root owns the user namespace that it makes, although the zygote is another user in there. Ownership is what lets a
supervisor that is root without CAP_SYS_RESOURCE, as in most containers, set memory limits on the children. Where there
is neither the namespace nor the capability, guests keep the supervisor's user: a memory limit is worth more than a
user of their own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from statek_executor.isolation import kernel, landlock, limits, namespaces, privileges
from statek_executor.isolation.posture import LayerState

LEFT_OUT: Final = "left out by the entry point that started this zygote"

_NAMESPACE_STEPS: Final[Mapping[str, Callable[[], str]]] = {
    "netns": namespaces.enter_net_namespace,
    "ipcns": namespaces.enter_ipc_namespace,
    "utsns": namespaces.enter_uts_namespace,
    "mntns": namespaces.enter_empty_root,
}

_NAMESPACES: Final = (
    "allow unprivileged user namespaces (user.max_user_namespaces, AppArmor's profile), or add CAP_SYS_ADMIN"
)
_REMEDIES: Final = {
    "uid": "start the executor as root with CAP_SETUID, CAP_SETGID and user namespaces or CAP_SYS_RESOURCE",
    "userns": "allow unprivileged user namespaces (user.max_user_namespaces, AppArmor's profile)",
    "netns": _NAMESPACES,
    "pidns": _NAMESPACES,
    "ipcns": _NAMESPACES,
    "mntns": _NAMESPACES,
    "utsns": _NAMESPACES,
    "landlock": "use Linux 5.13 or later with landlock among the security modules (lsm= on the kernel's command line)",
}


class Enclosure:
    """The zygote's walls going up, and a record of each that stands or does not."""

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        self.layers: dict[str, LayerState] = {}
        self.ruleset: landlock.Ruleset | None = None
        """What this process was bound with, for children to bind themselves once more; None where it was not."""
        self.data_bytes = 0
        self.address_bytes = 0
        self._without = without
        self._root = os.geteuid() == 0

    def before_fork(self) -> None:
        """In the launcher: what only its next child can be given."""
        if not self._root:
            self._attempt("userns", _enter_own_user_namespace)
        self._attempt("pidns", namespaces.enter_pid_namespace)

    def after_fork(self, ask_for_maps: Callable[[], None]) -> None:
        """In the zygote: everything else, in the order in which each step still has the right to be taken.

        `ask_for_maps` has the launcher run `namespaces.map_ids_of` on this process, if it is root's.
        """
        self._measure()
        with namespaces.UserLimits() as limits:
            self._enter_namespaces()
            if self._root:
                self._attempt("userns", lambda: _enter_roots_user_namespace(ask_for_maps, limits))
        self._attempt("uid", self._change_user)
        self._enter_namespaces()
        self._attempt("environment", _clear_environment)
        self._attempt("rlimits", _bind_limits)
        self._attempt("no_new_privs", _give_up_privileges)
        self._attempt("landlock", self._deny_all)
        self._attempt("nondumpable", _hide_memory)

    def _enter_namespaces(self) -> None:
        """Enter those that this process is not in yet; what root was refused, the owner of a user namespace may do."""
        for layer, enter in _NAMESPACE_STEPS.items():
            if layer not in self.layers or not self.layers[layer].active:
                self._attempt(layer, enter)

    def _measure(self) -> None:
        """Note what the kernel counts against RLIMIT_DATA and RLIMIT_AS before a guest has asked for anything."""
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        self.data_bytes = _kilobytes(sizes["VmData"])
        self.address_bytes = _kilobytes(sizes["VmSize"])

    def _deny_all(self) -> str:
        ruleset = landlock.Ruleset()
        try:
            bound = ruleset.bind()
        except OSError:
            ruleset.close()
            raise
        self.ruleset = ruleset
        return bound

    def _change_user(self) -> str:
        if not self._root:
            raise PermissionError(errno.EPERM, "guests run under the supervisor's user")
        inside = self.layers["userns"].active
        if not inside and not privileges.may_limit_others():
            raise PermissionError(errno.EPERM, "no memory limit could be set on another user's processes")
        privileges.become(namespaces.INNER_ID if inside else privileges.UNPRIVILEGED_ID)
        return f"user and group {privileges.UNPRIVILEGED_ID}, no other groups"

    def _attempt(self, layer: str, step: Callable[[], str]) -> None:
        if layer in self._without:
            self.layers[layer] = LayerState(False, LEFT_OUT)
            return
        try:
            self.layers[layer] = LayerState(True, step())
        except OSError as error:
            self.layers[layer] = LayerState(False, _explanation(layer, error))


def _explanation(layer: str, error: OSError) -> str:
    remedy = _REMEDIES.get(layer)
    return f"{error}; {remedy}" if remedy else str(error)


def _kilobytes(entry: str) -> int:
    return int(entry.removesuffix("kB")) * 1024


def _enter_own_user_namespace() -> str:
    proc, uid, gid = namespaces.OwnProc(), os.getuid(), os.getgid()
    try:
        with namespaces.UserLimits() as limits:
            return namespaces.enter_user_namespace(lambda: namespaces.map_own_ids(proc, uid, gid), limits)
    finally:
        proc.close()


def _enter_roots_user_namespace(ask_for_maps: Callable[[], None], limits: namespaces.UserLimits) -> str:
    privileges.leave_groups()
    return namespaces.enter_user_namespace(ask_for_maps, limits)


def _clear_environment() -> str:
    kernel.clear_environment()
    keys = "no key of its session" if privileges.leave_session_keyring() else "key rings are closed to everybody here"
    return f"no variable, {keys}"


def _bind_limits() -> str:
    limits.bind_zygote()
    return "no core file, locked memory, message queue or priority"


def _give_up_privileges() -> str:
    privileges.drop_capabilities()
    privileges.forbid_new_privileges()
    return "no capability is held, none can be gained"


def _hide_memory() -> str:
    privileges.set_dumpable(dumpable=False)
    return "not open to tracing by the same user"
