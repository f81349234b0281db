"""When a batch has used up its time: first a signal, then the end. Pure; clocks come in from outside."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

from statek_protocol.messages.interpreter import LimitBreach

GRACE_SECONDS: Final = 1.0
"""What a guest has after the signal to tidy up, in the same measure (CPU or wall) as the limit that was reached."""
SHORTEST_WAIT_SECONDS: Final = 0.002
SOFT_SIGNALS: Final = {"cpu_seconds": signal.SIGXCPU, "wall_seconds": signal.SIGALRM}


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due; look again after this time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Warn:
    """A soft limit is reached: send its signal."""

    limit: str


@dataclass(frozen=True, slots=True)
class Kill:
    """The grace is used up too: end the interpreter."""

    breach: LimitBreach


class Deadlines:
    """The time limits of one batch. While a call is outstanding the wall clock stands: waiting is not the guest's."""

    def __init__(self, *, cpu_limit: float, wall_limit: float, now: float, cpu: float) -> None:
        self._limits = {"cpu_seconds": cpu_limit, "wall_seconds": wall_limit}
        self._cpu_started = cpu
        self._wall_started = now
        self._paused_at: float | None = None
        self._warned: set[str] = set()

    def pause(self, now: float) -> None:
        """The guest stands still for a reply."""
        self._paused_at = now

    @property
    def paused(self) -> bool:
        """Whether the guest stands still for a reply."""
        return self._paused_at is not None

    def resume(self, now: float) -> None:
        """The reply is on its way to the guest."""
        if self._paused_at is not None:
            self._wall_started += now - self._paused_at
            self._paused_at = None

    def used(self, now: float, cpu: float) -> dict[str, float]:
        """Return CPU and wall seconds that the batch has used."""
        end = now if self._paused_at is None else self._paused_at
        return {"cpu_seconds": cpu - self._cpu_started, "wall_seconds": end - self._wall_started}

    def check(self, now: float, cpu: float) -> Wait | Warn | Kill:
        """Say what is due now; a `Warn` is given once per limit."""
        used = self.used(now, cpu)
        for name, limit in self._limits.items():
            if used[name] >= limit + GRACE_SECONDS:
                return Kill(LimitBreach(name, limit, used[name]))
        for name, limit in self._limits.items():
            if used[name] >= limit and name not in self._warned:
                self._warned.add(name)
                return Warn(name)
        return Wait(max(SHORTEST_WAIT_SECONDS, min(self._remaining(used))))

    def _remaining(self, used: dict[str, float]) -> list[float]:
        """List the times until each next mark. A single-threaded process burns CPU no faster than the wall clock."""
        return [
            limit + (GRACE_SECONDS if name in self._warned else 0) - used[name]
            for name, limit in self._limits.items()
            if not (name == "wall_seconds" and self._paused_at is not None)
        ]
