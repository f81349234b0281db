"""How a batch ends, what that means for its job, and for the lease under which it ran. Pure."""

from __future__ import annotations

from dataclasses import replace

from statek.core import turns
from statek.core.decisions import Decision
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    Event,
    JobEnded,
    JobHeld,
    LeaseEnded,
    TurnRequested,
)
from statek.core.evolve import begin, evolved
from statek.core.instructions import EndLease, StartBatch
from statek.core.jobs import Job, RunningBatch
from statek.core.leases import Lease
from statek_policies.rules import OnViolation
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError


def at_checkpoint(lease: Lease, running: RunningBatch) -> Lease:
    return replace(
        lease,
        console_bytes=running.console_at_checkpoint,
        console_lines=running.lines_at_checkpoint,
        console_checksum=running.checksum_at_checkpoint,
        calls=running.calls_at_checkpoint,
        violations=running.violations_at_checkpoint,
        awaiting=None,
        metered=None,
    )


def divergence(detail: str) -> GuestError:
    text = f"the replay took another way than the first run: {detail}"
    return GuestError("ReplayDiverged", text[:TEXT_LIMIT], None)


def fail_batch(job: Job, running: RunningBatch, lease: Lease, error: GuestError) -> Decision:
    return end_batch(job, lease, BatchEnded(running.batch, "failed", error, None))


def end_batch(job: Job, lease: Lease, ended: BatchEnded) -> Decision:
    """End the batch; if all is well the lease goes on with the next one under its policy, or waits for the model's."""
    events = ending(job, ended, lease.policy.on_violation)
    goes_on = ended.outcome == "ok" and not ended.exited
    if goes_on and job.pending and job.pending[0].policy == job.policy_due:
        following = BatchStarted(job.pending[0].batch, 0, 0)
        return Decision((*events, following), (StartBatch(),), at_checkpoint(lease, begin(job.pending[0])))
    if goes_on and isinstance(events[-1], TurnRequested):
        return Decision(events, (), lease)  # kept for the code of the reply
    return _without(lease, events)


def after_reply(job: Job, lease: Lease | None, events: tuple[Event, ...]) -> Decision:
    """Take what became of a turn. An interpreter that was kept for it runs the code, or is not needed any more."""
    if lease is None:
        return Decision(events)
    after = evolved(job, events)
    if after.stands_still:
        return Decision(events, (), lease)
    if not after.pending:
        return _without(lease, events)
    following = BatchStarted(after.pending[0].batch, 0, 0)
    return Decision((*events, following), (StartBatch(),), at_checkpoint(lease, begin(after.pending[0])))


def _without(lease: Lease, events: tuple[Event, ...]) -> Decision:
    """End the lease as well."""
    reason = "the job ended" if isinstance(events[-1], JobEnded) else "its batch ended"
    return Decision((*events, LeaseEnded(lease.lease, lease.epoch, reason, blamed=False)), (EndLease(reason),))


def ending(job: Job, ended: BatchEnded, on_violation: OnViolation = "refuse") -> tuple[Event, ...]:
    """List the events with which a batch ends, and with it the job unless something else is to come.

    After a batch that was not ok, or in which the guest called `exit()`, the rest of its submission is skipped; what
    was submitted apart from it still runs, unless the batch was blocked under a policy that then holds the job or ends
    it. When no batch is left, a job of an agent asks its model, if `turns` says so.
    """
    final = ended.outcome == "blocked" and on_violation == "end"
    skipped: tuple[Event, ...] = ()
    if ended.outcome != "ok" or ended.exited:
        group = job.running.group if job.running is not None else 0
        skipped = tuple(BatchSkipped(batch.batch) for batch in job.pending if final or batch.group == group)
    if ended.outcome == "blocked" and on_violation == "hold":
        return (ended, *skipped, JobHeld(ended.batch))
    if len(skipped) < len(job.pending):
        return (ended, *skipped)
    over = (ended, *skipped)
    if final or job.running is None or job.conversation is None:
        return (*over, JobEnded(ended.outcome, final, ended.exit_status))
    return (*over, *turns.after_batch(evolved(job, over), ended, job.running.role))
