"""What one turn of the loop gathers: facts to make durable in one transaction, and what to do once they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from statek.audit.recorder import Recorder
from statek.audit.records import Body, Draft
from statek.core.events import Event, FutureCreated, FutureResolved
from statek.core.evolve import evolve
from statek.core.jobs import Job
from statek.core.workspaces import Manifest, WorkspaceChange
from statek.store.agent_table import KnownAgent
from statek.store.completions import Completion
from statek.store.ledger import Ledger, Record, Submission
from statek.store.queue_table import QueueItem


@dataclass(slots=True)
class Tick:
    """Grows while messages are decided upon; `commit` makes it durable, then `carry_out` lets it show."""

    at_us: int
    recorder: Recorder
    after: int
    """The newest event in the ledger when the turn begins."""
    drafts: list[Draft] = field(default_factory=list)
    """For the audit log."""
    records: list[Record] = field(default_factory=list)
    changed: dict[str, Job] = field(default_factory=dict)
    read: dict[str, Job] = field(default_factory=dict)
    """Jobs that were read from the ledger in this turn."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    workspaces: list[tuple[str, WorkspaceChange]] = field(default_factory=list)
    """What changes of jobs' variables, in order."""
    submissions: list[Submission] = field(default_factory=list)
    actions: list[Callable[[], object]] = field(default_factory=list)
    resolved: dict[tuple[str, int], FutureResolved] = field(default_factory=dict)
    """What became of futures in this turn, by job and number."""
    promised: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    """Futures that got a key in this turn, by the key."""
    completed: dict[str, Completion] = field(default_factory=dict)
    """What was completed from outside in this turn, by key."""
    agents: dict[str, KnownAgent] = field(default_factory=dict)
    """Agents that were defined or changed in this turn, by name."""
    queued: dict[int, QueueItem | None] = field(default_factory=dict)
    """What became of items of queues in this turn, by number; None for those that have left."""
    pushed: dict[tuple[str, str], int] = field(default_factory=dict)
    """Numbers of what was pushed in this turn, by queue and key."""
    moved: Counter[str] = field(default_factory=Counter)
    """By how much the numbers of jobs have changed, by status."""

    def record(self, name: str, job: Job | None, events: Iterable[Event]) -> Job | None:
        """Fold the events of one decision into a job and keep both for the commit; returns the job as it stands now."""
        decided = tuple(events)
        for event in decided:
            before, job = job, evolve(job, event)
            self.records.append(Record(name, self.at_us, event))
            self.drafts += self.recorder.of_event(self.at_us, name, before, event, self.cursor)
            self.changed[name] = job
            if isinstance(event, FutureResolved):
                self.resolved[name, event.number] = event
            elif isinstance(event, FutureCreated) and event.key:
                self.promised.setdefault(event.key, set()).add((name, event.number))
            self.moved[job.status] += 1
            if before is not None:
                self.moved[before.status] -= 1
        for event in decided:
            self.recorder.settle(name, event)
        return job

    @property
    def cursor(self) -> int:
        """Return the cursor that the last event so far will have."""
        return self.after + len(self.records)

    def note(self, kind: str, body: Body) -> None:
        """Put something on the audit log that is no event of a job and no peer's doing."""
        self.drafts += self.recorder.note(self.at_us, kind, body)

    def note_bounded(self, kind: str, body: Body, *, reason: str, job: str | None = None) -> None:
        """Put on the audit log what a peer can bring about: told, or counted beyond what is allowed for the reason."""
        self.drafts += self.recorder.note_bounded(self.at_us, kind, body, reason=reason, job=job)

    def manifest(self, name: str, ledger: Ledger) -> Manifest:
        """Return what there is of a job's variables when this turn is durable."""
        decided = [change.manifest for job, change in self.workspaces if job == name]
        return decided[-1] if decided else ledger.manifest(name)

    def then(self, action: Callable[[], object]) -> None:
        """Do this after the commit."""
        self.actions.append(action)

    def commit(self, ledger: Ledger) -> None:
        """Write everything in one transaction; raises `StoreUnwritable` and then nothing may be carried out."""
        if (
            self.records
            or self.blobs
            or self.submissions
            or self.drafts
            or self.completed
            or self.agents
            or self.queued
        ):
            ledger.append(
                self.records,
                self.changed.values(),
                self.blobs,
                self.submissions,
                self.drafts,
                self.workspaces,
                self.completed.values(),
                self.agents.values(),
                self.queued,
            )

    def carry_out(self) -> None:
        """Do what was decided, in the order of the decisions."""
        for action in self.actions:
            action()
