"""Whether records and the ledger's events tell the same: a merge of both, in the order of the events. Pure.

Every audited event has its records, one after the other, except for refusals beyond what is told one by one: those are
covered by the next count of their job, which comes before anything else is told of it. Of a job that was forgotten the
events up to its end may be missing; that it was is an event itself, which has its record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from statek.audit.kinds import COUNTED
from statek.audit.records import AuditRecord


@dataclass(frozen=True, slots=True)
class AuditedEvent:
    """An event of the ledger that has to have records."""

    cursor: int
    job: str
    kinds: tuple[str, ...]
    """Of its records, in their order; none where the event cannot be read."""
    refusal: bool
    digest: bytes


class Disagreement(Exception):
    """A record and the events do not tell the same."""

    def __init__(self, cursor: int | None, text: str) -> None:
        super().__init__(text)
        self.cursor = cursor


@dataclass(slots=True)
class _Untold:
    first: int
    last: int
    counts: Counter[str] = field(default_factory=Counter)


class Agreement:
    """How far records and events were compared."""

    def __init__(self, events: Iterator[AuditedEvent], forgotten: Callable[[str], int]) -> None:
        """`forgotten` tells up to which event those of a job may be missing; 0 where none may."""
        self._events: Final = events
        self._forgotten: Final = forgotten
        self._next = next(events, None)
        self._told: AuditedEvent | None = None
        """The event that the last record spoke of."""
        self._due: list[str] = []
        """Kinds of records that it still has to have."""
        self._untold: dict[str, _Untold] = {}

    def take(self, record: AuditRecord) -> None:
        """Compare the next record; raises `Disagreement`."""
        if record.cursor is None:
            return
        if record.kind == COUNTED:
            self._take_count(record)
            return
        if self._told is None or self._told.cursor != record.cursor:
            self._pass_events(record.cursor)
            if self._is_gone_by_rule(record):
                return
        if self._told is None or self._told.cursor != record.cursor or not self._due:
            self._begin(record)
        assert self._told is not None
        if self._due.pop(0) != record.kind or self._told.job != record.job:
            raise Disagreement(record.cursor, f"it does not tell what event {record.cursor} is")
        if self._told.digest != record.event:
            raise Disagreement(record.cursor, f"event {record.cursor} is not the one that it was written for")

    def finish(self, may_count: Callable[[str], bool]) -> None:
        """Compare what is left; a job that has a lease may have refusals that are still being counted."""
        self._pass_events(None)
        for job, untold in self._untold.items():
            if not may_count(job) and untold.last > self._forgotten(job):
                raise Disagreement(untold.first, f"event {untold.first} has no record, and no count that covers it")

    def _is_gone_by_rule(self, record: AuditRecord) -> bool:
        """Tell whether the event that a record speaks of is not there any more because its job was forgotten."""
        assert record.cursor is not None
        is_there = self._next is not None and self._next.cursor == record.cursor
        return not is_there and record.cursor <= self._forgotten(record.job or "")

    def _begin(self, record: AuditRecord) -> None:
        """Go on to the event that a record is the first to speak of."""
        assert record.cursor is not None
        self._pass_events(record.cursor)
        if self._next is None or self._next.cursor != record.cursor:
            raise Disagreement(record.cursor, f"it speaks of event {record.cursor}, which is not in the ledger")
        if record.job in self._untold:
            first = self._untold[record.job].first
            raise Disagreement(first, f"event {first} has no record, and no count that covers it")
        self._told = self._readable(self._next)
        self._due = list(self._told.kinds)
        self._next = next(self._events, None)

    def _pass_events(self, before: int | None) -> None:
        """Pass by the events before that one, or all: each must be one that may go untold."""
        if self._due:
            assert self._told is not None
            raise Disagreement(self._told.cursor, f"event {self._told.cursor} has no record of kind {self._due[0]}")
        while self._next is not None and (before is None or self._next.cursor < before):
            self._pass(self._readable(self._next))
            self._next = next(self._events, None)

    def _pass(self, event: AuditedEvent) -> None:
        if not event.refusal:
            raise Disagreement(event.cursor, f"event {event.cursor} has no record of kind {event.kinds[0]}")
        untold = self._untold.setdefault(event.job, _Untold(event.cursor, event.cursor))
        untold.last = event.cursor
        untold.counts.update(event.kinds)

    def _take_count(self, record: AuditRecord) -> None:
        assert record.cursor is not None
        self._pass_events(record.cursor + 1)
        untold = self._untold.pop(record.job or "", None)
        if record.cursor <= self._forgotten(record.job or ""):
            return
        found = None if untold is None else {"first": untold.first, "last": untold.last, "counts": dict(untold.counts)}
        if found != record.said or record.cursor != record.said["last"]:
            raise Disagreement(record.cursor, f"the refusals up to event {record.cursor} are not those that it counts")

    def _readable(self, event: AuditedEvent) -> AuditedEvent:
        if not event.kinds:
            raise Disagreement(event.cursor, f"event {event.cursor} cannot be read")
        return event
