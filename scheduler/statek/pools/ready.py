"""The jobs that wait for an executor, by the layers that their policies require. Pure.

A job that no executor has room for costs nothing in a turn: it lies among others of its kind, and one question answers
for all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias, TypeVar

from statek.pools.fairness import FairQueue, Shares

T = TypeVar("T")
Layers: TypeAlias = frozenset[str]


class Kind(NamedTuple):
    """What is to be known of a job that waits."""

    layers: Layers
    agent: str
    begun: bool = False
    """It is in the middle of a batch or of a conversation, so it goes before others of its agent."""


class ReadyJobs:
    """Jobs by name; agents are served in turn (`fairness`), also across kinds of jobs."""

    def __init__(self) -> None:
        self.shares = Shares()
        self._new: deque[str] = deque()
        self._kinds: dict[Layers, FairQueue] = {}

    def __len__(self) -> int:
        return len(self._new) + sum(map(len, self._kinds.values()))

    def add(self, job: str) -> None:
        """Let a job wait; what it requires is asked when it is sorted in."""
        self._new.append(job)

    def sort_in(self, limit: int, kind_of: Callable[[str], Kind | None]) -> bool:
        """Sort in so many of the new ones at most; tell whether any are left.

        `kind_of` returns None for a job that is not READY any more.
        """
        for _ in range(min(limit, len(self._new))):
            job = self._new.popleft()
            kind = kind_of(job)
            if kind is not None:
                if kind.layers not in self._kinds:
                    self._kinds[kind.layers] = FairQueue(self.shares)
                self._kinds[kind.layers].push(kind.agent, job, begun=kind.begun)
        return bool(self._new)

    def waiting(self) -> Iterator[tuple[Layers, int]]:
        """Yield how many wait for which layers."""
        yield from ((layers, len(queue)) for layers, queue in self._kinds.items() if queue)

    def next(self, place_for: Callable[[Layers], T | None]) -> tuple[str, T] | None:
        """Take out the job that is next among those for which there is a place, with the place; None without one."""
        best: tuple[tuple[int, int], FairQueue, T] | None = None
        for layers, queue in self._kinds.items():
            rank = queue.first
            if rank is None or (best is not None and best[0] <= rank):
                continue
            place = place_for(layers)
            if place is not None:
                best = (rank, queue, place)
        return None if best is None else (best[1].pop(), best[2])

    def take(self, layers: Layers) -> str:
        """Take out the next job that requires these layers; raises KeyError or IndexError when there is none."""
        return self._kinds[layers].pop()
