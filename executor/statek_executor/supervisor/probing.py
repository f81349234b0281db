"""How a supervisor finds out which layers hold on its host: probe children try what is forbidden and tell.

Runs in the supervisor, once, before the zygote is used for anything else.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statek_executor.isolation import limits
from statek_executor.isolation.lines import CHUNK_BYTES
from statek_executor.isolation.posture import Posture
from statek_executor.isolation.verdicts import DEADLY_ATTEMPTS, FILE_ATTEMPT, MEMORY_ATTEMPT, Findings, judge
from statek_executor.zygote.events import Event, Exited, Forked, ForkRefused, Gone, Ready, describe_exit

if TYPE_CHECKING:
    from statek_executor.supervisor.zygote_client import ZygoteClient

_FIRST_TAG: Final = 2**63
_TRIAL_BYTES: Final = 64 * 1024 * 1024
"""Room above the baseline that a probe gets before it tries to have four times as much."""
_IPC_PRIVATE: Final = 0
_IPC_RMID: Final = 0
_OWNER_ONLY: Final = 0o600
_NO_ADDRESS: Final = ctypes.c_void_p(-1).value


class ProbeFailed(Exception):
    """A probe gave no answer: the host's posture is unknown, so it must not take jobs. `reason` says what happened."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the isolation of this host could not be probed: {reason}")
        self.reason = reason


def probe_posture(client: ZygoteClient, timeout: float) -> Posture:
    """Probe every layer with children of this zygote, before it has other children; raises ProbeFailed."""
    if client.ready is None:
        raise ProbeFailed("the zygote is not running")
    prober = _Prober(client, time.monotonic() + timeout)
    return judge(client.ready.report, _investigate(prober, client.ready))


def _investigate(prober: _Prober, ready: Ready) -> Findings:
    with prober.child() as child, _shared_memory() as identity:
        evidence = child.ask({"shared_memory": identity})
        outer_uid, outer_pid = _uid_of(child.pid), child.pid
        answers = {FILE_ATTEMPT: child.attempt(FILE_ATTEMPT), MEMORY_ATTEMPT: _try_memory(child, ready)}
    for name in DEADLY_ATTEMPTS:
        with prober.child() as child:
            child.ask(None)
            answers[name] = child.attempt(name)
    return Findings(evidence, answers, outer_uid, outer_pid, os.geteuid(), os.uname().nodename)


def _try_memory(child: _ProbeChild, ready: Ready) -> str | None:
    try:
        limits.set_memory_limits(
            child.pid,
            data_bytes=ready.baseline_data_bytes + _TRIAL_BYTES,
            address_bytes=ready.baseline_address_bytes + _TRIAL_BYTES,
        )
    except PermissionError as error:
        return errno.errorcode.get(error.errno or 0)
    return child.attempt(MEMORY_ATTEMPT)


class _Prober:
    """The zygote client, used step by step."""

    def __init__(self, client: ZygoteClient, deadline: float) -> None:
        self._client = client
        self._deadline = deadline
        self._tags = iter(range(_FIRST_TAG, 2**64))
        self._exits: dict[int, Exited] = {}

    @contextmanager
    def child(self) -> Iterator[_ProbeChild]:
        """A probe child for the time of a with block; it is gone afterwards."""
        tag = next(self._tags)
        self._client.fork(tag, "probe")
        child = _ProbeChild(self, self._await_fork(tag))
        try:
            yield child
        finally:
            child.end()

    def await_exit(self, tag: int) -> Exited:
        """Wait until a child has ended."""
        while tag not in self._exits:
            self._take_events()
        return self._exits.pop(tag)

    def wait_readable(self, descriptor: int) -> None:
        """Wait for something to read, within the time that is left."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise ProbeFailed("a probe did not answer in time")

    def _await_fork(self, tag: int) -> Forked:
        while not (forked := [child for child in self._take_events() if child.tag == tag]):
            pass
        return forked[0]

    def _take_events(self) -> list[Forked]:
        self.wait_readable(self._client.fileno())
        return [forked for event in self._client.read_events() if (forked := self._take(event)) is not None]

    def _take(self, event: Event) -> Forked | None:
        match event:
            case Forked():
                return event
            case Exited(tag):
                self._exits[tag] = event
                return None
            case ForkRefused(_, reason) | Gone(reason):
                raise ProbeFailed(reason)


class _ProbeChild:
    """One probe child and the conversation with it."""

    def __init__(self, prober: _Prober, forked: Forked) -> None:
        self.pid = forked.pid
        self._prober = prober
        self._forked = forked

    def ask(self, order: object) -> Any:
        """Send a line and wait for the answer; raises ProbeFailed when the child ends instead."""
        answer = self._exchange(order)
        if answer is None:
            end = self._prober.await_exit(self._forked.tag)
            raise ProbeFailed(f"a probe {describe_exit(end.exit_code, end.signal)}")
        return answer[0]

    def attempt(self, name: str) -> str | None:
        """Have the child try something: an error's name, a signal's name, or None for "it was allowed"."""
        answer = self._exchange(name)
        if answer is not None:
            return str(answer[0]) if answer[0] is not None else None
        end = self._prober.await_exit(self._forked.tag)
        if end.signal is None:
            return describe_exit(end.exit_code, None)
        return signal.Signals(end.signal).name

    def end(self) -> None:
        """Kill the child if it still lives, and let go of it."""
        try:
            signal.pidfd_send_signal(self._forked.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # an attempt has ended it, and the zygote has reaped it
        os.close(self._forked.pidfd)
        self._forked.sock.close()

    def _exchange(self, message: object) -> list[Any] | None:
        """The answer in a list, or None at the end of the stream."""
        sock, line = self._forked.sock, b""
        sock.sendall(json.dumps(message).encode() + b"\n")
        while not line.endswith(b"\n"):
            self._prober.wait_readable(sock.fileno())
            chunk = sock.recv(CHUNK_BYTES)
            if not chunk:
                return None
            line += chunk
        return [json.loads(line)]


@contextmanager
def _shared_memory() -> Iterator[int]:
    """A System V segment of this process's, already marked for removal: it goes with this process at the latest."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmdt.argtypes = (ctypes.c_void_p,)
    identity = libc.shmget(_IPC_PRIVATE, 1, _OWNER_ONLY)
    address = libc.shmat(identity, None, 0) if identity != -1 else _NO_ADDRESS
    if address == _NO_ADDRESS:
        raise ProbeFailed(f"no shared memory segment to look for: {os.strerror(ctypes.get_errno())}")
    libc.shmctl(identity, _IPC_RMID, None)
    try:
        yield identity
    finally:
        libc.shmdt(address)


def _uid_of(pid: int) -> int:
    """The real user of a process as this one counts."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Uid:"))
