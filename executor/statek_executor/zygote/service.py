"""The zygote's loop: one thread that forks on request and tells the supervisor how each child ended.

It waits for two kinds of events with one epoll: a datagram on the control socket, and a child's pidfd that became
readable because the child has ended.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from statek_executor.isolation import kernel
from statek_executor.isolation.lockdown import Birth, Step
from statek_executor.isolation.seccomp import Filter
from statek_executor.zygote import child
from statek_executor.zygote.entries import Entry
from statek_executor.zygote.messages import (
    DATAGRAM_BYTES,
    ExitedMessage,
    Fork,
    ForkedMessage,
    RefusedMessage,
    decode_request,
)


@dataclass(frozen=True, slots=True)
class _Child:
    tag: int
    pid: int


class Service:
    """The zygote at work."""

    def __init__(
        self, control: socket.socket, entries: Mapping[str, Entry], steps: tuple[Step, ...], system_calls: Filter
    ) -> None:
        self._control = control
        self._entries = entries
        self._steps = steps
        self._filter = system_calls
        self._pid = os.getpid()
        self._children: dict[int, _Child] = {}
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)

    def run(self) -> None:
        """Serve until the supervisor closes its end, or is gone; then end every child."""
        try:
            while self._serve_events():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the supervisor is gone: the same as the end of its stream
        self._end_children()

    def _serve_events(self) -> bool:
        for descriptor, _ in self._epoll.poll():
            if descriptor != self._control.fileno():
                self._bury(descriptor)
                continue
            datagram = self._control.recv(DATAGRAM_BYTES)
            if not datagram:
                return False
            self._serve(decode_request(datagram))
        return True

    def _serve(self, request: Fork) -> None:
        entry = self._entries.get(request.kind)
        if entry is None:
            self._refuse(request.tag, f"no kind of child is called {request.kind!r}")
            return
        try:
            self._fork(request.tag, entry)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            self._refuse(request.tag, f"{type(error).__name__}: {error}")

    def _fork(self, tag: int, entry: Entry) -> None:
        outer, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with outer, inner:
            birth = Birth(inner.fileno(), self._pid, entry.prepare, self._filter)
            pid = kernel.fork()
            if pid == 0:
                child.live(birth, self._steps, entry)
            self._introduce(_Child(tag, pid), outer)

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
        """Closing alone is not enough: a child just forked still has a copy, which keeps the registration alive."""
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
