"""The loop's part about queues: what is pushed, how much waits, and what is done with what could not be delivered.

What was pushed is durable before anybody is told so. Items are in the ledger; only their numbers are counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from statek.agents.warmup import expected_names
from statek.core.agents import AgentDefinition
from statek.errors import SubmissionRefused
from statek.loop.roster import is_text
from statek.loop.tick import Tick
from statek.store.queue_table import QueueItem
from statek_policies.errors import shown
from statek_protocol.messages.base import MIB, NAME_LIMIT, TEXT_LIMIT

if TYPE_CHECKING:
    from statek.loop.loop import Loop

K = TypeVar("K")

MAX_DEPTH: Final = 100_000
"""Items of one queue, dead letters among them; what comes beyond is refused."""
BODY_BYTES: Final = 2 * MIB
"""Of an item; a client's message has half."""
MAX_QUEUES: Final = 1_000
"""With something in them: whoever may push chooses their names, and each is counted in memory."""
REDRIVEN_AT_ONCE: Final = 1_000
REDRIVEN_BYTES: Final = 32 * MIB
"""No further dead letters are taken in one turn after so much of them: all are in memory until it is durable."""
_STEP: Final = 10
MAIN: Final = "main"
"""The queue where nobody names another."""
MESSAGES: Final = ""
"""Stands in the place of an agent where the items are messages for jobs."""

Act = Literal["redrive", "discard"]
Line = tuple[str, str]
"""A queue and an agent, or `MESSAGES`: items of a line are delivered in their order."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something to push: to a job or to an agent, and not to both."""

    queue: str
    job: str | None
    agent: str | None
    body: bytes
    """As in `store.queue_table.QueueItem`."""
    key: str = ""
    source: str = ""
    """Who pushes it; empty for the queue's name."""


class Queueing:
    """The queues of one store, as of this moment in the turn."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.max_depth = MAX_DEPTH
        self._last: int | None = None
        self._waiting: Counter[Line] = Counter()
        self._depths: Counter[str] = Counter()
        self.stir: Callable[[], object] = lambda: None
        """Called after the commit when there is something new to deliver."""

    def waiting(self) -> list[Line]:
        """Return the lines in which something waits."""
        self._count()
        return list(self._waiting)

    def depth(self, queue: str) -> int:
        """Return how many items a queue has, dead letters among them."""
        self._count()
        return self._depths[queue]

    def push(self, tick: Tick, new: NewItem) -> int:
        """Keep something until it is delivered, and return its number; raises `SubmissionRefused`.

        A key that the queue has had before gets the number of that time, and nothing is changed.
        """
        self._check(new)
        known = self._known_number(tick, new)
        if known is not None:
            return known
        if new.agent:
            self._check_agent(new.agent)
        self._count()
        if self._depths[new.queue] >= self.max_depth:
            text = f"the queue {new.queue!r} is full: {self.max_depth} items wait in it or are dead letters; push later"
            raise SubmissionRefused("queue_full", text)
        if new.queue not in self._depths and len(self._depths) >= MAX_QUEUES:
            raise SubmissionRefused("queue_full", f"{MAX_QUEUES} queues have items; push to one of them")
        self._last = number = (self._last or 0) + 1
        agent, job, source = new.agent or MESSAGES, new.job or "", new.source or new.queue
        tick.queued[number] = QueueItem(number, new.queue, agent, job, new.body, new.key, source, tick.at_us)
        if new.key:
            tick.pushed[new.queue, new.key] = number
        self._depths[new.queue] += 1
        self._waiting[new.queue, agent] += 1
        self._loop.delivering.remark((new.queue, agent))
        tick.then(self.stir)
        return number

    def leave(self, tick: Tick, item: QueueItem, reason: str | None) -> None:
        """Take an item out of its line: because it was delivered, or for that reason as a dead letter."""
        _less(self._waiting, (item.queue, item.agent))
        if reason is None:
            _less(self._depths, item.queue)
            tick.queued[item.number] = None
            return
        tick.queued[item.number] = replace(item, dead_reason=reason[:TEXT_LIMIT])
        target = {"agent": item.agent} if item.agent else {"target": item.job}
        said = {"queue": item.queue, "item": item.number, **target, "reason": reason[:TEXT_LIMIT]}
        tick.note_bounded("dead_letter", said, reason="")

    def redrive(self, tick: Tick, queue: str, number: int | None, act: Act = "redrive") -> int:
        """Put dead letters back, or throw them away: one, or so many of all; returns how many there were.

        Raises `SubmissionRefused` for a number that is none of a dead letter of the queue.
        """
        self._count()
        dead = list(self._dead(tick, queue, number))
        for item in dead:
            alive = replace(item, dead_reason=None, attempts=item.attempts + 1) if act == "redrive" else None
            tick.queued[item.number] = alive
            if alive is None:
                _less(self._depths, queue)
            else:
                self._waiting[queue, item.agent] += 1
        if dead:
            tick.note("dead_letters_decided", {"queue": queue, "act": act, "items": len(dead), "item": number})
            tick.then(self.stir)
        return len(dead)

    def _dead(self, tick: Tick, queue: str, number: int | None) -> Iterator[QueueItem]:
        found = self._dead_at_once(queue) if number is None else [self._loop.ledger.queue_item(number)]
        for item in found:
            if item is not None and item.queue == queue and item.dead_reason and item.number not in tick.queued:
                yield item
            elif number is not None:
                text = f"item {number} of the queue {queue!r} is no dead letter; see `statek queues dead {queue}`"
                raise SubmissionRefused("no_dead_letter", text)

    def _dead_at_once(self, queue: str) -> Iterator[QueueItem]:
        """Read so many dead letters as one turn can take."""
        after = taken = size = 0
        while taken < REDRIVEN_AT_ONCE and size < REDRIVEN_BYTES:
            page = self._loop.ledger.dead_letters(queue, after, min(_STEP, REDRIVEN_AT_ONCE - taken))
            if not page:
                return
            yield from page
            after, taken = page[-1].number, taken + len(page)
            size += sum(len(item.body) for item in page)

    def _check(self, new: NewItem) -> None:
        names = {"queue": new.queue, "job": new.job, "agent": new.agent, "key": new.key or None, "source": new.source}
        for what, name in names.items():
            if name is not None and not (name.isprintable() and len(name) <= NAME_LIMIT):
                raise SubmissionRefused(what, f"{shown(name)} is no name for a {what}: printable characters are needed")
        if not new.queue or (not new.job) == (not new.agent):
            raise SubmissionRefused("target", "name a queue, and a job or an agent that it is pushed to, and not both")
        if len(new.body) > BODY_BYTES:
            raise SubmissionRefused("body", f"{len(new.body)} bytes; what is pushed may have {BODY_BYTES}")
        if new.job and not is_text(new.body):
            raise SubmissionRefused("body", "a message to a job is UTF-8 text")

    def _check_agent(self, agent: str) -> None:
        """Refuse an event that could not be delivered.

        One for an agent that nobody knows is kept while nothing is delivered: the next program may define the agent.
        """
        definition = self._loop.roster.definition(agent)
        if definition is None and self._loop.delivering.serving:
            raise self._loop.roster.unknown(agent)
        if definition is not None and not definition.event_name:
            raise SubmissionRefused("event_name", no_event(definition))

    def _known_number(self, tick: Tick, new: NewItem) -> int | None:
        """Return the number under which the key was pushed before."""
        if not new.key:
            return None
        found = tick.pushed.get((new.queue, new.key))
        return self._loop.ledger.queue_number(new.queue, new.key) if found is None else found

    def _count(self) -> None:
        """Find out what waits, once; from then on it is counted here."""
        if self._last is not None:
            return
        self._last = self._loop.ledger.last_queue_number()
        for depth in self._loop.ledger.queue_depths():
            if depth.waiting:
                self._waiting[depth.queue, depth.agent] = depth.waiting
            self._depths[depth.queue] += depth.waiting + depth.dead


def _less(counter: Counter[K], key: K) -> None:
    """Count one less, and forget what there is none of."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def no_event(definition: AgentDefinition) -> str:
    """Say why an agent takes no events."""
    names = ", ".join(expected_names(definition.warmup, (*definition.tools, *(definition.variables or ()))))
    return f"the warm-up of {definition.name!r} reads {names}: say with event_name= which of them an event fills"
