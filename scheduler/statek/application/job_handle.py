"""A job in the hands of an application: what it is at this moment, and what can be done with it, from any process."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from statek.application import asking
from statek.application.following import wait_for_end
from statek.application.push_queue import PushQueue
from statek.core.jobs import OVER, Job
from statek.errors import StatekError
from statek.inspection.store_view import StoreView, UnknownJob
from statek.inspection.views import JobView
from statek_protocol.messages.interpreter import GuestError

if TYPE_CHECKING:
    from statek.loop.loop import Loop
    from statek.loop.tick import Tick

REQUEST_BYTES: Final = 16
NO_REASON: Final = "by the application"


class JobNotEnded(StatekError):
    """The job has no result yet: wait for it."""

    def __init__(self, job: str, status: str) -> None:
        super().__init__(f"the job {job!r} is {status} and has no result yet: wait() for it")
        self.job = job
        self.status = status


class JobEndedBadly(StatekError):
    """The job ended without a result: by an error, a limit, its policy, our side, or because it was cancelled."""

    def __init__(self, job: str, outcome: str | None, error: GuestError | None) -> None:
        why = f": {error.type}: {error.message}" if error is not None else ""
        super().__init__(f"the job {job!r} ended as {outcome!r}{why}")
        self.job = job
        self.outcome = outcome
        self.error = error


class JobHandle(JobView):
    """A job by its name. Every field is read when it is asked for, as it is then.

    Its methods are for any thread but the scheduler's own loop; in async code there: `await asyncio.to_thread(...)`.
    """

    def __init__(self, name: str, *, store: Path | str | None = None) -> None:
        """Raises `UnknownJob` where there is no such job in the store, or a `StoreError`."""
        self._store = store
        view = StoreView(store)
        super().__init__(view.source, view.state(name))

    @property
    def _job(self) -> Job:
        with self._source.reading() as ledger:
            found = ledger.job(self.name)
        if found is None:
            raise UnknownJob(self.name, ())
        return found

    @property
    def view(self) -> JobView:
        """Return it as it is at this moment, in all of its fields."""
        return JobView(self._source, self._job)

    @property
    def result(self) -> str | None:
        """Return what it ended with; raises `JobNotEnded`, or `JobEndedBadly` where it did not end as it should."""
        job = self._job
        if job.status not in OVER:
            raise JobNotEnded(self.name, job.status)
        if job.outcome != "ok":
            raise JobEndedBadly(self.name, job.outcome, job.error)
        return job.exit_status

    def wait(self, timeout: float | None = None) -> JobView:
        """Return the job as it is once it is DONE; raises `NotEnded` when that takes longer than so many seconds.

        Not in a tool of dbzero's thread, which the job may need: return `create_sub_task(...)` there. Where no
        scheduler runs on the store, one is waited for.
        """
        return JobView(self._source, wait_for_end(self._source, lambda: self._job, self.name, timeout, self._store))

    def push(self, message: str, *, key: str | None = None) -> int:
        """Say something to the job, through the queue "main"; it goes on if it has ended."""
        return PushQueue(store=self._store).push_to_job_console(self.name, message, key=key)

    def cancel(self, reason: str = NO_REASON) -> bool:
        """End the job; tell whether there was something to end."""
        return cancel_job(self.name, reason, store=self._store)

    def retry(self) -> bool:
        """Let a job that did not end well go on; tell whether there was something to try again."""
        return retry_job(self.name, store=self._store)


def cancel_job(name: str, reason: str = NO_REASON, *, store: Path | str | None = None) -> bool:
    """End a job, whatever it is doing, and its subtasks; tell whether there was something to end.

    Raises `SubmissionRefused` where there is no such job, `SchedulerSilent` where nobody answers.
    """
    request = secrets.token_hex(REQUEST_BYTES)

    def decide(loop: Loop, tick: Tick) -> bool:
        return loop.steering.cancel(tick, name, reason, request) == "cancelled"

    return asking.decided(store, decide, lambda client: client.cancel_job(name, reason).outcome == "cancelled")


def retry_job(name: str, *, store: Path | str | None = None) -> bool:
    """Let a job that did not end well go on: its failed batches again, or another turn of its model.

    Tells whether there was something to try again; raises as `cancel_job` does.
    """
    request = secrets.token_hex(REQUEST_BYTES)

    def decide(loop: Loop, tick: Tick) -> bool:
        return loop.steering.retry(tick, name, request) == "retried"

    return asking.decided(store, decide, lambda client: client.retry_job(name).outcome == "retried")


def push_message(job: str, message: str, *, key: str | None = None, store: Path | str | None = None) -> int:
    """Say something to a job, through the queue "main"; return the number under which that is durable."""
    return PushQueue(store=store).push_to_job_console(job, message, key=key)
