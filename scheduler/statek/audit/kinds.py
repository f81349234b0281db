"""Which events become records, and what each record says: one table, from an event to what is told of it. Pure.

To have another event audited, add an entry to `ENTRIES`. Whether an event has a record depends on the event alone, so
that the verification can tell from the ledger which records there have to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from statek.audit.records import Body
from statek.core.events import (
    BatchEnded,
    BatchSubmitted,
    CallAnswered,
    CallRequested,
    Event,
    FutureTroubled,
    HarnessReached,
    HoldDecided,
    JobCancelled,
    JobCreated,
    JobEnded,
    JobForgotten,
    JobHeld,
    JobRevived,
    LeaseEnded,
    LeaseGranted,
    MessagePushed,
    PolicyChanged,
    PolicyViolated,
    ReplyLost,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    TurnUsage,
)
from statek.core.jobs import Job, RunningBatch, Usage, digest
from statek_protocol import schema

KILLS: Final = frozenset({"limit", "seccomp", "signal", "exited", "protocol", "cancelled"})
"""Causes of a lease's end that are the death of an interpreter which nobody had released."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What an event meets: its job as it was before, and the lease that was granted last in this process."""

    job: Job | None
    lease: LeaseGranted | None

    @property
    def running(self) -> RunningBatch | None:
        return None if self.job is None else self.job.running


@dataclass(frozen=True, slots=True)
class Entry:
    """That an event of a class is told as a record of a kind."""

    event: type[Event]
    kind: str
    says: Callable[[Any, Scene], Body]
    applies: Callable[[Any], bool] = lambda _: True
    refusal: bool = False
    """Something that was refused and that a guest can try without end: beyond an allowance it is counted, not told."""


def entries_for(event: Event) -> tuple[Entry, ...]:
    """List what is told of an event, in order; either all of it are refusals or none."""
    entries = _BY_EVENT.get(type(event))
    return () if entries is None else tuple(entry for entry in entries if entry.applies(event))


def posture_digest(layers: Iterable[str]) -> str:
    """Name a set of active layers: hex BLAKE2b of their sorted names."""
    return digest(",".join(sorted(layers)).encode())


def _policy_set(event: JobCreated | PolicyChanged, _: Scene) -> Body:
    policy = {"policy": {"name": event.policy_name, "hash": event.policy}}
    if isinstance(event, JobCreated) and event.agent:
        return {**policy, "agent": event.agent, "definition": event.definition, "parent": event.parent}
    return policy


def _batch_submitted(event: BatchSubmitted, _: Scene) -> Body:
    return {"batch": event.batch, "name": event.name, "source": event.source, "policy": {"hash": event.policy}}


def _lease_granted(event: LeaseGranted, scene: Scene) -> Body:
    policy = "" if scene.job is None else scene.job.policy_due
    return {**_where(event), "policy": {"name": event.policy_name, "hash": policy}, "layers": sorted(event.layers)}


def _lease_ended(event: LeaseEnded, scene: Scene) -> Body:
    return {**_ended_where(event, scene), "reason": event.reason, "cause": event.cause, "blamed": event.blamed}


def _kill(event: LeaseEnded, scene: Scene) -> Body:
    batch = None if scene.running is None else scene.running.batch
    return {**_ended_where(event, scene), "batch": batch, "cause": event.cause, "detail": event.reason}


def _call(event: CallRequested, _: Scene) -> Body:
    said = {
        "batch": event.batch,
        "number": event.number,
        "tool": event.tool,
        "arguments": digest(event.arguments),
        "argument_bytes": len(event.arguments),
    }
    return {**said, "rule": event.refused} if event.refused else said


def _call_answered(event: CallAnswered, scene: Scene) -> Body:
    return {
        "batch": event.batch,
        "number": event.number,
        "tool": None if scene.running is None else scene.running.calls[event.number].tool,
        "outcome": "ok" if event.error is None else event.error.type,
        "result_bytes": None if event.value is None else len(event.value),
    }


def _violation(event: PolicyViolated, _: Scene) -> Body:
    return {
        "batch": event.batch,
        "layer": event.layer,
        "rule": event.rule,
        "line": event.line,
        "text": event.detail,
    }


def _batch_ended(event: BatchEnded, scene: Scene) -> Body:
    """Tell what was run, under which policy, where, behind which layers, what it used and what came of it."""
    running, lease = scene.running, scene.lease
    said: dict[str, Any] = {
        "batch": event.batch,
        "outcome": event.outcome,
        "error": None if event.error is None else event.error.type,
        "limit": None if event.limit is None else event.limit.name,
        **_where(lease),
        "layers": None if lease is None else sorted(lease.layers),
    }
    if running is not None:
        policy_name = None if lease is None else lease.policy_name
        said |= {"source": running.source, "policy": {"name": policy_name, "hash": running.policy}}
        said |= {"attempts": running.attempts, "violations": running.violations, "usage": _usage(running.usage)}
    return said


def _limit(event: BatchEnded, scene: Scene) -> Body:
    """Tell which limit, what it allows, what was used, and what had been printed and done by then."""
    assert event.limit is not None, "the entry applies where there is one"
    said: dict[str, Any] = {
        "batch": event.batch,
        "limit": event.limit.name,
        "allowed": event.limit.allowed,
        "used": event.limit.used,
    }
    if event.progress is not None:
        said |= {**schema.dump(event.progress)}
    if scene.running is not None:
        said |= {"usage": _usage(scene.running.usage)}
    return said


def _job_held(event: JobHeld, _: Scene) -> Body:
    return {"batch": event.batch}


def _hold_decided(event: HoldDecided, _: Scene) -> Body:
    return {"choice": event.choice, "request": event.request}


def _future_troubled(event: FutureTroubled, _: Scene) -> Body:
    return {"future": event.number, "error": event.error, "failures": event.failures}


def _job_cancelled(event: JobCancelled, _: Scene) -> Body:
    return {"reason": event.reason, "request": event.request}


def _job_revived(event: JobRevived, _: Scene) -> Body:
    return {"reason": event.reason, "request": event.request}


def _message_pushed(event: MessagePushed, _: Scene) -> Body:
    """Tell that something was said, by whom and how much; a digest stands for the text."""
    return {"number": event.number, "source": event.source, "text": digest(event.text), "bytes": len(event.text)}


def _turn_requested(event: TurnRequested, _: Scene) -> Body:
    return {"turn": event.turn, "attempt": event.attempt, "model": event.model, "provider": event.provider}


def _turn_answered(event: TurnAnswered, _: Scene) -> Body:
    """Tell which model said something, what that used and cost; a digest stands for what it said."""
    said = {"turn": event.turn, "model": event.model, "outcome": event.outcome, "reply": event.reply}
    return {**said, **_turn_usage(event.usage), "estimated": event.usage.estimated}


def _reply_lost(event: ReplyLost, _: Scene) -> Body:
    return {"turn": event.turn, "model": event.model, **_turn_usage(event.usage)}


def _turn_usage(used: TurnUsage) -> Body:
    return {
        "input_tokens": used.input_tokens,
        "cached_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens,
        "cost_micros": used.cost_micros,
    }


def _turn_failed(event: TurnFailed, _: Scene) -> Body:
    return {"turn": event.turn, "cause": event.cause}


def _harness_reached(event: HarnessReached, _: Scene) -> Body:
    return {"limit": event.limit.name, "allowed": event.limit.allowed, "used": event.limit.used}


def _job_closed(event: JobEnded, _: Scene) -> Body:
    return {"outcome": event.outcome}


def _job_forgotten(event: JobForgotten, _: Scene) -> Body:
    """Tell which events are gone by rule, and what chains their digests: an older copy can be held against it."""
    return {
        "outcome": event.outcome,
        "events": event.events,
        "first": event.first,
        "last": event.last,
        "history": event.history,
        "ended_us": event.ended_us,
    }


def _where(lease: LeaseGranted | None) -> dict[str, Any]:
    """Tell under which lease, by which executor, on which host; nothing of it where there was no lease."""
    if lease is None:
        return {"lease": None, "executor": None, "host": None, "posture": None}
    return {
        "lease": lease.lease,
        "executor": lease.executor,
        "host": lease.host,
        "posture": posture_digest(lease.layers),
    }


def _ended_where(event: LeaseEnded, scene: Scene) -> dict[str, Any]:
    """Tell the same of a lease that ended, which may be one of an earlier process."""
    if scene.lease is not None and scene.lease.lease == event.lease:
        return _where(scene.lease)
    return {**_where(None), "lease": event.lease}


def _usage(usage: Usage) -> dict[str, int]:
    """Whole numbers only, which every reader of JSON writes alike."""
    return {
        "cpu_us": round(usage.cpu_seconds * 1e6),
        "wall_us": round(usage.wall_seconds * 1e6),
        "peak_memory_bytes": usage.peak_memory_bytes,
        "output_bytes": usage.output_bytes,
        "calls": usage.calls,
    }


ENTRIES: Final = (
    Entry(JobCreated, "policy_set", _policy_set),
    Entry(PolicyChanged, "policy_set", _policy_set),
    Entry(BatchSubmitted, "batch_submitted", _batch_submitted),
    Entry(LeaseGranted, "lease_granted", _lease_granted),
    Entry(LeaseEnded, "lease_ended", _lease_ended),
    Entry(LeaseEnded, "kill", _kill, lambda event: event.cause in KILLS),
    Entry(CallRequested, "call_allowed", _call, lambda event: not event.refused),
    Entry(CallRequested, "call_denied", _call, lambda event: bool(event.refused), refusal=True),
    Entry(CallAnswered, "call_answered", _call_answered, lambda event: not event.refused),
    Entry(PolicyViolated, "violation", _violation, refusal=True),
    Entry(BatchEnded, "batch_ended", _batch_ended),
    Entry(BatchEnded, "limit", _limit, lambda event: event.limit is not None),
    Entry(FutureTroubled, "future_troubled", _future_troubled),
    Entry(JobHeld, "job_held", _job_held),
    Entry(HoldDecided, "hold_decided", _hold_decided),
    Entry(JobCancelled, "job_cancelled", _job_cancelled),
    Entry(JobRevived, "job_revived", _job_revived),
    Entry(MessagePushed, "message_pushed", _message_pushed),
    Entry(TurnRequested, "turn_requested", _turn_requested),
    Entry(TurnAnswered, "turn_answered", _turn_answered),
    Entry(ReplyLost, "reply_lost", _reply_lost),
    Entry(TurnFailed, "turn_failed", _turn_failed),
    Entry(HarnessReached, "harness_reached", _harness_reached),
    Entry(JobEnded, "job_closed", _job_closed, lambda event: event.final),
    Entry(JobForgotten, "job_forgotten", _job_forgotten),
)
_BY_EVENT: Final = {
    event: tuple(entry for entry in ENTRIES if entry.event is event) for event in {entry.event for entry in ENTRIES}
}
AUDITED_EVENTS: Final = frozenset(event.kind for event in _BY_EVENT)

GENESIS: Final = "genesis"
COUNTED: Final = "counted"
NOTED: Final = {
    GENESIS: "the log begins: the store's random id, and the ledger's last event before it",
    COUNTED: "refusals that were not told one by one: how many of which kind, and from which event to which",
    "scheduler_started": "what a start found: jobs to go on with, leases that a former process had granted",
    "scheduler_stopped": "a scheduler ended in good order; where this is missing before a start, it was killed",
    "tail_missing": "a start found fewer or other records than `audit.head` names",
    "future_completed": "futures of a key were completed or failed from outside, once, with how many waiting",
    "future_cancelled": "what was waited for was given up from outside",
    "agent_defined": "a program defined an agent differently than it was known",
    "agent_revised": "an operator changed fields of an agent for new jobs, or took changes back",
    "handler_failed": "an agent's `error_handler` or `on_push` raised",
    "event_delivered": "an event of a queue became a job of its agent",
    "dead_letter": "something could not be delivered out of a queue, and stays there",
    "dead_letters_decided": "somebody put dead letters back into their queue, or threw them away",
    "store_set_aside": "dbzero's files could not be gone on from",
    "store_salvaged": "the ledger was damaged, and was made anew of what could be read of it",
    "copy_failed": "the application's dbzero objects could not be copied, so the copy before stays the newest",
    "call_overdue": "a call was answered without its outcome, because its time was over",
    "call_late": "such a call ended after all, and its outcome was dropped",
    "executor_joined": "an executor was let in, with the layers that its probes found and did not find",
    "executor_rejected": "an executor was refused",
    "executor_left": "an executor is gone, and why",
    "client_refused": "a client's request was refused",
    "http_refused": "somebody was not let in over HTTP, or not to what was asked",
    "message_refused": "a message of an executor was dropped: fencing, schema, sequence",
}
"""Kinds of records that speak of no event."""
KINDS: Final = frozenset(entry.kind for entry in ENTRIES) | frozenset(NOTED)
