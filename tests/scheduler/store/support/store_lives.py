"""Jobs with their audit records and their blobs, and forgetting them, as a scheduler's turns would."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from store_histories import POLICY, SOURCE, ticks

from statek.audit.recorder import Recorder
from statek.audit.verification import Fault, verify
from statek.core import events
from statek.core.jobs import Job, digest
from statek.loop.retaining import Forgetter
from statek.loop.tick import Tick
from statek.store.audit_reader import AuditReader
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger, Record

ENDED, NOW = 5_000_000, 10_000_000
"""When most jobs of these tests have ended, and what time it is, in µs."""


def live(ledger: Ledger, jobs: int, lines: int = 3, parent: str = "") -> list[str]:
    """Append the lives of some jobs; returns the jobs' names."""
    recorder, first = Recorder(), ledger.last_cursor
    names = [f"job-{first}-{number}" for number in range(jobs)]
    for name in names:
        tick = Tick(ENDED, recorder, ledger.last_cursor)
        _tell(tick, [record for step in ticks(name, lines) for record in step.records], parent)
        tick.commit(ledger)
    return names


def begin(ledger: Ledger, name: str, *, steps: int = 1, parent: str = "", at_us: int = ENDED) -> str:
    """Append the beginning of a job's life, of so many steps; returns its name."""
    tick = Tick(at_us, Recorder(), ledger.last_cursor)
    _tell(tick, [record for step in islice(ticks(name), steps) for record in step.records], parent)
    tick.commit(ledger)
    return name


def go_on(ledger: Ledger, name: str, *more: events.Event, at_us: int = ENDED) -> None:
    """Let something happen to a job."""
    tick = Tick(at_us, Recorder(), ledger.last_cursor)
    tick.record(name, ledger.job(name), more)
    tick.commit(ledger)


def forget(ledger: Ledger, before_us: int = NOW, *, portions: int = 10_000) -> int:
    """Forget and delete in so many portions at most; returns how many jobs were forgotten."""
    forgetter, recorder = Forgetter(ledger), Recorder()
    for _ in range(portions):
        tick = Tick(NOW, recorder, ledger.last_cursor)
        decided = forgetter.decide(tick, before_us)
        tick.commit(ledger)
        if forgetter.carry_out() and decided:
            break
    return forgetter.forgotten


def fault_of(store: StoreDirectory) -> Fault | None:
    """Verify the audit log against the events that are there."""
    with AuditReader.read(store.ledger) as audit, audit.snapshot():
        return verify(audit).fault


def _tell(tick: Tick, records: list[Record], parent: str) -> None:
    """Make a part of a job's life a part of the turn; what the job starts with is a blob of its own."""
    job: Job | None = None
    for record in records:
        event, own = record.event, f"given to {record.job}".encode()
        if isinstance(event, events.JobCreated):
            event = replace(event, parent=parent, given=digest(own))
            tick.blobs |= {digest(data): data for data in (POLICY, SOURCE, own)}
        job = tick.record(record.job, job, [event])
