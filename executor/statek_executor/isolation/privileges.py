"""How a process gives up its rights: identity, capabilities, the way back to them, and its life after its parent's."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
from typing import Final

from statek_executor.isolation import kernel

UNPRIVILEGED_ID: Final = 65534
"""The user and group that nobody's files belong to, by convention."""
_CAP_SETPCAP: Final = 8
_CAP_SYS_RESOURCE: Final = 24
_CAPABILITIES: Final = 64
"""The kernel keeps capabilities in 64 bits; those beyond the last one answer EINVAL."""
_CAPABILITY_VERSION: Final = 0x20080522


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    """Two of struct __user_cap_data_struct: the low and the high 32 capabilities."""

    _fields_ = (("words", ctypes.c_uint32 * 6),)


def capabilities() -> int:
    """The effective, permitted and inheritable capabilities of this process, in one set."""
    header, data = _CapHeader(_CAPABILITY_VERSION, 0), _CapData()
    kernel.syscall(kernel.machine().capget, ctypes.addressof(header), ctypes.addressof(data))
    words: list[int] = list(data.words)
    low, high = words[0] | words[1] | words[2], words[3] | words[4] | words[5]
    return low | high << 32


def leave_session_keyring() -> bool:
    """Have a new, empty session key ring: that of the supervisor's session, with its keys, came with the fork.

    False where nobody can get at a key: the kernel has none, or a filter around us forbids the call.
    """
    try:
        kernel.syscall(kernel.machine().keyctl, kernel.KEYCTL_JOIN_SESSION_KEYRING, 0)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


def session_key_bytes() -> int:
    """How long the list of keys in this process's session key ring is; raises OSError."""
    return kernel.syscall(kernel.machine().keyctl, kernel.KEYCTL_READ, kernel.KEY_SPEC_SESSION_KEYRING)


def may_limit_others() -> bool:
    """Whether this process may set resource limits on a process of another user."""
    return bool(capabilities() >> _CAP_SYS_RESOURCE & 1)


def drop_bounding_set() -> None:
    """Take every capability out of what a program started later could gain, where this process has the right to."""
    if not capabilities() >> _CAP_SETPCAP & 1:
        return
    for capability in range(_CAPABILITIES):
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return


def drop_capabilities() -> None:
    """Give up every capability that this process holds. Entering a user namespace has granted all of them again."""
    drop_bounding_set()
    kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    header, data = _CapHeader(_CAPABILITY_VERSION, 0), _CapData()
    kernel.syscall(kernel.machine().capset, ctypes.addressof(header), ctypes.addressof(data))


def leave_groups() -> None:
    """Be in no supplementary group. It needs root."""
    os.setgroups([])


def become(identity: int) -> None:
    """Change user and group to this number, with no way back. It needs root, of the host or of a user namespace."""
    os.setresgid(identity, identity, identity)
    os.setresuid(identity, identity, identity)


def forbid_new_privileges() -> None:
    """No program started from here on can have more rights than this process; nothing undoes it."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(*, dumpable: bool) -> None:
    """Whether others of the same user may trace this process and read its memory."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, int(dumpable))


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends.

    A change of credentials clears this, so it comes after the last one; and a parent that is already dead is not
    noticed, so the caller checks that afterwards.
    """
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def has_ended(pidfd: int) -> bool:
    """Whether the process behind a pidfd has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))
