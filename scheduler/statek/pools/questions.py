"""Which jobs wait to have their models asked, and for which of them a reply is awaited? Pure.

Those of a provider that answers slowly, or not at all, wait for one another and for nobody else: of each provider only
as many questions are under way as it takes at once. Agents are served in turn, as they are at executors (`fairness`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from statek.pools.fairness import FairQueue, Shares


class Questions:
    """Jobs by name; a job that waits may have no question any more when its turn comes."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._lines: dict[str, FairQueue] = {}
        self._under_way: dict[str, str] = {}
        """Providers by job."""
        self._count: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, job: str) -> bool:
        return job in self._under_way

    @property
    def waiting(self) -> int:
        """Return how many wait for their turn."""
        return sum(map(len, self._lines.values()))

    def wait(self, job: str, provider: str, agent: str, *, begun: bool) -> None:
        """Let a job wait for its turn; one that has begun comes before others of its agent that have not."""
        if provider not in self._lines:
            self._lines[provider] = FairQueue(self._shares)
        self._lines[provider].push(agent, job, begun=begun)

    def next(self, most: Callable[[str], int]) -> str | None:
        """Take out the job that is next among those whose providers take another question; None without one."""
        best = None
        for provider, line in self._lines.items():
            rank = line.first
            if rank is None or (best is not None and best[0] <= rank) or self._count[provider] >= most(provider):
                continue
            best = (rank, line)
        return None if best is None else best[1].pop()

    def begin(self, job: str, provider: str, agent: str) -> None:
        """Count a question as under way."""
        self._under_way[job] = provider
        self._count[provider] += 1
        self._shares.occupy(_place(job), agent)

    def over(self, job: str) -> None:
        """Forget a question that was under way, if it was."""
        provider = self._under_way.pop(job, None)
        if provider is not None:
            self._count[provider] -= 1
            self._shares.vacate(_place(job))


def _place(job: str) -> str:
    """Name the place that a question takes; no lease has such a name."""
    return f"{job}?"
