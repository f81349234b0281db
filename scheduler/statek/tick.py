"""What one turn of the loop gathers: facts to make durable in one transaction, and what to do once they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from statek.core.events import Event
from statek.core.evolve import evolve
from statek.core.jobs import Job
from statek.store.ledger import Ledger, Record, Submission


@dataclass(slots=True)
class Tick:
    """Grows while messages are decided upon; `commit` makes it durable, then `carry_out` lets it show."""

    at_us: int
    records: list[Record] = field(default_factory=list)
    changed: dict[str, Job] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    actions: list[Callable[[], object]] = field(default_factory=list)

    def record(self, name: str, job: Job | None, events: Iterable[Event]) -> Job | None:
        """Fold events into a job and keep both for the commit; returns the job as it stands now."""
        for event in events:
            job = evolve(job, event)
            self.records.append(Record(name, self.at_us, event))
            self.changed[name] = job
        return job

    def then(self, action: Callable[[], object]) -> None:
        """Do this after the commit."""
        self.actions.append(action)

    def commit(self, ledger: Ledger) -> None:
        """Write everything in one transaction; raises `StoreUnwritable` and then nothing may be carried out."""
        if self.records or self.blobs or self.submissions:
            ledger.append(self.records, self.changed.values(), self.blobs, self.submissions)

    def carry_out(self) -> None:
        """Do what was decided, in the order of the decisions."""
        for action in self.actions:
            action()
