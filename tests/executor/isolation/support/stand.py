"""`stand.py LAYER,LAYER`: stands in for a supervisor. It starts a zygote and obeys one order per line of JSON.

["posture"]                     the posture as plain values
["run", SOURCE, MEMORY, CPU]    a child runs the source and ends: what it answered, or how it died
["hold", NUMBER]                that many children live on; their process numbers
["stop", SECONDS]               the zygote is stopped
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any

from statek_executor.isolation import set_memory_limits
from statek_executor.supervisor.zygote_client import (
    Event,
    Exited,
    Forked,
    ForkRefused,
    Gone,
    ZygoteClient,
    probe_posture,
)

LAUNCH = Path(__file__).with_name("launch.py")
DEADLINE_SECONDS = 20.0


class Stand:
    """A zygote client and the children that it got."""

    def __init__(self, without: str) -> None:
        self.client = ZygoteClient(command=[sys.executable, "-s", "-P", str(LAUNCH), without])
        self.client.start()
        self.held: list[Forked] = []
        self.events: deque[Event] = deque()
        self.tag = 0

    def posture(self) -> dict[str, object]:
        return probe_posture(self.client, DEADLINE_SECONDS).to_wire()

    def run(self, source: str, memory: int | None = None, cpu: int | None = None) -> dict[str, Any]:
        child = self.fork("hostile")
        if memory is not None:
            self.limit_memory(child.pid, memory)
        if cpu is not None:
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
        try:
            return _converse(child.sock, source) or self.end_of(child.tag)
        finally:
            _kill(child)

    def hold(self, number: int) -> list[int]:
        self.held += [self.fork("hostile") for _ in range(number)]
        return [child.pid for child in self.held]

    def limit_memory(self, pid: int, memory: int) -> None:
        ready = self.client.ready
        assert ready is not None
        data_bytes, address_bytes = ready.baseline_data_bytes + memory, ready.baseline_address_bytes + memory
        set_memory_limits(pid, data_bytes=data_bytes, address_bytes=address_bytes)

    def fork(self, kind: str) -> Forked:
        self.tag += 1
        self.client.fork(self.tag, kind)
        event = self.wait(Forked, ForkRefused)
        assert isinstance(event, Forked), event
        return event

    def end_of(self, tag: int) -> dict[str, Any]:
        while (event := self.wait(Exited)).tag != tag:
            pass
        name = signal.Signals(event.signal).name if event.signal else None
        return {"signal": name, "exit_code": event.exit_code, "cpu_seconds": event.cpu_seconds}

    def wait(self, *kinds: type) -> Any:
        """The next event of one of these kinds; others are of children that nobody asks about any more."""
        while True:
            while self.events:
                event = self.events.popleft()
                assert not isinstance(event, Gone), event
                if isinstance(event, kinds):
                    return event
            assert select.select([self.client], [], [], DEADLINE_SECONDS)[0], "the zygote is silent"
            self.events += self.client.read_events()


def _converse(sock: socket.socket, source: str) -> dict[str, Any] | None:
    """Send a program, wait for the answer; None if the stream ends before it is whole."""
    sock.settimeout(DEADLINE_SECONDS)
    data = b""
    try:
        sock.sendall(json.dumps(source).encode() + b"\n")
        while not data.endswith(b"\n"):
            chunk = sock.recv(65536)
            if not chunk:
                return None
            data += chunk
    except (ConnectionResetError, BrokenPipeError):
        return None
    answer: dict[str, Any] = json.loads(data)
    return answer


def _kill(child: Forked) -> None:
    try:
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.close(child.pidfd)
    child.sock.close()


def main() -> None:
    stand = Stand(sys.argv[1])
    orders = {"posture": stand.posture, "run": stand.run, "hold": stand.hold, "stop": stand.client.stop}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(orders[name](*arguments)), flush=True)
    stand.client.stop(DEADLINE_SECONDS)


main()
