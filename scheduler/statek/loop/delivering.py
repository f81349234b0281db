"""The loop's part about delivery: which item of which queue becomes a fact of a job next.

An item leaves its queue in the transaction in which a job has it, so it is delivered once, whatever is killed. For each
job and each agent the order is that of the pushes to a queue; queues take turns. Events become jobs only while their
agent has few under way, so that the rest waits where it is counted. What cannot be delivered stays as a dead letter,
with the reason, and holds up nothing behind it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from statek.core.jobs import UNDER_WAY, Job
from statek.errors import AgentRefused
from statek.loop.queueing import MAIN, MESSAGES, Line, no_event
from statek.loop.roster import JobStart, new_name
from statek.loop.tick import Tick
from statek.store import given
from statek.store.queue_table import QueueItem

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)

_TO_JOBS: Final = (MAIN, MESSAGES)
"""Delivered by every scheduler: what operators and programs say to jobs goes there where they name no queue."""
PER_TURN: Final = 30
"""Items that are delivered in one turn; an event takes about a millisecond, most of it in the commit."""


class Delivering:
    """Reads from the ledger what can be delivered when it can be."""

    def __init__(self, loop: Loop, *, max_concurrency: int) -> None:
        self._loop = loop
        self.max_under_way = 2 * max_concurrency
        """Jobs of an agent up to which its events become jobs: as many as may run, and as many that wait to."""
        self._served: frozenset[str] | None = None
        self._serving = False
        self._under_way: dict[str, set[str]] = defaultdict(set)
        """Jobs by agent."""
        self._looking: set[Line] = set()
        """Lines that wait until it is known whether their events' objects are there."""
        self._seen: dict[int, str | None] = {}
        """Of events with objects: what is missing, None for nothing."""
        self._remarked: set[str] = set()
        """Queues that are not delivered here, of which that was said."""
        self._last_queue: dict[str, str] = {}
        """By agent: the queue that had its turn last."""

    def begin(self, queues: Collection[str] | None, jobs: Iterable[Job]) -> None:
        """Deliver from now on, out of these queues or all; `jobs` are under way already."""
        self._served = None if queues is None else frozenset(queues)
        self._serving = True
        for job in jobs:
            if job.agent:
                self._follow(job)
        self._loop.queueing.stir = self._stir
        self._stir()

    @property
    def serving(self) -> bool:
        """Tell whether anything is delivered here, which it is by a scheduler that has its application."""
        return self._serving

    def remark(self, line: Line) -> None:
        """Say once of a queue that what is pushed into it waits for another scheduler; its name may be a mistake."""
        queue, _ = line
        if self._served is None or queue in self._served | self._remarked or line == _TO_JOBS:
            return
        self._remarked.add(queue)
        served = ", ".join(map(repr, sorted(self._served))) or "none"
        log.warning("what is pushed into the queue %r waits: this scheduler delivers out of %s", queue, served)

    def deliver(self, tick: Tick) -> None:
        """Deliver what can be; part of every turn."""
        if not self._serving:
            return
        tick.then(partial(self._take_notice, tick))
        queues: dict[str, list[str]] = defaultdict(list)
        for queue, agent in sorted(filter(self._is_served, self._loop.queueing.waiting())):
            queues[agent].append(queue)
        most = PER_TURN // max(1, len(queues))
        left = [self._serve(tick, agent, lines, max(1, most)) for agent, lines in queues.items()]
        if any(left):
            tick.then(self._stir)

    def _serve(self, tick: Tick, agent: str, queues: list[str], most: int) -> int:
        """Deliver up to so many items for an agent, out of its queues in turn; returns how many left them."""
        last = self._last_queue.get(agent, "")
        turns = [queue for queue in queues if queue > last] + [queue for queue in queues if queue <= last]
        share = max(1, min(most, self._room(agent)) // len(queues))
        left = 0
        for queue in turns:
            taken = self._deliver(tick, (queue, agent), min(share, most - left, self._room(agent)))
            if taken:
                self._last_queue[agent] = queue
            left += taken
        return left

    def _room(self, agent: str) -> int:
        """Return how many more items may be delivered for an agent."""
        return self.max_under_way - len(self._under_way[agent]) if agent else PER_TURN

    def _is_served(self, line: Line) -> bool:
        queue, agent = line
        served = self._served is None or queue in self._served or line == _TO_JOBS
        return served and line not in self._looking and self._is_active(agent)

    def _is_active(self, agent: str) -> bool:
        """Tell whether this scheduler cares for the agent; one that nobody knows is everybody's."""
        active = self._loop.roster.active
        return not agent or active is None or agent in active or not self._loop.roster.knows(agent)

    def _deliver(self, tick: Tick, line: Line, most: int) -> int:
        """Deliver up to so many items out of a line; returns how many left it."""
        queue, agent = line
        items = self._loop.ledger.queue_items(queue, agent, limit=most) if most > 0 else []
        waiting = [item for item in items if item.number not in tick.queued]
        unseen = {item.number: item.body for item in waiting if agent and not self._is_seen(item)}
        if unseen:
            self._look_for_objects(tick, line, unseen)
            return 0
        for item in waiting:
            reason = self._tell(tick, item) if item.job else self._start(tick, item)
            self._loop.queueing.leave(tick, item, reason)
        return len(waiting)

    def _tell(self, tick: Tick, item: QueueItem) -> str | None:
        """Tell a job a message, or say why that cannot be."""
        job = self._loop.job_in_turn(tick, item.job)
        if job is None:
            return f"there is no job {item.job!r} in this store"
        reason = self._loop.steering.why_no_message(tick, job)
        if reason is None:
            self._loop.steering.push(tick, item.job, item.body, item.source)
        return reason

    def _start(self, tick: Tick, item: QueueItem) -> str | None:
        """Make a job of an event, or say why that cannot be."""
        missing = self._seen.pop(item.number, None)
        if missing is not None:
            return missing
        try:
            definition = self._loop.roster.definition(item.agent)
            if definition is None:
                return str(self._loop.roster.unknown(item.agent))
            if not definition.event_name:
                return no_event(definition)
            objections = self._loop.roster.objections(definition, (definition.event_name,))
            if objections:
                return f"the event has no variable to be in: {'; '.join(objections)}"
            variables = given.as_event(definition.event_name, item.body)
        except (AgentRefused, TypeError, IndexError) as error:
            return f"the event cannot become a job: {error}"
        name = new_name()
        self._loop.roster.begin(tick, name, definition, JobStart(variables))
        self._under_way[item.agent].add(name)
        tick.note("event_delivered", {"queue": item.queue, "item": item.number, "agent": item.agent, "started": name})
        return None

    # objects in events

    def _is_seen(self, item: QueueItem) -> bool:
        """Tell whether nothing has to be looked for in dbzero before the event becomes a job."""
        try:
            return item.number in self._seen or not given.has_objects(item.body)
        except (TypeError, IndexError):
            return True  # it cannot become one

    def _look_for_objects(self, tick: Tick, line: Line, bodies: dict[int, bytes]) -> None:
        """Have somebody look whether the objects of events are there; their line waits for it."""
        tools = self._loop.calling.tools
        if tools is not None:
            self._looking.add(line)
            tick.then(partial(tools.giver.look, bodies, partial(self._looked, line)))

    def _looked(self, line: Line, seen: dict[int, str | None]) -> None:
        """Go on with a line; what was not looked for is looked for again."""

        def work(_: Tick) -> None:
            self._looking.discard(line)
            self._seen |= seen

        self._loop.do(work)

    # what is under way

    def _take_notice(self, tick: Tick) -> None:
        """See, once it is durable, what the turn has done to jobs of agents."""
        ended = [self._follow(job) for job in tick.changed.values() if job.agent]
        if any(ended):
            self._stir()

    def _follow(self, job: Job) -> bool:
        """Count a job among those under way, or not; tell whether an event may come in its place."""
        jobs = self._under_way[job.agent]
        if job.status in UNDER_WAY:
            jobs.add(job.job)
            return False
        was_there = job.job in jobs
        jobs.discard(job.job)
        return was_there and any(agent == job.agent for _, agent in self._loop.queueing.waiting())

    def _stir(self) -> None:
        """Have a turn in which what waits is looked at."""
        self._loop.do(_nothing)


def _nothing(_: Tick) -> None:
    """Have a turn."""
