"""What the model says in the conversations of a sweep, and a record of what it was asked."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from scripted_model import Answer, ChatRequest, Fault, completions

from crashsweep.plan import When
from crashsweep.talks.tale import tale, tale_of


@dataclass
class Asked:
    """A request to the model."""

    request: ChatRequest
    reply: int
    """How many replies the conversation has in it."""
    input_tokens: int
    output_tokens: int
    """Of the whole reply."""
    said: bool = False
    """The whole reply was given."""


class Author:
    """Says what a conversation's tale has, whenever it is asked. In the model's thread; read from the sweep's."""

    def __init__(self, meet: Callable[[When], None]) -> None:
        """`meet` lets happen what is to happen at a reply."""
        self._meet = meet
        self._lock = threading.Lock()
        self._asked: dict[int, list[Asked]] = defaultdict(list)
        """By tale."""
        self.faults: Counter[str] = Counter()
        self.strays: list[str] = []
        """Requests that are no conversation of a tale."""

    def asked(self, number: int) -> list[Asked]:
        """Return what was asked in a conversation, in order."""
        with self._lock:
            return list(self._asked[number])

    def __call__(self, request: ChatRequest) -> Answer:
        self._meet("before")
        number = tale_of(request.text)
        if number is None:
            self.strays.append(request.text[-500:])
            raise LookupError("it is no conversation of a tale")
        answer = tale(number).answer(request.turn)
        used = completions.whole(request, answer, 0)["usage"]
        asked = Asked(request, request.turn, used["prompt_tokens"], used["completion_tokens"])
        with self._lock:
            self._asked[number].append(asked)
            return replace(answer, fault=self._due(number, answer.fault, request.turn))

    def _due(self, number: int, fault: Fault | None, reply: int) -> Fault | None:
        """Return what goes wrong this time: so often in the place of one reply, whatever else was said meanwhile."""
        before = sum(asked.reply == reply for asked in self._asked[number]) - 1
        if fault is None or (fault.times is not None and before >= fault.times):
            return None
        self.faults[f"{fault.kind} {fault.status}" if fault.kind == "status" else fault.kind] += 1
        return replace(fault, times=None)

    def on_said(self, request: ChatRequest) -> None:
        """Take notice that a whole reply was given."""
        number = tale_of(request.text)
        if number is not None:
            with self._lock:
                for asked in self._asked[number]:
                    asked.said |= asked.request is request
        self._meet("after")
