"""The first process: imports, walls, and the fork that becomes the zygote. It stays to wait for it, and holds nothing.

Chain of life: the kernel kills the launcher when the supervisor's thread that started it ends, the zygote when the
launcher ends, and each child when the zygote ends. Besides, the zygote ends when the control socket does.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from statek_executor.isolation import kernel, lockdown, privileges
from statek_executor.isolation.enclosure import Enclosure
from statek_executor.isolation.seccomp import Filter
from statek_executor.zygote.entries import KINDS, Entry, PreloadFault, preload
from statek_executor.zygote.messages import FailedMessage, ReadyMessage
from statek_executor.zygote.service import Service

CONTROL_FD: Final = 3
_HIGHEST_DESCRIPTOR: Final = 2**32 - 1
_FAILED: Final = 1


def main(
    argv: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, str] = KINDS,
    without: frozenset[str] = frozenset(),
) -> int:
    """Run the launcher until its zygote ends. `kinds` and `without` are for tests; no command line reaches them."""
    arguments = sys.argv[1:] if argv is None else argv
    control = _take_control_socket(int(arguments[0]))
    try:
        _reset_signals()
        privileges.end_with_parent()
        entries = preload(kinds)
        enclosure = Enclosure(without)
        enclosure.before_fork()
        privileges.end_with_parent()
        launcher = os.pidfd_open(os.getpid())
        zygote = os.fork()
    except (ImportError, AttributeError, OSError, PreloadFault) as error:
        return _fail(control, error)
    if zygote == 0:
        return _be_zygote(control, launcher, entries, enclosure, without)
    control.close()
    os.close(launcher)
    return _wait(zygote)


def _fail(control: socket.socket, error: Exception) -> int:
    """Tell the supervisor why there is no zygote; if it is gone too, nobody needs to know."""
    try:
        control.send(FailedMessage(f"{type(error).__name__}: {error}").encode())
    except BrokenPipeError:
        pass
    return _FAILED


def _take_control_socket(descriptor: int) -> socket.socket:
    """Move the control socket to its own number and close whatever else was inherited."""
    if descriptor != CONTROL_FD:
        os.dup2(descriptor, CONTROL_FD, inheritable=False)
    os.set_inheritable(CONTROL_FD, False)
    kernel.close_range(CONTROL_FD + 1, _HIGHEST_DESCRIPTOR)
    return socket.socket(fileno=CONTROL_FD)


def _reset_signals() -> None:
    """Forget what the supervisor's thread blocked or ignored; broken sockets stay errors instead of signals."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - kept:
        signal.signal(number, signal.SIG_DFL)


def _wait(zygote: int) -> int:
    _, status = os.waitpid(zygote, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _be_zygote(
    control: socket.socket, launcher: int, entries: Mapping[str, Entry], enclosure: Enclosure, without: frozenset[str]
) -> int:
    """In the new process: put up the other walls, say so, and serve until the control socket ends."""
    try:
        enclosure.after_fork()
        privileges.end_with_parent()
        if privileges.has_ended(launcher):
            raise ProcessLookupError("the launcher has ended")
        os.close(launcher)
        system_calls = Filter()
        _announce(control, enclosure)
    except OSError as error:
        return _fail(control, error)
    gc.freeze()
    Service(control, entries, lockdown.steps_without(without), system_calls).run()
    return 0


def _announce(control: socket.socket, enclosure: Enclosure) -> None:
    own = os.pidfd_open(os.getpid())
    try:
        ready = ReadyMessage(enclosure.data_bytes, enclosure.address_bytes, enclosure.layers)
        socket.send_fds(control, [ready.encode()], [own])
    finally:
        os.close(own)
