"""From what happens to records: told one by one, or counted where somebody tries to flood the log. No clock, no store.

What was done is always told; its number is bounded by policies and clients. What was refused can be tried again without
end, so each lease has an allowance for it. Beyond that it is counted, and the count becomes a record before anything
else is told of the job, at the latest with the end of the lease.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from statek.audit.allowances import NOTES, REFUSALS, Allowance
from statek.audit.kinds import COUNTED, Scene, entries_for
from statek.audit.records import Body, Draft, canonical
from statek.core.events import Event, LeaseEnded, LeaseGranted
from statek.core.jobs import Job

COUNTED_FOR_US: Final = 10_000_000
"""After so long a count of refused messages is told, also where nothing else is."""


@dataclass(slots=True)
class Untold:
    """Refusals that were counted: how many of each kind of record, and between which events."""

    first: int | None
    last: int | None
    counts: Counter[str] = field(default_factory=Counter)

    def body(self) -> Body:
        return {"first": self.first, "last": self.last, "counts": dict(self.counts)}


@dataclass(slots=True)
class _Attempts:
    """What may still be told of one lease's refusals or for one reason, and what was counted since."""

    allowance: Allowance
    untold: Untold | None = None
    since_us: int = 0

    def count(self, kind: str, at_us: int, cursor: int | None) -> None:
        if self.untold is None:
            self.untold, self.since_us = Untold(cursor, cursor), at_us
        self.untold.last = cursor
        self.untold.counts[kind] += 1


class Recorder:
    """The volatile side of the audit log: leases in force, allowances, and what was counted and not told yet."""

    def __init__(self) -> None:
        self._leases: dict[str, LeaseGranted] = {}
        self._jobs: dict[str, _Attempts] = {}
        self._reasons: dict[str, _Attempts] = {}

    def of_event(self, at_us: int, name: str, before: Job | None, event: Event, cursor: int) -> Iterator[Draft]:
        """Yield what is to be recorded of an event that the job, as it was before it, meets."""
        entries = entries_for(event)
        if not entries:
            return
        if isinstance(event, LeaseGranted):
            self._leases[name] = event
        scene = Scene(before, self._leases.get(name))
        for entry in entries:
            if entry.refusal and not self._may_tell(name, at_us):
                self._jobs[name].count(entry.kind, at_us, cursor)
                continue
            yield from self._counted(name, at_us)
            yield Draft(at_us, entry.kind, name, canonical(entry.says(event, scene)), cursor)

    def settle(self, name: str, event: Event) -> None:
        """Forget a lease that has ended, once all that was decided with its end is recorded."""
        if isinstance(event, LeaseEnded):
            self._leases.pop(name, None)
            self._jobs.pop(name, None)

    def resume(self, name: str, at_us: int, untold: Untold) -> None:
        """Take over what a former process had counted and did not live to tell."""
        self._jobs[name] = _Attempts(Allowance.full(REFUSALS, at_us), untold)

    def note(self, at_us: int, kind: str, body: Body, *, job: str | None = None) -> Iterator[Draft]:
        """Yield a record of something that is no event and that nobody outside can bring about at will."""
        yield Draft(at_us, kind, job, canonical(body))

    def note_bounded(
        self, at_us: int, kind: str, body: Body, *, reason: str, job: str | None = None
    ) -> Iterator[Draft]:
        """Yield a record of something that a peer can bring about; beyond the allowance of its reason it is counted."""
        key = f"{kind}:{reason}"
        attempts = self._reasons.setdefault(key, _Attempts(Allowance.full(NOTES, at_us)))
        if not attempts.allowance.take(at_us):
            attempts.count(key, at_us, None)
            return
        yield from _told(attempts, None, at_us)
        yield Draft(at_us, kind, job, canonical(body))

    def overdue(self, at_us: int, *, all_of_it: bool = False) -> Iterator[Draft]:
        """Yield the counts of refused messages that have waited long enough, or all of them at the end."""
        for attempts in self._reasons.values():
            if all_of_it or not 0 <= at_us - attempts.since_us < COUNTED_FOR_US:
                yield from _told(attempts, None, at_us)

    def _may_tell(self, name: str, at_us: int) -> bool:
        attempts = self._jobs.get(name)
        if attempts is None:
            attempts = self._jobs[name] = _Attempts(Allowance.full(REFUSALS, at_us))
        return attempts.allowance.take(at_us)

    def _counted(self, name: str, at_us: int) -> Iterator[Draft]:
        attempts = self._jobs.get(name)
        if attempts is not None:
            yield from _told(attempts, name, at_us)


def _told(attempts: _Attempts, job: str | None, at_us: int) -> Iterator[Draft]:
    untold, attempts.untold = attempts.untold, None
    if untold is not None:
        yield Draft(at_us, COUNTED, job, canonical(untold.body()), untold.last)
