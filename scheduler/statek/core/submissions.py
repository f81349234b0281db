"""What a client's submission means for a job. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from statek.core.events import BatchSubmitted, Event, JobCreated, PolicyChanged
from statek.core.jobs import Job, digest


def submit(
    job: Job | None, name: str, batches: Sequence[tuple[str, bytes]], policy: tuple[str, bytes] | None
) -> tuple[tuple[Event, ...], dict[str, bytes]]:
    """Return the events and blobs of batches (name, source) that are to run in a job, under a policy (name, bytes).

    A new job needs a policy; a known one keeps the one it has unless another is given.
    """
    events: list[Event] = []
    blobs: dict[str, bytes] = {}
    policy_digest = job.policy if job is not None else ""
    if policy is not None:
        policy_digest = digest(policy[1])
        blobs[policy_digest] = policy[1]
        if job is None:
            events.append(JobCreated(name, policy[0], policy_digest))
        elif job.policy != policy_digest:
            events.append(PolicyChanged(policy[0], policy_digest))
    first = (job.batches if job is not None else 0) + 1
    for number, (batch_name, source) in enumerate(batches, first):
        source_digest = digest(source)
        blobs[source_digest] = source
        events.append(BatchSubmitted(number, batch_name, source_digest, first, policy_digest))
    return tuple(events), blobs
