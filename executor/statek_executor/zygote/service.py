"""The zygote's loop: one thread that has children made on request and tells the supervisor how each one ended.

It waits for two kinds of events with one epoll: a datagram on the control socket, and a child's pidfd that became
readable because the child has ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from statek_executor.zygote.messages import (
    DATAGRAM_BYTES,
    ExitedMessage,
    Fork,
    ForkedMessage,
    RefusedMessage,
    decode_request,
)
from statek_executor.zygote.template import Template, TemplateGone


@dataclass(frozen=True, slots=True)
class _Child:
    tag: int
    pid: int


class Service:
    """The zygote at work."""

    def __init__(self, control: socket.socket, kinds: Sequence[str], template: Template) -> None:
        self._control = control
        self._kinds = {kind: number for number, kind in enumerate(kinds)}
        self._template = template
        self._children: dict[int, _Child] = {}
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)
        self._epoll.register(template.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Serve until the supervisor closes its end, or is gone; then end every child. Raises TemplateGone."""
        try:
            while self._serve_events():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the supervisor is gone: the same as the end of its stream
        finally:
            self._end_children()
            self._template.close()

    def _serve_events(self) -> bool:
        for descriptor, _ in self._epoll.poll():
            if descriptor == self._template.fileno():
                raise TemplateGone
            if descriptor != self._control.fileno():
                self._bury(descriptor)
                continue
            datagram = self._control.recv(DATAGRAM_BYTES)
            if not datagram:
                return False
            self._serve(decode_request(datagram))
        return True

    def _serve(self, request: Fork) -> None:
        if request.kind not in self._kinds:
            self._refuse(request.tag, f"no kind of child is called {request.kind!r}")
            return
        try:
            self._fork(request.tag, request.kind)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            self._refuse(request.tag, f"{type(error).__name__}: {error}")

    def _fork(self, tag: int, kind: str) -> None:
        outer, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with outer, inner:
            self._introduce(_Child(tag, self._copy(kind, outer, inner)), outer)

    def _copy(self, kind: str, outer: socket.socket, inner: socket.socket) -> int:
        """Have a child made that holds the inner end; returns its pid."""
        return self._template.copy(self._kinds[kind], inner.fileno())

    def _introduce(self, new: _Child, outer: socket.socket) -> None:
        """Tell the supervisor of a child; one that cannot be handed over is ended."""
        pidfd = self._watch(new)
        try:
            socket.send_fds(self._control, [ForkedMessage(new.tag).encode()], [outer.fileno(), pidfd])
        except OSError:
            self._forget(pidfd)
            _discard(new)
            raise
        self._children[pidfd] = new

    def _watch(self, new: _Child) -> int:
        try:
            pidfd = os.pidfd_open(new.pid)
        except OSError:
            _discard(new)
            raise
        self._epoll.register(pidfd, select.EPOLLIN)
        return pidfd

    def _refuse(self, tag: int, reason: str) -> None:
        self._control.send(RefusedMessage(tag, reason).encode())

    def _bury(self, pidfd: int) -> None:
        """Reap a child that has ended and report it."""
        ended = self._children.pop(pidfd)
        self._forget(pidfd)
        _, status, usage = os.wait4(ended.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._control.send(
            ExitedMessage(
                ended.tag,
                exit_code=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
                max_rss_bytes=usage.ru_maxrss * 1024,
            ).encode()
        )

    def _forget(self, pidfd: int) -> None:
        self._epoll.unregister(pidfd)
        os.close(pidfd)

    def _end_children(self) -> None:
        for pidfd in self._children:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for ended in self._children.values():
            os.waitpid(ended.pid, 0)


def _discard(unwanted: _Child) -> None:
    os.kill(unwanted.pid, signal.SIGKILL)
    os.waitpid(unwanted.pid, 0)
