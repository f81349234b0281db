"""How a supervisor starts a zygote, asks it for children, and hears of their ends.

Runs in the supervisor, without an event loop of its own: `fileno` becomes readable when `read_events` has something to
say. Nothing here blocks but `start` and `stop`, and for a moment the reading of the last event.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from statek_executor.isolation.limits import set_memory_limits
from statek_executor.supervisor.probing import probe_posture
from statek_executor.zygote import messages
from statek_executor.zygote.events import (
    ZYGOTE_SIGNALLED,
    Event,
    Exited,
    Forked,
    ForkRefused,
    Gone,
    Ready,
    describe_exit,
)
from statek_protocol.version import HASH_SEED

__all__ = [
    "Event",
    "Exited",
    "ForkRefused",
    "Forked",
    "Gone",
    "Ready",
    "ZygoteClient",
    "ZygoteFailed",
    "describe_exit",
    "probe_posture",
    "set_memory_limits",
]

START_SECONDS: Final = 60.0
"""Time for the launcher's imports; it takes well under a second on an idle machine."""
_LAUNCHER_SECONDS: Final = 1.0
_DESCRIPTORS_PER_MESSAGE: Final = 2
_ROOM: Final = socket.CMSG_SPACE(_DESCRIPTORS_PER_MESSAGE * array("i").itemsize)
_NON_BLOCKING: Final = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC


class ZygoteFailed(Exception):
    """The zygote did not start. The executor cannot work on this host until the cause in `reason` is removed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the zygote did not start: {reason}")
        self.reason = reason


class ZygoteClient:
    """One zygote, from start to stop."""

    def __init__(self, *, command: Sequence[str] | None = None, start_seconds: float = START_SECONDS) -> None:
        """`command` stands in for this installation's own launcher; the control socket's number is appended."""
        self.ready: Ready | None = None
        self._command = command or (sys.executable, "-s", "-P", "-m", "statek_executor.zygote")
        self._start_seconds = start_seconds
        self._launcher: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._zygote_pidfd = -1
        self._unsent: deque[bytes] = deque()
        self._stillborn: dict[int, str] = {}
        self._gone = False

    def start(self) -> None:
        """Start the launcher and wait until the zygote is ready; raises ZygoteFailed.

        Call it from a thread that lives as long as the zygote is needed: the kernel ends the zygote with that thread.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        with theirs:
            self._launcher = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"PYTHONHASHSEED": str(HASH_SEED)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's to handle
            )
        try:
            self.ready = self._receive_ready()
        except BaseException:
            self.stop(timeout=0)
            raise

    def fileno(self) -> int:
        """The descriptor to watch for readability."""
        return self._socket.fileno()

    def fork(self, tag: int, kind: str = "interpreter") -> None:
        """Ask for a child. The answer is a Forked or a ForkRefused with this tag."""
        self._unsent.append(messages.Fork(tag, kind).encode())
        self._flush()

    def read_events(self) -> list[Event]:
        """Everything that has happened and was not told yet."""
        events: list[Event] = []
        while not self._gone and (received := self._receive()) is not None:
            event = self._event(*received)
            if event is not None:
                events.append(event)
        self._flush()
        return events

    def stop(self, timeout: float) -> None:
        """End the zygote and every child, and reap the launcher; kill what has not ended in time."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._zygote_pidfd >= 0:
            _end(self._zygote_pidfd, timeout)
            os.close(self._zygote_pidfd)
            self._zygote_pidfd = -1
        if self._launcher is not None:
            _reap(self._launcher, timeout)
            self._launcher = None

    @property
    def _socket(self) -> socket.socket:
        if self._control is None:
            raise RuntimeError("the zygote is not running")
        return self._control

    def _receive_ready(self) -> Ready:
        """Wait for the first message, which says how it went."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(self._start_seconds * 1000):
            raise ZygoteFailed(f"it was not ready after {self._start_seconds:g} s")
        datagram, descriptors = self._receive() or (b"", [])
        if not datagram:
            raise ZygoteFailed(f"{self._launcher_end()}; its error output says why")
        match messages.decode_event(datagram):
            case messages.ReadyMessage(data_bytes, address_bytes, layers):
                if not descriptors:
                    raise ZygoteFailed("this process has no free descriptor for it")
                [self._zygote_pidfd] = descriptors
                return Ready(data_bytes, address_bytes, layers)
            case messages.FailedMessage(reason):
                raise ZygoteFailed(reason)
            case other:
                raise messages.ControlFault(f"{type(other).__name__} before the zygote was ready")

    def _receive(self) -> tuple[bytes, list[int]] | None:
        """One datagram and its descriptors; an empty one at the end; None when there is nothing now."""
        try:
            datagram, extras, _, _ = self._socket.recvmsg(messages.DATAGRAM_BYTES, _ROOM, _NON_BLOCKING)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b"", []
        return datagram, [number for _, _, data in extras for number in _descriptors_in(data)]

    def _flush(self) -> None:
        """Send what the zygote had no room for. It answers every request, so there will be another call of this."""
        while self._unsent and not self._gone:
            try:
                self._socket.send(self._unsent[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                return  # read_events tells of the zygote's end
            self._unsent.popleft()

    def _event(self, datagram: bytes, descriptors: list[int]) -> Event | None:
        if not datagram:
            return self._end(self._launcher_end())
        match messages.decode_event(datagram):
            case messages.ForkedMessage(tag):
                return self._forked(tag, descriptors)
            case messages.RefusedMessage(tag, reason):
                return ForkRefused(tag, reason)
            case messages.ExitedMessage() as message:
                return self._exited(message)
            case messages.FailedMessage(reason):
                return self._end(reason)
            case messages.ReadyMessage():
                raise messages.ControlFault("the zygote was ready twice")

    def _forked(self, tag: int, descriptors: list[int]) -> Forked | None:
        """Hand a child on, unless it cannot be handed on whole; then its end is reported as a refusal."""
        pid = _pid_of(descriptors[1]) if len(descriptors) == _DESCRIPTORS_PER_MESSAGE else None
        if pid is not None:
            return Forked(tag, pid, descriptors[1], socket.socket(fileno=descriptors[0]))
        whole = len(descriptors) == _DESCRIPTORS_PER_MESSAGE
        self._stillborn[tag] = "it ended at once" if whole else "this process has no free descriptor for it"
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _exited(self, message: messages.ExitedMessage) -> Exited | ForkRefused:
        reason = self._stillborn.pop(message.tag, None)
        if reason is not None:
            return ForkRefused(message.tag, f"{reason}: {describe_exit(message.exit_code, message.signal)}")
        return Exited(message.tag, message.exit_code, message.signal, message.cpu_seconds, message.max_rss_bytes)

    def _end(self, reason: str) -> Gone:
        self._gone = True
        return Gone(reason)

    def _launcher_end(self) -> str:
        """How launcher and zygote ended; the launcher is given a moment to notice its zygote's end."""
        assert self._launcher is not None
        try:
            code = self._launcher.wait(_LAUNCHER_SECONDS)
        except subprocess.TimeoutExpired:
            return "the control socket ended"
        if code > ZYGOTE_SIGNALLED:
            return f"the zygote {describe_exit(None, code - ZYGOTE_SIGNALLED)}"
        return f"the launcher {describe_exit(code if code >= 0 else None, -code if code < 0 else None)}"


def _descriptors_in(data: bytes) -> list[int]:
    """The descriptors of an SCM_RIGHTS message; fewer than were sent when this process had no room for all."""
    numbers = array("i")
    numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return numbers.tolist()


def _pid_of(pidfd: int) -> int | None:
    """The pid behind a pidfd as this process counts; None once it is reaped."""
    entries = Path(f"/proc/self/fdinfo/{pidfd}").read_text(encoding="ascii").splitlines()
    pid = next(int(entry.removeprefix("Pid:")) for entry in entries if entry.startswith("Pid:"))
    return pid if pid > 0 else None


def _end(pidfd: int, timeout: float) -> None:
    """Wait for a process to end, kill it if it does not, and wait for that."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(timeout * 1000):
        return
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    poll.poll()


def _reap(launcher: subprocess.Popen[bytes], timeout: float) -> None:
    try:
        launcher.wait(timeout)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()
