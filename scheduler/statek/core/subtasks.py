"""What a job that waits for its subtask is told of how that ended. Pure."""

from __future__ import annotations

from typing import Final

from statek.core import encoded
from statek.core.events import JobEnded
from statek.core.futures import Settlement
from statek.core.jobs import Job
from statek.core.steering import CANCELLED

SUBTASK_FAILED: Final = "SubTaskFailed"


def settlement(job: Job, end: JobEnded) -> Settlement:
    """Return what the future of a subtask comes to: what it exited with, or why there is nothing."""
    if end.outcome == "ok":
        return Settlement(encoded.text(end.exit_status) if end.exit_status is not None else encoded.plain(None), None)
    if end.outcome == "cancelled":
        return Settlement.failed(CANCELLED, job.error.message if job.error is not None else "the subtask was cancelled")
    return Settlement.failed(SUBTASK_FAILED, f"the subtask {job.job} ended as {end.outcome}{_why(job)}")


def notice(job: Job, end: JobEnded) -> bytes:
    """Return what the model of a job is told of a subtask for which its code has no future."""
    said = f": {end.exit_status}" if end.exit_status else ""
    text = f"The subtask {job.job} has ended: {end.outcome}{said if end.outcome == 'ok' else _why(job)}"
    return text.encode("utf-8", "surrogatepass")


def wants_notice(parent: Job) -> bool:
    """Tell whether the model of a job is to be told of a subtask's end for which there is no future.

    None is about to come while a call of its code is under way, and nobody wants to go on a job that did not end well.
    """
    if parent.status == "DONE":
        return parent.outcome == "ok"
    return parent.running is None or all(call.answered for call in parent.running.calls)


def _why(job: Job) -> str:
    if job.limit is not None:
        return f": {job.limit}"
    return f": {job.error.type}: {job.error.message}" if job.error is not None else ""
