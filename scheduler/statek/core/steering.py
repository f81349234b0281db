"""What it means for a job that somebody cancels it, or wants it tried again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from statek.core import harness, turns
from statek.core.decisions import Decision
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchSubmitted,
    Event,
    JobCancelled,
    JobEnded,
    JobRevived,
    LeaseEnded,
)
from statek.core.evolve import evolve, talk_of
from statek.core.instructions import EndLease
from statek.core.jobs import OVER, Job
from statek.core.leases import Lease
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError

CANCELLED = "JobCancelled"
"""The type of the error that a cancelled job has, and that whoever waits for it gets."""


def cancel(job: Job, lease: Lease | None, reason: str, request: str = "") -> Decision:
    """End a job whatever it is at; nothing for one that has ended. What its batch has used is told after that."""
    if job.status in OVER:
        return Decision((), (), lease)
    error = GuestError(CANCELLED, reason[:TEXT_LIMIT], None)
    over = [] if job.running is None else [BatchEnded(job.running.batch, "cancelled", error, None)]
    skipped = [BatchSkipped(batch.batch) for batch in job.pending]
    cancelled = JobCancelled(reason[:TEXT_LIMIT], request)
    events: tuple[Event, ...] = (cancelled, *over, *skipped, JobEnded("cancelled", error=error))
    if lease is None:
        return Decision(events)
    ended = LeaseEnded(lease.lease, lease.epoch, "the job was cancelled", blamed=False, cause="cancelled")
    return Decision((*events, ended), (EndLease(ended.reason),))


def retry(job: Job, to_do: Sequence[BatchSubmitted], request: str = "") -> tuple[Event, ...]:
    """Try a job again that did not end as it should: with its batches that are `to_do`, or in another turn.

    Nothing for a job that has not ended, or ended ok. One that ended at a bound of its harness gets its bounds once
    more: whoever wants it tried again means that.
    """
    if job.status != "DONE" or job.outcome == "ok":
        return ()
    revived = JobRevived("retry", request)
    again = to_do if does_batches_again(job) else ()
    if job.conversation is None or again:
        return (revived, *anew(job, again)) if again else ()
    granted = harness.grants_needed(talk_of(evolve(job, revived)))
    if granted is None:
        return ()
    revived = replace(revived, granted=granted)
    return (revived, *turns.next_turn(evolve(job, revived)))


def does_batches_again(job: Job) -> bool:
    """Tell whether a job that goes on after its end does batches again; one whose model was asked takes a turn."""
    ended_short = job.status == "DONE" and job.outcome != "ok"
    return ended_short and (job.conversation is None or not job.conversation.turn)


def anew(job: Job, to_do: Iterable[BatchSubmitted]) -> tuple[Event, ...]:
    """Submit batches once more, those of a submission together as before."""
    groups: dict[int, int] = {}
    return tuple(
        replace(batch, batch=number, group=groups.setdefault(batch.group, number))
        for number, batch in enumerate(to_do, job.batches + 1)
    )


@dataclass(slots=True)
class LastLife:
    """What a job's batches came to since it was last begun or revived, gathered from its events in their order."""

    _submitted: dict[int, BatchSubmitted]
    _undone: dict[int, BatchSubmitted]
    _left: set[int]
    """Submissions that `exit()` ended as they should: what was skipped of them is not to be run."""
    _over: bool = False

    @classmethod
    def of(cls, events: Iterable[Event]) -> LastLife:
        life = cls({}, {}, set())
        for event in events:
            life._take(event)
        return life

    @property
    def to_do(self) -> tuple[BatchSubmitted, ...]:
        """Return the batches that were skipped, or did not end as they should."""
        return tuple(batch for batch in self._undone.values() if batch.group not in self._left)

    def _take(self, event: Event) -> None:
        match event:
            case BatchSubmitted():
                self._begin_anew_if_over()
                self._submitted[event.batch] = event
            case BatchEnded():
                batch = self._submitted.pop(event.batch)
                if event.exited:
                    self._left.add(batch.group)
                elif event.outcome != "ok":
                    self._undone[event.batch] = batch
            case BatchSkipped():
                self._undone[event.batch] = self._submitted.pop(event.batch)
            case JobEnded():
                self._over = True

    def _begin_anew_if_over(self) -> None:
        if self._over:
            self._undone, self._left, self._over = {}, set(), False
