"""What an interpreter is given to work from, put together from the ledger."""

from __future__ import annotations

from statek.calls.offered import Offered
from statek.core.events import CallRequested, ClockObserved
from statek.core.jobs import Job
from statek.store.ledger import Ledger
from statek_policies import Policy
from statek_protocol.messages.interpreter import BatchSource, Load, Run, Segment


def compose_load(ledger: Ledger, job: Job, policy: Policy, offered: Offered) -> Load:
    """Put together a job's namespace: policy, variables, the sources that define them, names of tools.

    Tools that the policy denies are among the names: a guest that calls one is told so, and the attempt is on record.
    """
    workspace = ledger.workspace(job)
    sources = tuple(BatchSource(batch, *ledger.source(job.job, batch)) for batch in workspace.manifest.batches())
    described = workspace.manifest.segments
    segments = tuple(Segment(number, data, described[number].batches) for number, data in workspace.data.items())
    given = tuple(map(ledger.blob, job.offered_values))
    exports = tuple(dict.fromkeys((*offered.exports, *job.offered)))
    return Load(policy.to_wire(), segments, sources, offered.names, offered.temporals, exports, given)


def compose_run(ledger: Ledger, job: Job) -> Run:
    """Put together the batch in hand, from where its last checkpoint left it."""
    running = job.running
    assert running is not None, "only a job with a batch in hand is run"
    observed = [
        stored.event.data
        for stored in ledger.batch_events(job.job, running.batch, (ClockObserved.kind,))
        if isinstance(stored.event, ClockObserved)
    ]
    return Run(
        running.batch,
        running.name,
        ledger.blob(running.source),
        running.instruction,
        running.calls_at_checkpoint,
        tuple(observed[running.observed_at_checkpoint :]),
        running.console_at_checkpoint,
        running.lines_at_checkpoint,
    )


def requested_at_us(ledger: Ledger, job: str, batch: int, number: int) -> int | None:
    """Return when a call was first requested, in µs of Unix time."""
    for stored in ledger.batch_events(job, batch, (CallRequested.kind,)):
        if isinstance(stored.event, CallRequested) and stored.event.number == number:
            return stored.at_us
    return None
