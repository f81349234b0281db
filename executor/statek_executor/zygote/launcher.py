"""The first process: imports, walls, and the fork that becomes the zygote. It stays to wait for it, and holds nothing.

Chain of life: the kernel kills the launcher when the supervisor's thread that started it ends, the zygote when the
launcher ends, and each child when the zygote ends. Besides, the zygote ends when the control socket does.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from statek_executor.isolation import kernel, lockdown, namespaces, privileges
from statek_executor.isolation.enclosure import Enclosure
from statek_executor.isolation.limits import ChildLimits
from statek_executor.isolation.lockdown import Birth
from statek_executor.isolation.seccomp import Filter
from statek_executor.zygote.entries import KINDS, Entry, PreloadFault, preload
from statek_executor.zygote.events import ZYGOTE_SIGNALLED
from statek_executor.zygote.messages import TEXT_CHARACTERS, FailedMessage, ReadyMessage
from statek_executor.zygote.service import Service
from statek_executor.zygote.template import Kind, Template, TemplateGone

CONTROL_FD: Final = 3
_HIGHEST_DESCRIPTOR: Final = 2**32 - 1
_FAILED: Final = 1
_USAGE: Final = 2
_STREAMS: Final = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_MAP_IDS: Final = b"m"
_DONE: Final = b"."


@dataclass(frozen=True, slots=True)
class Launcher:
    """The launcher as the zygote holds it while its walls go up."""

    pidfd: int
    requests: socket.socket

    def map_ids(self) -> None:
        """Have the ids of this process's user namespace mapped; raises what went wrong."""
        self.requests.send(_MAP_IDS)
        problem = self.requests.recv(TEXT_CHARACTERS)
        if problem != _DONE:
            raise PermissionError(errno.EPERM, problem.decode())

    def let_go(self) -> None:
        """From here on only the kernel ties the zygote to the launcher, which must not have ended before that."""
        if privileges.has_ended(self.pidfd):
            raise ProcessLookupError(errno.ESRCH, "the launcher has ended")
        os.close(self.pidfd)
        self.requests.close()


def main(
    argv: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, str] = KINDS,
    without: frozenset[str] = frozenset(),
) -> int:
    """Run the launcher until its zygote ends. `kinds` and `without` are for tests; no command line reaches them."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.stderr.write("this is started by a supervisor, with the number of a control socket\n")
        return _USAGE
    control = _take_control_socket(int(arguments[0]))
    try:
        _reset_signals()
        privileges.end_with_parent()
        entries = preload(kinds)
        enclosure = Enclosure(without)
        enclosure.before_fork()
        privileges.end_with_parent()
        parent_end, zygote_end = socket.socketpair()
        launcher = Launcher(os.pidfd_open(os.getpid()), zygote_end)
        zygote = os.fork()
    except (ImportError, AttributeError, OSError, PreloadFault) as error:
        return _fail(control, error)
    if zygote == 0:
        parent_end.close()
        return _be_zygote(control, launcher, entries, enclosure, without)
    control.close()
    zygote_end.close()
    _map_ids_on_request(zygote, parent_end)
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


def _map_ids_on_request(zygote: int, requests: socket.socket) -> None:
    """In the launcher: do for the zygote what only a process outside its user namespace can, until it lets go."""
    with requests:
        while requests.recv(len(_MAP_IDS)):
            try:
                namespaces.map_ids_of(zygote)
            except OSError as error:
                requests.send(str(error).encode())
            else:
                requests.send(_DONE)


def _wait(zygote: int) -> int:
    _, status = os.waitpid(zygote, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else ZYGOTE_SIGNALLED - code


def _be_zygote(
    control: socket.socket,
    launcher: Launcher,
    entries: Mapping[str, Entry],
    enclosure: Enclosure,
    without: frozenset[str],
) -> int:
    """In the new process: put up the other walls, say so, and serve until the control socket ends."""
    try:
        enclosure.after_fork(launcher.map_ids)
        privileges.end_with_parent()
        launcher.let_go()
        with _no_streams():
            template = Template(_kinds(entries, without, enclosure.ruleset is not None), enclosure.ruleset)
        if enclosure.ruleset is not None:
            enclosure.ruleset.close()
        _announce(control, enclosure, template.image_bytes)
    except (OSError, TemplateGone) as error:
        return _fail(control, error)
    try:
        Service(control, list(entries), template).run()
    except TemplateGone as gone:
        sys.stderr.write(f"the zygote ends: {gone}\n")
        return _FAILED
    return 0


def _kinds(entries: Mapping[str, Entry], without: frozenset[str], has_ruleset: bool) -> list[Kind]:
    """What each kind of child does to itself, ready to be done."""
    system_calls, limits = Filter(), ChildLimits()

    def kind(entry: Entry) -> Kind:
        birth = Birth(os.getpid(), entry.prepare, system_calls, limits, has_ruleset)
        return Kind(birth, lockdown.plan(birth, without), entry)

    return [kind(entry) for entry in entries.values()]


@contextmanager
def _no_streams() -> Iterator[None]:
    """Let a process that is forked meanwhile look like one that never had Python's standard streams.

    The objects stay: destroying them in each child would cost more than all the rest of its lock-down.
    """
    streams = {name: getattr(sys, name) for name in _STREAMS}
    for name in _STREAMS:
        setattr(sys, name, None)
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)


def _announce(control: socket.socket, enclosure: Enclosure, image_bytes: int) -> None:
    own = os.pidfd_open(os.getpid())
    try:
        ready = ReadyMessage(enclosure.data_bytes, enclosure.address_bytes + image_bytes, enclosure.layers)
        socket.send_fds(control, [ready.encode()], [own])
    finally:
        os.close(own)
