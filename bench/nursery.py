"""A zygote for the benches, with a real client, and its children one by one."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from bench.children import AGE
from statek_executor.supervisor.zygote_client import Exited, Forked, ForkRefused, Gone, ZygoteClient
from statek_policies import Policy
from statek_protocol.codec import decode, encode
from statek_protocol.framing import FrameReader, frame
from statek_protocol.messages.interpreter import FROM_INTERPRETER, Finished, Load, Rest, Run

ZYGOTE: Final = Path(__file__).with_name("zygote.py")
ANSWER_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.0005
"""Between two looks at a child that is about to come to rest."""
RECEIVE_BYTES: Final = 1 << 16
FILTERED: Final = 2
"""What /proc says under Seccomp of a process with a filter, seccomp(2)'s SECCOMP_MODE_FILTER."""

E = TypeVar("E", Forked, Exited)

LOAD: Final = frame(encode(Load(Policy().to_wire(), (), (), ())))
REST: Final = frame(encode(Rest()))


class NurseryFailed(Exception):
    """A child was not there, or did not answer as it should: no figure can be had."""


class Child:
    """One process, from fork to end, as its supervisor holds it."""

    def __init__(self, forked: Forked) -> None:
        self.tag = forked.tag
        self.pid = forked.pid
        self._pidfd = forked.pidfd
        self._socket = forked.sock
        self._socket.settimeout(ANSWER_SECONDS)
        self._reader = FrameReader()
        self.heard_at = 0.0
        """When it was heard last, on the performance counter."""

    def age_seconds(self) -> float:
        """How long the child had taken to be ready, by its own account; for the kinds that tell it."""
        (nanoseconds,) = AGE.unpack(self._socket.recv(AGE.size))
        return float(nanoseconds) / 1e9

    def echo(self, data: bytes) -> None:
        """Send bytes and have them back; for the kind that returns them."""
        self._socket.sendall(data)
        left = len(data)
        while left:
            left -= len(self._socket.recv(left))

    def come_to_rest(self) -> None:
        """Wait until the child is locked down and waits for something to read."""
        give_up = time.monotonic() + ANSWER_SECONDS
        while not _is_at_rest(self.pid):
            if time.monotonic() > give_up:
                raise NurseryFailed("a child does not come to rest")
            select.select([], [], [], LOOK_SECONDS)

    def load(self, data: bytes = LOAD) -> None:
        """Begin a job with an interpreter, one without variables unless another order is given."""
        self.send(data)

    def run(self, data: bytes) -> Finished:
        """Have an interpreter run a batch, framed already, to its good end."""
        self.send(data)
        while True:
            for answer in self._reader.feed(self.receive()):
                message = decode(answer, FROM_INTERPRETER)
                if isinstance(message, Finished):
                    if message.outcome != "ok":
                        raise NurseryFailed(f"the batch ended with {message}")
                    return message

    def rest(self) -> None:
        """Tell it to rest, as its supervisor does after a second in which there was nothing to do."""
        self.send(REST)

    def send(self, data: bytes) -> None:
        """Write bytes to it as they are."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """Read what it has written, at least a byte."""
        data = self._socket.recv(RECEIVE_BYTES)
        self.heard_at = time.perf_counter()
        if not data:
            raise NurseryFailed("the child has ended")
        return data

    def kill(self) -> None:
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.close(self._pidfd)
        self._socket.close()


class Nursery:
    """The zygote and who asks it for children; `nursery` makes one."""

    def __init__(self, client: ZygoteClient) -> None:
        self._client = client
        self._tag = 0

    def fork(self, kind: str) -> Child:
        """Get a child of a real kind, or of one of the benches' own."""
        self._tag += 1
        self._client.fork(self._tag, kind)
        return Child(self._await(Forked, self._tag))

    def end(self, child: Child) -> None:
        """End a child and wait until it is reaped, so that it does not burden the next measurement."""
        child.kill()
        self._await(Exited, child.tag)

    @contextmanager
    def child(self, kind: str) -> Iterator[Child]:
        """A child for the time of a with block."""
        child = self.fork(kind)
        try:
            yield child
        finally:
            self.end(child)

    def _await(self, kind: type[E], tag: int) -> E:
        while True:
            if not select.select([self._client], [], [], ANSWER_SECONDS)[0]:
                raise NurseryFailed("the zygote is silent")
            for event in self._client.read_events():
                if isinstance(event, ForkRefused | Gone):
                    raise NurseryFailed(event.reason)
                if isinstance(event, kind) and event.tag == tag:
                    return event


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A zygote for the time of a with block."""
    client = ZygoteClient(command=(sys.executable, "-s", "-P", str(ZYGOTE)))
    client.start()
    try:
        yield Nursery(client)
    finally:
        client.stop(STOP_SECONDS)


def run_message(batch: int, source: bytes) -> bytes:
    """The framed order to run a batch from its start."""
    return frame(encode(Run(batch, "bench", source, 0, 0, ())))


def _is_at_rest(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return values["State"].strip().startswith("S") and int(values["Seccomp"]) == FILTERED
