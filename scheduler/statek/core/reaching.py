"""What it means for a batch that it reached a limit: how that is put on record, and when it may not go on. Pure.

A guest is told of a limit by an error, which it may handle. One that goes on all the same, again and again, costs the
scheduler as much as one whose calls are served, so after `REFUSALS_LIMIT` such answers its batch is condemned, as one
that violated its policy is: nothing that its interpreter says counts any more but the end.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Final

from statek.core.decisions import Decision, LeaseFault
from statek.core.events import BatchEnded, CallAnswered, LimitReached, Progress
from statek.core.instructions import Send
from statek.core.jobs import Job, RunningBatch
from statek.core.leases import Lease
from statek_policies import Limits
from statek_policies.limits import REFUSALS_LIMIT
from statek_protocol.messages.executor import Cancel
from statek_protocol.messages.interpreter import GuestError, LimitBreach, TransientValue

NAMED_CALLS: Final = 20
"""Tools that a record lists by name, the most called ones first; a guest makes names up as it likes."""


def limit_named_in(error: GuestError | None) -> str:
    """Return the limit of the policy that a call was refused for; empty where it was not."""
    if error is None or error.type != "LimitError":
        return ""
    name = error.message.partition(":")[0]
    return name if name in Limits.names() else ""


def condemn(job: Job, decision: Decision) -> Decision:
    """Have the interpreter ended if the decision tells it of a limit once more than it may go on after."""
    running, lease = job.running, decision.lease
    if running is None or running.refusals < REFUSALS_LIMIT or lease is None:
        return decision
    for event in decision.events:
        if isinstance(event, CallAnswered) and (name := limit_named_in(event.error)):
            reached = LimitReached(event.batch, _breach(name, job, running, lease))
            cancel = Send(Cancel(f"its batch went on at the limit {name}"))
            return replace(decision, events=(*decision.events, reached), instructions=(cancel,))
    return decision


def _breach(name: str, job: Job, running: RunningBatch, lease: Lease) -> LimitBreach:
    allowed = float(getattr(lease.policy.limits, name))
    used = {"calls": float(len(running.calls) + 1), "pending_waits": float(len(job.futures))}
    return LimitBreach(name, allowed, used.get(name, allowed))


def told(lease: Lease, limit: LimitBreach) -> LimitBreach:
    """Take an interpreter's word that its batch reached a limit, as far as it has to be taken; raises `LeaseFault`.

    What is allowed is the policy's. What was used is what the supervisor measured or the scheduler counted; of the
    rest (variables, a source, arguments) only the interpreter knows.
    """
    if limit.name not in Limits.names() or not math.isfinite(limit.used):
        raise LeaseFault(f"it ended at a limit that there is not: {limit.name!r}")
    allowed = float(getattr(lease.policy.limits, limit.name))
    measured = _measured(lease).get(limit.name)
    if measured is not None and measured < allowed:
        raise LeaseFault(f"it ended at {limit.name}, of which it had used {measured:g} of {allowed:g}")
    return LimitBreach(limit.name, allowed, limit.used if measured is None else measured)


def _measured(lease: Lease) -> dict[str, float]:
    counted = {"calls": float(lease.calls)}
    if lease.metered is None:
        return counted
    return counted | {"cpu_seconds": lease.metered.cpu_seconds, "wall_seconds": lease.metered.wall_seconds}


def at_limit(
    running: RunningBatch,
    limit: LimitBreach,
    error: GuestError | None = None,
    transient: tuple[TransientValue, ...] = (),
) -> BatchEnded:
    """The end of a batch at a limit, with what it had printed and done by then."""
    return BatchEnded(running.batch, "limit", error, limit, transient, progress(running))


def progress(running: RunningBatch) -> Progress:
    """Sum up what is on record of a batch."""
    by_name = Counter(call.tool for call in running.calls).most_common(NAMED_CALLS)
    return Progress(
        running.console_bytes,
        running.console_lines,
        len(running.calls),
        dict(by_name),
        running.instruction,
    )
