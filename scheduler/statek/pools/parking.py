"""Which leases of waiting jobs are kept, and which are ended to make room? Pure; the clock comes in.

A job that waits for a future, or for its model, keeps its interpreter for a while, so that a wait which ends soon goes
on in microseconds. That is a cache and nothing more: an evicted job goes on from its checkpoint and the record. So
whoever needs the place, or has waited too long, or is one too many, ends the longest wait first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Parking:
    """The leases that wait, oldest first; each with the time, in monotonic seconds, since when."""

    seconds: float
    """How long a lease is kept; 0 keeps none."""
    most: int
    """How many are kept at once."""
    _since: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, lease: str) -> bool:
        return lease in self._since

    def park(self, lease: str, now: float) -> None:
        """Count a lease among those that wait; one that does already keeps its place."""
        self._since.setdefault(lease, now)

    def leave(self, lease: str) -> None:
        """Forget a lease that goes on or has ended."""
        self._since.pop(lease, None)

    def overdue(self, now: float) -> list[str]:
        """List those whose time is over, and the oldest of those that are too many."""
        too_many = len(self._since) - self.most
        return [
            lease
            for place, (lease, since) in enumerate(self._since.items())
            if place < too_many or now - since >= self.seconds
        ]

    def next_overdue(self, now: float) -> float | None:
        """Return after how many seconds the oldest wait's time is over; None when nothing waits."""
        oldest = next(iter(self._since.values()), None)
        return None if oldest is None else max(0.0, oldest + self.seconds - now)

    def longest(self, leases: Iterable[str]) -> str | None:
        """Choose among some leases the one that has waited longest."""
        return min((lease for lease in leases if lease in self._since), key=self._since.__getitem__, default=None)
