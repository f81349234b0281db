"""A zygote of the test build with one configuration of its layers, and its children. Runs in the stand."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final

from ablation.configurations import START
from ablation.loot import VARIABLE
from statek_executor.isolation import set_memory_limits
from statek_executor.isolation.lockdown import failed_step
from statek_executor.supervisor.zygote_client import Event, Exited, Forked, ForkRefused, Gone, ZygoteClient
from statek_policies import LAYERS

LAUNCH: Final = Path(__file__).with_name("launch.py")
ANSWER_SECONDS: Final = 10.0
MEMORY_BYTES: Final = 128 * 1024 * 1024
"""What a child may have beyond what it begins with, where its memory is limited."""


class Child:
    """One attacker or neighbour."""

    def __init__(self, forked: Forked) -> None:
        self.pid, self.pidfd, self.sock = forked.pid, forked.pidfd, forked.sock
        self.tag = forked.tag
        self.sock.settimeout(ANSWER_SECONDS)
        self._left = b""

    def ask(self, order: dict[str, Any]) -> Any:
        """Send an order and wait for a line; None when the child ends instead."""
        try:
            self.sock.sendall(json.dumps(order).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return None
        return self.answer()

    def answer(self) -> Any:
        """The next line that anybody wrote into this child's socket; None at the end of the stream."""
        while b"\n" not in self._left:
            try:
                piece = self.sock.recv(1 << 16)
            except (ConnectionResetError, TimeoutError):
                return None
            if not piece:
                return None
            self._left += piece
        line, _, self._left = self._left.partition(b"\n")
        try:
            return json.loads(line)
        except ValueError:
            return line.decode(errors="replace")

    def has_said(self, text: str) -> bool:
        """Whether somebody made this child seem to say something that it was not asked for."""
        readable = select.select([self.sock], [], [], 0.1)[0]
        return bool(readable) and text in str(self.answer())

    @property
    def inner_pid(self) -> int:
        """The process's number as its siblings count."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))

    @property
    def has_ended(self) -> bool:
        return bool(select.select([self.pidfd], [], [], 0.1)[0])

    def end(self) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the attempt has ended it, and the zygote has reaped it
        os.close(self.pidfd)
        self.sock.close()


class Nursery:
    """The zygote of one configuration."""

    def __init__(self, active: frozenset[str], variable: str) -> None:
        left_out = ",".join(sorted(frozenset(LAYERS) - active))
        launcher = [sys.executable, "-s", "-P", str(LAUNCH), left_out]
        if START not in active:
            launcher = ["env", f"{VARIABLE}={variable}", *launcher]
        self.limited = "rlimits" in active
        self._client = ZygoteClient(command=launcher)
        self._client.start()
        self._events: deque[Event] = deque()
        self._gone: str | None = None
        self._tag = 0

    def fork(self) -> Child:
        """A child, under a memory limit if those are in force."""
        self._tag += 1
        self._client.fork(self._tag, "attacker")
        event = self._await(self._tag)
        if not isinstance(event, Forked):
            raise NoChild(_why(event))
        child = Child(event)
        ready = self._client.ready
        if self.limited and ready is not None:
            data, address = ready.baseline_data_bytes + MEMORY_BYTES, ready.baseline_address_bytes + MEMORY_BYTES
            set_memory_limits(child.pid, data_bytes=data, address_bytes=address)
        return child

    def end_of(self, child: Child) -> str:
        """How a child ended, which it is known to do."""
        event = self._await(child.tag)
        return _why(event)

    @property
    def is_gone(self) -> bool:
        """Whether the zygote is known to have ended."""
        return self._gone is not None

    def stop(self) -> None:
        self._client.stop(ANSWER_SECONDS)

    def _await(self, tag: int) -> Event:
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, Gone):
                    self._gone = event.reason  # said once
                elif event.tag == tag:
                    return event
            if self._gone is not None:
                raise NoChild(self._gone)
            if not select.select([self._client], [], [], ANSWER_SECONDS)[0]:
                raise NoChild("the zygote is silent")
            self._events += self._client.read_events()


class NoChild(Exception):
    """There is nobody to try an escape: the text says why."""


def _why(event: Event) -> str:
    match event:
        case Exited(_, code, number):
            step = failed_step(code) if code is not None else None
            if step is not None:
                return f"gave up at the step {step}"
            return signal.Signals(number).name if number else f"exit status {code}"
        case ForkRefused(_, reason):
            return reason
        case _:
            return str(event)
