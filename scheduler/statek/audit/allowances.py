"""How many records somebody may bring about: so many at once, then some per second, and the rest is counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rate:
    """What is allowed: that many at once, and as many again after `burst / per_second` seconds."""

    burst: int
    per_second: float


REFUSALS: Final = Rate(100, 1.0)
"""Of one lease: calls that were denied, and violations."""
NOTES: Final = Rate(100, 1.0)
"""Of one reason: refused messages and requests, executors that come and go."""


@dataclass(slots=True)
class Allowance:
    """What is left of a rate. The clock may jump, which at worst costs or gives one burst."""

    rate: Rate
    left: float
    at_us: int

    @classmethod
    def full(cls, rate: Rate, at_us: int) -> Allowance:
        return cls(rate, rate.burst, at_us)

    def take(self, at_us: int) -> bool:
        """Take one; False when nothing is left."""
        earned = max(0, at_us - self.at_us) / 1e6 * self.rate.per_second
        self.left = min(float(self.rate.burst), self.left + earned)
        self.at_us = at_us
        if self.left < 1:
            return False
        self.left -= 1
        return True
