"""What a job that waits for its subtask is told of how that ended. Pure."""

from __future__ import annotations

from typing import Final

from statek.core import encoded
from statek.core.events import JobEnded
from statek.core.futures import Settlement
from statek.core.jobs import Job
from statek.core.steering import CANCELLED

KEY: Final = "job/"
"""What the key of a future begins with that a subtask's end resolves; the subtask's name follows."""
SUBTASK_FAILED: Final = "SubTaskFailed"


def settlement(job: Job, end: JobEnded) -> Settlement:
    """Return what the future of a subtask comes to: what it exited with, or why there is nothing."""
    if end.outcome == "ok":
        return Settlement(encoded.text(end.exit_status) if end.exit_status is not None else encoded.plain(None), None)
    if end.outcome == "cancelled":
        return Settlement.failed(CANCELLED, job.error.message if job.error is not None else "the subtask was cancelled")
    return Settlement.failed(SUBTASK_FAILED, f"the subtask {job.job} ended as {end.outcome}{_why(job)}")


def _why(job: Job) -> str:
    if job.limit is not None:
        return f": {job.limit}"
    return f": {job.error.type}: {job.error.message}" if job.error is not None else ""
