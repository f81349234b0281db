"""What was done and what came of it, counted and printed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Account:
    """Everything that a sweep counts."""

    seed: int
    say: Callable[[str], None]
    """Told of each failure at once; the rest is for the end."""
    kills: Counter[str] = field(default_factory=Counter)
    """Processes killed, by part."""
    together: Counter[str] = field(default_factory=Counter)
    """Kills by what was killed together."""
    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Disturbances by trouble and place."""
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    """The last disturbances, which are told with a failure."""
    seconds: float = 0.0

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    def fail(self, text: str) -> None:
        """Put down something that must not be, so that it can be repeated."""
        last = f"; last: {'; '.join(self.recent)}" if self.recent else ""
        self.failures.append(f"seed {self.seed}: {text}{last}")
        self.say(self.failures[-1])

    def text(self) -> str:
        """The account for people."""
        sections = [
            (f"killed: {self.killed} processes", self.kills),
            ("killed together", self.together),
            ("at", Counter({f"{trouble} {place}": count for (trouble, place), count in self.points.items()})),
            (f"jobs: {sum(self.outcomes.values())}", self.outcomes),
            ("seen", self.events),
        ]
        lines = [f"seed {self.seed}, {self.seconds:.0f} s"]
        for heading, counts in sections:
            lines.append(heading)
            lines += [f"  {name:<44}{count:>8,}" for name, count in sorted(counts.items())]
        lines.append(f"failures: {len(self.failures)}")
        return "\n".join([*lines, *(f"  {text}" for text in self.failures)])
