"""Whose READY job comes next, when agents have different numbers of them? Pure; no clock, no job, no executor.

The next place goes to the agent that has the fewest places now; among equals, to the one that was served longest ago.
So places are shared evenly among agents that have something to run, whatever their numbers and however long their
jobs take, and an agent with one job gets the next place that comes free beside another with ten thousand. Within an
agent, jobs that have begun go on before others begin, and otherwise it is first come, first served. Every step costs
the logarithm of the number of agents that wait.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from typing import NamedTuple, TypeAlias

Rank: TypeAlias = tuple[int, int]
"""How many places an agent has, and when it was served last."""


class Shares:
    """Which places are taken by which agents, for all queues together."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._taken: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        self._turn = 0
        self.queues: list[FairQueue] = []

    def rank(self, agent: str) -> Rank:
        """Return by what an agent comes before another: the smaller one is next."""
        return self._taken[agent], self._served.get(agent, 0)

    def occupy(self, place: str, agent: str) -> None:
        """Let an agent have a place; one that it has already is the same place."""
        if place not in self._places:
            self._places[place] = agent
            self._taken[agent] += 1

    def vacate(self, place: str) -> None:
        """Take a place away; one that nobody has is nobody's afterwards."""
        agent = self._places.pop(place, None)
        if agent is None:
            return
        self._taken[agent] -= 1
        if not self._taken[agent]:
            del self._taken[agent]
        for queue in self.queues:
            queue.moved_up(agent)
        self.forget_if_idle(agent)

    def serve(self, agent: str) -> None:
        """Note that it was an agent's turn."""
        self._turn += 1
        self._served[agent] = self._turn

    def forget_if_idle(self, agent: str) -> None:
        """Forget when an agent was served that neither has a place nor waits for one."""
        if agent not in self._taken and not any(queue.waits(agent) for queue in self.queues):
            self._served.pop(agent, None)


class _Line(NamedTuple):
    """The jobs of one agent in a queue."""

    begun: deque[str]
    new: deque[str]


class FairQueue:
    """Jobs of many agents that wait for the same kind of place."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._waiting: dict[str, _Line] = {}
        self._ranked: list[tuple[Rank, str]] = []
        """A heap with an entry for each agent that waits, by its rank as it is now; others in it are out of date."""
        self._jobs = 0
        shares.queues.append(self)

    def __len__(self) -> int:
        return self._jobs

    def waits(self, agent: str) -> bool:
        """Tell whether a job of an agent is in the queue."""
        return agent in self._waiting

    def push(self, agent: str, job: str, *, begun: bool = False) -> None:
        """Let a job wait behind the others of its agent that have begun, or also behind those that have not."""
        jobs = self._waiting.get(agent)
        if jobs is None:
            jobs = self._waiting[agent] = _Line(deque(), deque())
            heapq.heappush(self._ranked, (self._shares.rank(agent), agent))
        (jobs.begun if begun else jobs.new).append(job)
        self._jobs += 1

    def moved_up(self, agent: str) -> None:
        """Take notice that an agent has fewer places than before."""
        if agent in self._waiting:
            heapq.heappush(self._ranked, (self._shares.rank(agent), agent))

    @property
    def first(self) -> Rank | None:
        """Return the rank of the agent that is next; None when nobody waits."""
        while self._ranked:
            rank, agent = self._ranked[0]
            if agent in self._waiting and rank == self._shares.rank(agent):
                return rank
            heapq.heappop(self._ranked)
            if agent in self._waiting and rank < self._shares.rank(agent):  # it was served, or has more places now
                heapq.heappush(self._ranked, (self._shares.rank(agent), agent))
        return None

    def pop(self) -> str:
        """Take out the job that is next; raises IndexError when there is none."""
        if self.first is None:
            raise IndexError("no job waits")
        agent = self._ranked[0][1]
        jobs = self._waiting[agent]
        job = (jobs.begun or jobs.new).popleft()
        self._jobs -= 1
        self._shares.serve(agent)
        if not jobs.begun and not jobs.new:
            del self._waiting[agent]
        return job
