"""`python -m ablation.stand ORDER`: stands in for a supervisor, with one zygote and one configuration of its layers.

The order is JSON: {"kind": "native" or "guests", "active": layers, "titles": escapes or null, "setuid": path or null}.
One line of JSON comes back for each escape: [title, end, detail]. The kind "outlive" says [pid, detail] of a child that
tries to outlive this process, which waits to be killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))

from ablation import native, sources
from ablation.configurations import PROCESS, START
from ablation.loot import VARIABLE, Loot, planted
from ablation.native import Escape
from statek_executor.isolation import set_memory_limits
from statek_executor.isolation.lockdown import failed_step
from statek_executor.supervisor.zygote_client import Event, Exited, Forked, ForkRefused, Gone, ZygoteClient
from statek_policies import LAYERS

LAUNCH: Final = Path(__file__).with_name("launch.py")
ANSWER_SECONDS: Final = 10.0
MEMORY_BYTES: Final = 128 * 1024 * 1024

End: TypeAlias = Literal["out", "held", "nobody"]
"""It got out; it was held; there was nobody to try, because a child without this layer gives up before it begins."""


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


class Trial:
    """Native escapes, each in a child of its own beside a neighbour."""

    def __init__(self, active: frozenset[str], loot: Loot) -> None:
        self._active, self._loot = active, loot
        self._nursery = Nursery(active, loot.token)
        self._neighbour: Child | None = None
        loot.surroundings = self

    def stop(self) -> None:
        self._nursery.stop()

    def attempt(self, escape: Escape) -> tuple[End, str]:
        """Try an escape; how it ended, and what became of its program."""
        try:
            attacker = self._beside_a_neighbour()
        except NoChild as nobody:
            return "nobody", str(nobody)
        try:
            order = {"program": escape.program, "loot": self._loot.places, "language": [], "native": True}
            answered = attacker.ask(order)
            answer = answered.get("answer") if isinstance(answered, dict) else answered
            detail = self._detail(attacker, answered)
            return ("out" if escape.taken(self._loot, answer) else "held"), detail
        finally:
            attacker.end()

    def _detail(self, attacker: Child, answered: Any) -> str:
        if answered is None:
            return self._end_of(attacker)
        error = answered.get("error") if isinstance(answered, dict) else None
        return str(error or "")

    def _end_of(self, child: Child) -> str:
        try:
            return self._nursery.end_of(child) if child.has_ended else "no answer"
        except NoChild as nobody:
            return str(nobody)

    def _beside_a_neighbour(self) -> Child:
        """A child to attack with; the last attacker may have taken the zygote along."""
        try:
            self._settle_neighbour()
            return self._nursery.fork()
        except NoChild:
            if not self._nursery.is_gone:
                raise
        self._start_again()
        self._settle_neighbour()
        return self._nursery.fork()

    def _start_again(self) -> None:
        self._nursery.stop()
        self._nursery = Nursery(self._active, self._loot.token)
        self._neighbour = None

    def _settle_neighbour(self) -> None:
        """Have a second child hold the planted text in its memory."""
        if self._neighbour is not None and not self._neighbour.has_ended:
            return
        self._neighbour = self._nursery.fork()
        program = f"held = ctypes.create_string_buffer({self._loot.token!r}.encode()); answer = ctypes.addressof(held)"
        program += "\nsys.held = held"
        answered = self._neighbour.ask({"program": program, "loot": {}, "language": [], "native": True})
        if not isinstance(answered, dict) or "answer" not in answered:
            raise NoChild(f"the neighbour: {self._detail(self._neighbour, answered)}")
        self._loot.places["neighbour"] = self._neighbour.inner_pid
        self._loot.places["neighbour_address"] = answered["answer"]

    # what the loot asks

    def zygote_is_lost(self) -> bool:
        try:
            self._nursery.fork().end()
        except NoChild:
            self._start_again()
            return True
        return False

    def neighbour_has_ended(self) -> bool:
        return self._neighbour is None or self._neighbour.has_ended

    def neighbour_said(self, text: str) -> bool:
        return self._neighbour is not None and self._neighbour.has_said(text)

    def neighbours_memory(self) -> str:
        assert self._neighbour is not None
        program = "answer = sys.held.value.decode()"
        answered = self._neighbour.ask({"program": program, "loot": {}, "language": [], "native": True})
        self._neighbour.end()
        self._neighbour = None
        return str(answered)


def say(title: str, end: End, detail: str) -> None:
    print(json.dumps([title, end, detail]), flush=True)


def try_native(active: frozenset[str], titles: frozenset[str] | None, loot: Loot) -> None:
    """Try native escapes, all or those named."""
    trial = Trial(active, loot)
    try:
        for escape in native.ALL:
            if escape.needs <= loot.places.keys() and (titles is None or escape.title in titles):
                say(escape.title, *trial.attempt(escape))
    finally:
        trial.stop()


def try_guests(active: frozenset[str], titles: frozenset[str] | None, loot: Loot) -> None:
    """Try guest programs, all or those named."""
    nursery = Nursery(active, loot.token)
    try:
        for title, source in sources.PROGRAMS.items():
            if titles is None or title in titles:
                said = _said_by_guests(nursery, active, source.split(sources.NEXT), loot)
                say(title, "out" if loot.in_answer(said) or sources.LEFT_BY_THE_LAST in said else "held", said[-300:])
    finally:
        nursery.stop()


def _said_by_guests(nursery: Nursery, active: frozenset[str], guests: list[str], loot: Loot) -> str:
    """What the last of these guests said; each has a process of its own, if that layer stands."""
    try:
        child = nursery.fork()
        for number, source in enumerate(guests):
            if number and PROCESS in active:
                child.end()
                child = nursery.fork()
            order = {"program": source, "loot": loot.places, "language": sorted(active), "native": False}
            answered = child.ask(order)
    except NoChild as nobody:
        return str(nobody)
    child.end()
    return json.dumps(answered)


def outlive(active: frozenset[str]) -> None:
    """Let a child settle in to outlive this process; say its number, and wait to be killed."""
    nursery = Nursery(active, "")
    try:
        child = nursery.fork()
    except NoChild as nobody:
        print(json.dumps([None, str(nobody)]), flush=True)
        return
    child.ask({"program": native.OUTLIVE.program, "loot": {}, "language": [], "native": True})
    print(json.dumps([child.pid, ""]), flush=True)
    sys.stdin.read()


def main() -> None:
    """Serve one order."""
    order = json.loads(sys.argv[1])
    active = frozenset(order["active"])
    if order["kind"] == "outlive":
        outlive(active)
        return
    titles = None if order["titles"] is None else frozenset(order["titles"])
    attempt = {"native": try_native, "guests": try_guests}[order["kind"]]
    with planted() as loot:
        if order["setuid"]:
            loot.places["setuid"] = order["setuid"]
        attempt(active, titles, loot)


if __name__ == "__main__":
    main()
