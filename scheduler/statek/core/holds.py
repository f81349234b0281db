"""What a person may decide about a job that is held, and what such a job refuses meanwhile. Pure."""

from __future__ import annotations

from typing import Literal

from statek.core import turns
from statek.core.decisions import Decision
from statek.core.events import BatchSkipped, Event, HoldDecided, JobEnded
from statek.core.evolve import evolve
from statek.core.jobs import Job

Choice = Literal["release", "end"]


def decide(job: Job, choice: Choice, request: str) -> Decision:
    """Let a held job go on with what waits in it, or end it for good."""
    outcome = job.outcome or "blocked"
    decided = HoldDecided(choice, request)
    if choice == "end":
        skipped: tuple[Event, ...] = tuple(BatchSkipped(batch.batch) for batch in job.pending)
        return Decision((decided, *skipped, JobEnded(outcome, final=True)))
    if job.pending:
        return Decision((decided,))
    if job.conversation is not None and job.conversation.turn:
        return Decision((decided, *turns.next_turn(evolve(job, decided))))
    return Decision((decided, JobEnded(outcome)))


def why_over(job: Job) -> tuple[str, str] | None:
    """Say with which code, and why, nothing can be done with a job any more, if so."""
    if job.status == "FORGOTTEN":
        return "forgotten", f"the job {job.job!r} ended long ago and its record was deleted; start a new one"
    if job.closed:
        return "job_ended", f"the job {job.job!r} was ended for a violation of its policy; start a new one"
    return None


def why_no_subtasks(job: Job) -> tuple[str, str] | None:
    """Say with which code, and why, nobody works for a job any more, if so; a call may outlast what it was made for."""
    if job.status == "DONE" and job.outcome == "cancelled":
        return "job_ended", f"the job {job.job!r} was cancelled, and its subtasks with it; try it again first"
    return why_over(job)


def why_not_submit(job: Job) -> tuple[str, str] | None:
    """Say with which code, and why, a job takes no further batches of clients, if it does not."""
    over = why_over(job)
    if over is not None:
        return over
    if job.agent:
        return "agent_job", (
            f"the job {job.job!r} is of the agent {job.agent!r}, whose model says what runs in it; "
            f"`statek job push {job.job} TEXT` tells it something"
        )
    if job.held is not None:
        return "job_held", (
            f"the job {job.job!r} is held since batch {job.held} violated its policy; "
            f"`statek job release {job.job}` lets it go on, `statek job end {job.job}` ends it"
        )
    return None
