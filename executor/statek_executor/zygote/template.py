"""The template: a process that does nothing but copy itself, since every child of the zygote is a copy of it.

A page that either side writes to after a fork exists twice from then on. Between two forks the zygote's loop writes to
some two hundred pages; if it forked itself, each child would be left with the zygote's old ones for as long as it
lives. The template makes four system calls between two forks, and their arguments were put together in advance.

Its copies are the zygote's children, not its own (CLONE_PARENT): the zygote waits for them, and they end with it. The
template ends with the zygote, and the zygote with the template.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from statek_executor.isolation import kernel, privileges
from statek_executor.isolation.landlock import RULESET_FD, Ruleset
from statek_executor.isolation.lockdown import Birth, Plan
from statek_executor.isolation.seccomp import CHILD_FD
from statek_executor.sharing.gaps import fill_gaps
from statek_executor.sharing.image import IMAGE
from statek_executor.zygote.child import live
from statek_executor.zygote.entries import Entry

_CHANNEL_FD: Final = 0
"""The template's end of the channel, and again as 1 and 2: a descriptor that it receives is then the next, CHILD_FD."""
_HIGHEST_DESCRIPTOR: Final = 2**32 - 1
_ONE_DESCRIPTOR: Final = 24
"""CMSG_SPACE(sizeof(int)) where a pointer has eight bytes."""


class TemplateGone(Exception):
    """The template has ended: no child can be made any more, so the zygote ends, and its supervisor starts another."""

    def __init__(self) -> None:
        super().__init__("the template that its children are copies of has ended")


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        *(("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32)),
        *(("vectors", ctypes.c_void_p), ("vector_count", ctypes.c_size_t)),
        *(("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t)),
        ("flags", ctypes.c_int),
    )


class _Control(ctypes.Structure):
    """struct cmsghdr with one descriptor."""

    _fields_ = (
        *(("length", ctypes.c_size_t), ("level", ctypes.c_int), ("type", ctypes.c_int)),
        *(("descriptor", ctypes.c_int), ("padding", ctypes.c_int)),
    )


class _Answer(ctypes.Structure):
    """What the template says of a fork; and before the first one of its image, with the length in place of a pid."""

    _fields_ = (("pid", ctypes.c_int64), ("error", ctypes.c_int64))


class _Exchange(ctypes.Structure):
    """A request and its answer, all in one place."""

    _fields_ = (
        *(("header", _Header), ("vector", _Vector), ("control", _Control), ("answer", _Answer)),
        ("kind", ctypes.c_uint8),
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What copies of one kind do."""

    birth: Birth
    """Held because the plan has addresses of what is in it."""
    plan: Plan
    entry: Entry


class Template:
    """The template as the zygote holds it."""

    def __init__(self, kinds: Sequence[Kind], ruleset: Ruleset | None) -> None:
        """Fork it, and wait until it is ready. Runs in the zygote, when all its walls are up.

        Raises OSError, or TemplateGone.
        """
        self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        zygote = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _be_template(other.fileno(), kinds, zygote, ruleset)
        other.close()
        self.image_bytes = self._answer("the memory that children share")
        """Of address space, in each child, beside what the zygote has."""

    def fileno(self) -> int:
        """The channel's: readable while nothing is asked for only when the template has ended."""
        return self._channel.fileno()

    def copy(self, kind: int, descriptor: int) -> int:
        """Make a child of that kind with that descriptor; returns its pid, raises OSError or TemplateGone."""
        try:
            socket.send_fds(self._channel, [bytes([kind])], [descriptor])
        except (BrokenPipeError, ConnectionResetError):
            raise TemplateGone from None
        return self._answer("clone")

    def _answer(self, what: str) -> int:
        try:
            data = self._channel.recv(ctypes.sizeof(_Answer))
        except ConnectionResetError:
            raise TemplateGone from None
        if not data:
            raise TemplateGone
        answer = _Answer.from_buffer_copy(data)
        if answer.pid < 0:
            raise OSError(answer.error, f"{what}: {os.strerror(answer.error)}")
        return int(answer.pid)

    def close(self) -> None:
        """Let it end, and wait for it."""
        self._channel.close()
        os.waitpid(self._pid, 0)


def _be_template(channel: int, kinds: Sequence[Kind], zygote: int, ruleset: Ruleset | None) -> NoReturn:
    """In the new process: serve until the channel ends; in each copy, be that child."""
    try:
        privileges.end_with_parent()
        if os.getppid() != zygote:
            os._exit(1)
        _take_descriptors(channel, ruleset)
        lives = [(kind.plan, kind.entry.serve) for kind in kinds]
        exchange = _exchange()
        _settle(kinds)
        if _is_copy(exchange):
            live(*lives[exchange.kind])
    finally:
        os._exit(1)


def _settle(kinds: Sequence[Kind]) -> None:
    """Put memory into the state that every copy begins with, and tell the zygote of it.

    A rehearsal brings back what a first run looks at, and caches, as the way up to here has left them otherwise.
    """
    for rehearse in dict.fromkeys(kind.entry.rehearse for kind in kinds):
        rehearse()
    fill_gaps()
    gc.freeze()
    try:
        IMAGE.take()
    except OSError as error:
        os.write(_CHANNEL_FD, bytes(_Answer(-1, error.errno or 0)))
        raise
    os.write(_CHANNEL_FD, bytes(_Answer(IMAGE.length)))


def _take_descriptors(channel: int, ruleset: Ruleset | None) -> None:
    """Hold the channel three times, the ruleset that copies bind themselves with, and nothing else."""
    for number in range(_CHANNEL_FD, CHILD_FD):
        if number != channel:
            os.dup2(channel, number)
    kept = CHILD_FD
    if ruleset is not None:
        os.dup2(ruleset.fileno(), RULESET_FD)
        os.close(CHILD_FD)
        kept = RULESET_FD + 1
    kernel.close_range(kept, _HIGHEST_DESCRIPTOR)


def _exchange() -> _Exchange:
    exchange = _Exchange()
    start = ctypes.addressof(exchange)
    exchange.vector = _Vector(start + _Exchange.kind.offset, 1)
    exchange.header.vectors, exchange.header.vector_count = start + _Exchange.vector.offset, 1
    exchange.header.control = start + _Exchange.control.offset
    return exchange


def _is_copy(exchange: _Exchange) -> bool:
    """Fork at each request; true in each copy, false in the template when the channel has ended.

    Everything that the loop uses is local, for every look at a module's variables is a write to several pages.
    The C library is not told of the fork: it would go on to hold this process's thread number in a copy, which only
    locks between threads look at, and there is one thread.
    """
    raw, header, control, answer = kernel.raw, exchange.header, exchange.control, exchange.answer
    machine = kernel.machine()
    start = ctypes.addressof(exchange)
    receive = (machine.recvmsg, _CHANNEL_FD, start + _Exchange.header.offset, 0, 0)
    fork = (machine.clone, kernel.CLONE_PARENT | signal.SIGCHLD, 0, 0, 0)
    close = (machine.close, CHILD_FD, 0, 0, 0)
    send = (machine.write, _CHANNEL_FD, start + _Exchange.answer.offset, ctypes.sizeof(_Answer), 0)
    header.control_length = _ONE_DESCRIPTOR
    while raw(*receive) == 1:
        if header.control_length != _ONE_DESCRIPTOR or control.descriptor != CHILD_FD:
            raise OSError(errno.EPROTO, "the zygote has sent no descriptor")
        pid = raw(*fork)
        if pid == 0:
            return True
        answer.pid = pid
        if pid < 0:
            answer.error = ctypes.get_errno()
        raw(*close)
        raw(*send)
    return False
