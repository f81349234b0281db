"""`python -m ablation.stand ORDER`: stands in for a supervisor, with one zygote and one configuration of its layers.

The order is JSON: {"kind": "native" or "guests", "active": layers, "titles": escapes or null, "setuid": path or null}.
One line of JSON comes back for each escape: [title, end, detail]. The kind "outlive" says [pid, detail] of a child that
tries to outlive this process, which waits to be killed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))

from ablation import native, sources
from ablation.configurations import PROCESS
from ablation.loot import Loot, planted
from ablation.native import Escape
from ablation.nursery import Child, NoChild, Nursery

End: TypeAlias = Literal["out", "held", "nobody"]
"""It got out; it was held; there was nobody to try, because a child without this layer gives up before it begins."""


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
