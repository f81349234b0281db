"""What a violation means for its batch, under a policy that ends or holds the job for it. Pure.

Such a batch is condemned from the event on that records the violation, like one that went on at a limit (`reaching`).
Nothing that its interpreter says counts any more but further violations; the supervisor is told to end it, and whatever
reports that end ends the batch as blocked, or at its limit. A source that is refused before it runs is not cut short:
its interpreter is about to say all that is wrong with it.
"""

from __future__ import annotations

from dataclasses import replace

from statek.core.decisions import Decision
from statek.core.endings import end_batch, ending
from statek.core.events import BatchEnded, LeaseEnded, PolicyViolated
from statek.core.instructions import EndLease, Send
from statek.core.jobs import Job, RunningBatch
from statek.core.leases import Lease
from statek.core.reaching import at_limit
from statek_protocol.messages.executor import Cancel
from statek_protocol.messages.interpreter import Call, Failed, Finished

CONDEMNED = Send(Cancel("its batch violated the policy"))


def condemn(decision: Decision) -> Decision:
    """Have the interpreter ended if the decision records a violation that its job is to be ended or held for."""
    found = [event for event in decision.events if isinstance(event, PolicyViolated)]
    if decision.lease is None or all(event.consequence == "refuse" or event.layer == "compile" for event in found):
        return decision
    return replace(decision, instructions=(CONDEMNED,))


def receive(job: Job, running: RunningBatch, lease: Lease, message: object) -> Decision:
    """Take what still comes of a condemned batch, other than violations and what it used."""
    if isinstance(message, Finished | Failed):
        return end_batch(job, lease, verdict(running))
    return Decision((), (CONDEMNED,) if isinstance(message, Call) else (), lease)


def end_lease(job: Job, running: RunningBatch, ended: LeaseEnded) -> Decision:
    """End the batch with its lease, however that came to its end: it is not run again."""
    events = (ended, *ending(job, verdict(running), running.consequence))
    return Decision(events, (EndLease(ended.reason),))


def verdict(running: RunningBatch) -> BatchEnded:
    """The end of a condemned batch: as blocked, unless a limit is all that it is condemned for."""
    if running.consequence == "refuse" and running.reached is not None:
        return at_limit(running, running.reached)
    return BatchEnded(running.batch, "blocked", None, None)
