"""The disturbance that is armed, and where it happens: at a message, at a commit, at a reply of the model."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from crashsweep.commits import Stage
from crashsweep.link import PASS, Direction, Passing
from crashsweep.plan import MODEL_REPLY, Disturbance, When, commit_of

_DOUBLED: Final = Passing(copies=2)
_DROPPED: Final = Passing(copies=0)
_SEVERED: Final = Passing(sever=True)


class Trap:
    """Looked at by the threads of the link, of the commits and of the model; the sweep's own arms it."""

    def __init__(self, act: Callable[[Disturbance], None]) -> None:
        """`act` carries a disturbance out, in the thread in which it is due; at most one is at a time."""
        self._act = act
        self._armed: Disturbance | None = None
        self._left = 0
        self._lock = threading.Lock()
        self.welcomes = 0
        """How often a supervisor was welcomed."""
        self.messages: Counter[str] = Counter()
        """Those between supervisors and scheduler, by kind."""
        self.commits: Counter[str] = Counter()
        """Commits, by the kinds of events in them."""

    @property
    def is_armed(self) -> bool:
        return self._armed is not None

    def arm(self, disturbance: Disturbance) -> None:
        with self._lock:
            self._armed, self._left = disturbance, disturbance.skip

    def take(self) -> Disturbance | None:
        """Take the disturbance that is armed, unless it has happened."""
        with self._lock:
            taken, self._armed = self._armed, None
            return taken

    def on_message(self, _: Direction, kind: str) -> Passing:
        """Let it happen at a message between supervisor and scheduler."""
        self.messages[kind] += 1
        self.welcomes += kind == "welcome"
        due = self._due({kind}, None)
        if due is None:
            return PASS
        if due.trouble == "kill" and due.when == "after":
            return Passing(afterwards=lambda: self._act(due))
        self._act(due)
        match due.trouble:
            case "kill":
                return PASS
            case "drop":
                return _DROPPED
            case "duplicate":
                return _DOUBLED
            case "delay":
                return Passing(delay_seconds=due.seconds)
            case "sever":
                return _SEVERED

    def on_commit(self, stage: Stage, kinds: Collection[str]) -> None:
        """Let it happen before or after a commit of events of these kinds; the scheduler stands still meanwhile."""
        if stage == "before":
            self.commits.update(kinds)
        self._meet({commit_of(kind) for kind in kinds}, stage)

    def on_model(self, when: When) -> None:
        """Let it happen before the model says anything, or once it has said all."""
        self._meet({MODEL_REPLY}, when)

    def _meet(self, kinds: Collection[str], when: When) -> None:
        due = self._due(kinds, when)
        if due is not None:
            self._act(due)

    def _due(self, kinds: Collection[str], when: When | None) -> Disturbance | None:
        with self._lock:
            armed = self._armed
            if armed is None or armed.kind not in kinds or when not in (None, armed.when):
                return None
            self._left -= 1
            if self._left >= 0:
                return None
            self._armed = None
            return armed
