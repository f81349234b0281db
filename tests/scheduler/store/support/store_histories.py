"""Lives of jobs to fill a ledger with: tick by tick, as the scheduler's loop would append them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from statek.core import events
from statek.core.evolve import evolve
from statek.core.jobs import Job, Usage, digest
from statek.core.workspaces import EMPTY_ROOT
from statek.store.ledger import Ledger, Record
from statek_protocol.messages.interpreter import GuestError, LimitBreach, TransientValue

POLICY = b"the policy"
SOURCE = b"print('hello')\n"
PROGRESS = events.Progress(80, 3, 2, {"ask": 2}, 4)
"""What a batch had done that ended at a limit."""


@dataclass(frozen=True)
class Tick:
    """What one append gets."""

    records: list[Record]
    jobs: list[Job]
    blobs: dict[str, bytes]


def ticks(job: str, lines: int = 3) -> Iterator[Tick]:
    """Tell one job's life: a batch that prints, calls, fails and is given up, and one that is skipped."""
    state: Job | None = None
    for number, step in enumerate(_life(job, lines)):
        for event in step:
            state = evolve(state, event)
        assert state is not None
        blobs = {digest(data): data for data in (POLICY, SOURCE, b"workspace of " + job.encode())}
        yield Tick([Record(job, number * 1_000, event) for event in step], [state], blobs if number < 2 else {})


def fill(ledger: Ledger, jobs: int, lines: int = 3) -> int:
    """Append the lives of some jobs; return the last cursor."""
    first = ledger.counts()
    for number in range(sum(first.values()), sum(first.values()) + jobs):
        for tick in ticks(f"job-{number}", lines):
            ledger.append(tick.records, tick.jobs, tick.blobs)
    return ledger.last_cursor


def _life(job: str, lines: int) -> Iterator[list[events.Event]]:
    error = GuestError("ValueError", f"no \0 luck in {job}", 3)
    yield [
        events.JobCreated(job, "default", digest(POLICY)),
        events.BatchSubmitted(1, "first", digest(SOURCE)),
        events.BatchSubmitted(2, "second", digest(SOURCE)),
    ]
    yield [events.LeaseGranted("lease-1", 1, "executor-1", "host-1"), events.BatchStarted(1, 0, 0)]
    for line in range(lines):
        yield [events.ConsolePrinted(1, "output", f"{job} \0 line {line}\n".encode())]
    yield [events.CallRequested(1, 0, "ask", b"arguments"), events.ClockObserved(1, b"noon")]
    yield [events.CallAnswered(1, 0, b"value", None), events.CallRequested(1, 1, "ask", b"more")]
    yield [
        events.CallAnswered(1, 1, None, error),
        events.CheckpointTaken(1, 4, EMPTY_ROOT, (), (), (TransientValue("gen", "generator", "it runs"),)),
        events.ConsolePrinted(1, "notice", b"gen is not kept\n"),
    ]
    yield [events.PolicyViolated(1, "import", "os is not allowed", 7, "compile")]
    yield [
        events.UsageMetered(1, Usage(0.25, 1.5, 1_000, 80, 2)),
        events.BatchEnded(1, "limit", error, LimitBreach("cpu_seconds", 5.0, 5.5), (), PROGRESS),
        events.BatchSkipped(2),
        events.LeaseEnded("lease-1", 1, "no batch is left", blamed=False),
        events.JobEnded("limit"),
    ]
