"""Decisions about calls: the intent is durable before a tool runs, the outcome before a guest sees it. Pure.

A replayed call is held against the record and answered from it. Nothing but the record can make two calls the same: a
call with other arguments, or at another place of the output, ends the batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from statek.core import waits
from statek.core.decisions import Decision, LeaseFault
from statek.core.endings import divergence, fail_batch
from statek.core.events import CallAnswered, CallRequested, Event, PolicyViolated
from statek.core.instructions import AnswerFromLedger, RunTool, Send
from statek.core.jobs import Job, RunningBatch, digest
from statek.core.leases import Lease
from statek.core.moment import Moment
from statek_protocol.messages.interpreter import Call, GuestError, Reply
from statek_protocol.operations import FUTURE_OPERATIONS, OPERATIONS

NOW: Final = Moment()


def receive(job: Job, running: RunningBatch, lease: Lease, message: Call, moment: Moment = NOW) -> Decision:
    """Take a guest's call, new or repeated; raises `LeaseFault`."""
    if message.number != lease.calls or lease.awaiting is not None:
        raise LeaseFault(f"call {message.number} where call {lease.calls} was due")
    lease = replace(lease, calls=lease.calls + 1, awaiting=message.number)
    if message.number < len(running.calls):
        return _repeated_call(job, running, lease, message, moment)
    if lease.console_bytes < running.console_bytes:
        detail = f"it called {message.tool} where it had printed"
        return fail_batch(job, running, lease, divergence(detail))
    return _new_call(job, lease, message, moment)


def _repeated_call(job: Job, running: RunningBatch, lease: Lease, message: Call, moment: Moment) -> Decision:
    """Answer from the record, if it is the same call; run it again only if nobody knows what became of it."""
    entry = running.calls[message.number]
    if (entry.tool, entry.arguments) != (message.tool, digest(message.arguments)):
        detail = f"call {message.number} was {entry.tool} and is now {message.tool}, or has other arguments"
        return fail_batch(job, running, lease, divergence(detail))
    if lease.console_bytes != entry.console_bytes:
        detail = f"call {message.number} came after {entry.console_bytes} bytes of output, now {lease.console_bytes}"
        return fail_batch(job, running, lease, divergence(detail))
    if entry.answered:
        reply = AnswerFromLedger(message.batch, message.number)
        return Decision((), (reply,), replace(lease, awaiting=None, violations=lease.violations + entry.violated))
    if message.tool in FUTURE_OPERATIONS:
        return waits.operate(job, lease, message, moment)
    return Decision(
        (), (RunTool(message.batch, message.number, message.tool, message.arguments, repeated=True),), lease
    )


def _new_call(job: Job, lease: Lease, message: Call, moment: Moment) -> Decision:
    """Make the intent durable and run the tool, or make the refusal durable and answer with it."""
    rule, error, violated = _refusal(lease, message)
    requested = CallRequested(message.batch, message.number, message.tool, message.arguments, rule)
    if error is None and message.tool in FUTURE_OPERATIONS:
        decision = waits.operate(job, lease, message, moment)
        return replace(decision, events=(requested, *decision.events))
    if error is None:
        run = RunTool(message.batch, message.number, message.tool, message.arguments, repeated=False)
        return Decision((requested,), (run,), lease)
    answered = CallAnswered(message.batch, message.number, None, error, rule)
    reply = Send(Reply(message.batch, message.number, None, error))
    lease = replace(lease, awaiting=None, violations=lease.violations + len(violated))
    return Decision((requested, *violated, answered), (reply,), lease)


def _refusal(lease: Lease, message: Call) -> tuple[str, GuestError | None, tuple[PolicyViolated, ...]]:
    """Say by which rule or limit a call is not let through, if so, what the guest is told, and what was violated."""
    limits = lease.policy.limits
    if message.number >= limits.calls:
        return "calls", GuestError("LimitError", f"calls: {limits.calls} are allowed in a batch", None), ()
    if len(message.arguments) > limits.argument_bytes:
        text = f"argument_bytes: {len(message.arguments)} bytes of arguments; {limits.argument_bytes} are allowed"
        return "argument_bytes", GuestError("LimitError", text, None), ()
    if message.tool not in OPERATIONS and not lease.allows_tool(message.tool):
        text = f"the policy does not allow the tool {message.tool!r}"
        consequence = lease.policy.on_violation
        violated = PolicyViolated(message.batch, "tool.denied", text, None, "scheduler", consequence)
        return violated.rule, GuestError("PolicyViolation", text, None), (violated,)
    return "", None, ()


def answer(job: Job, lease: Lease | None, event: CallAnswered, made: tuple[Event, ...] = ()) -> Decision:
    """Take a tool's outcome: keep it if the call still wants one, and reply if a guest stands still for it.

    `made` are objects and futures that it brought, and the violation that it is answered with, if it is one. What it
    brought is kept in any case: the application may bring it again.
    """
    brought = tuple(one for one in made if not isinstance(one, PolicyViolated))
    if not job.wants_answer(event.batch, event.number):
        return Decision(brought, (), lease)
    if lease is None or lease.awaiting != event.number:
        return Decision((*made, event), (), lease)
    reply = Send(Reply(event.batch, event.number, event.value, event.error))
    violations = lease.violations + len(made) - len(brought)
    return Decision((*made, event), (reply,), replace(lease, awaiting=None, violations=violations))
