"""What clients ask about jobs of their own batches: to run them, to decide about a held one, to cancel or try again."""

from __future__ import annotations

import secrets
from typing import Final, Literal, assert_never

from statek.core import holds
from statek.core.jobs import Job
from statek.errors import SubmissionRefused
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.store.ledger import Submission
from statek_policies import Policy, PolicyError
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import Accepted, CancelJob, Decide, Decided, RetryJob, Steered, Submit

JobRequest = Submit | Decide | CancelJob | RetryJob

JOB_ID_BYTES: Final = 8


class JobRequests:
    """Decides upon them in a turn of the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def answer(self, request: JobRequest, tick: Tick) -> Message:
        """Decide, and return what the client is told once it is durable; raises `SubmissionRefused`."""
        match request:
            case Submit():
                known = self._submission(request.request, tick) or self._submit(request, tick)
                return Accepted(known.key, known.job, known.first_batch, known.cursor)
            case Decide():
                return self._decide(request, tick)
            case CancelJob() | RetryJob():
                outcome = self._steer(request, tick)
                return Steered(request.request, request.job, outcome, self._job(request.job, tick).status)
            case _:
                assert_never(request)

    def _job(self, name: str, tick: Tick) -> Job:
        job = self._loop.job_in_turn(tick, name)
        if job is None:
            raise SubmissionRefused("unknown_job", f"there is no job {name!r} in this store")
        return job

    def _submission(self, key: str, tick: Tick) -> Submission | None:
        """Return what came of a submission that is made again."""
        in_turn = (submission for submission in tick.submissions if submission.key == key)
        return self._loop.ledger.submission(key) or next(in_turn, None)

    def _submit(self, request: Submit, tick: Tick) -> Submission:
        job = None if request.job is None else self._job(request.job, tick)
        refusal = None if job is None else holds.why_not_submit(job)
        if refusal is not None:
            raise SubmissionRefused(*refusal)
        try:
            policy = self._policy_for(request, job, tick)
        except PolicyError as error:
            raise SubmissionRefused("policy", str(error)) from error
        if policy is None and job is None:
            raise SubmissionRefused("policy", "a new job needs a policy")
        name = request.job or f"job-{secrets.token_hex(JOB_ID_BYTES)}"
        batches = [(batch.name, batch.source) for batch in request.batches]
        return self._loop.submit(tick, request.request, name, batches, policy)

    def _policy_for(self, request: Submit, job: Job | None, tick: Tick) -> Policy | None:
        """Return the policy that the submission asks for, or None when it is the one that the job has."""
        if request.policy is not None:
            return Policy.from_wire(request.policy).changed(request.limits, request.fields)
        if job is None or not (request.limits or request.fields):
            return None
        return self._loop.policy_in_turn(tick, job.policy).changed(request.limits, request.fields)

    def _decide(self, request: Decide, tick: Tick) -> Decided:
        """Carry out what a person decided about a held job, once."""
        job = self._job(request.job, tick)
        if job.held is None and job.decided != request.request:
            reason = f"the job {request.job!r} is not held, so there is nothing to decide about it"
            raise SubmissionRefused("not_held", reason)
        if job.held is not None:
            job = self._loop.decide_hold(tick, job, request.choice, request.request)
        return Decided(request.request, request.job, len(job.pending))

    def _steer(self, request: CancelJob | RetryJob, tick: Tick) -> Literal["cancelled", "retried", "nothing"]:
        """Cancel a job or let it be tried again, once for a request."""
        if isinstance(request, CancelJob):
            return self._loop.steering.cancel(tick, request.job, request.reason, request.request)
        return self._loop.steering.retry(tick, request.job, request.request)
