"""Is what an idempotency key has begun or pushed before the same as what is asked for with it now?

The ledger says with what a job began, so nothing more is kept for this. Of a job that retention forgot it does not say
it any more; whatever is asked for counts as the same then. The key of a push is kept with a digest of what was pushed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from statek.api.http.problems import Problem
from statek.api.http.who import Who
from statek.application.client_api import NewAgentJob
from statek.application.giving import written
from statek.core.events import JobCreated, MessagePushed
from statek.core.jobs import digest
from statek.inspection.store_view import StoreView
from statek.store.records import Stored


def key_of_push(view: StoreView, who: Who, queue: str, target: str, said: Any) -> str | None:
    """Return under which key something is pushed, None where it has none; raises `Problem` 409 for what is another.

    Who sends two different things with one key at the very same time has pushed both.
    """
    once = who.once
    if once is None:
        return None
    key = f"{once}-{digest(json.dumps([target, said], sort_keys=True).encode())}"
    with view.reading() as ledger:
        known = ledger.queue_key(queue, once)
    if known not in (None, key):
        raise Problem(409, "key_reused", "this Idempotency-Key has pushed something else; what is new takes its own")
    return key


def check_same(view: StoreView, names: Sequence[str], agent: str, jobs: Sequence[NewAgentJob], parent: str) -> None:
    """Raise `Problem` 409 where these jobs did not begin as those that are asked for would."""
    with view.reading() as ledger:
        begun = [ledger.events(name, 0, 2) for name in names]
    same = len(names) == len(jobs) and all(
        _is_same(events, agent, job, parent) for events, job in zip(begun, jobs, strict=True)
    )
    if not same:
        reason = "this Idempotency-Key has begun other jobs before; what is new takes a key of its own"
        raise Problem(409, "key_reused", reason)


def _is_same(events: Sequence[Stored], agent: str, job: NewAgentJob, parent: str) -> bool:
    """Compare the first two events of a job, the second of which has its first message if it began with one."""
    created = events[0].event
    if not isinstance(created, JobCreated):
        return True
    given = digest(written(None, dict(job.variables), "variables")) if job.variables else ""
    said = events[1].event if len(events) > 1 else None
    message = said.text if isinstance(said, MessagePushed) else None
    wanted = None if job.message is None else job.message.encode("utf-8", "surrogatepass")
    return (created.agent, created.parent, created.given, message) == (agent, parent, given, wanted) and (
        job.name in (None, created.job)
    )
