"""What can be done over HTTP, whichever of its two faces is asked: each act checks what its token allows, and does it.

They run in worker threads and may wait for the scheduler's turn. What a token is not for does not exist for it: a job
of another agent is an unknown job.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypedDict, TypeVar

from statek.api.http import results
from statek.api.http.answers import as_json
from statek.api.http.bodies import (
    EventBody,
    FindParameters,
    JobStartBody,
    MessageBody,
    OutcomeBody,
    PageParameters,
    ReasonBody,
    RedriveBody,
    SinceParameters,
    SubmitBatchBody,
    SubmitBody,
)
from statek.api.http.problems import Problem, unfit
from statek.api.http.repeats import check_same, key_of_push
from statek.api.http.who import Who
from statek.application import completing
from statek.application.client_api import LOCALE, NewAgentJob, start_jobs
from statek.application.job_handle import cancel_job, retry_job
from statek.application.push_queue import PushQueue
from statek.inspection.plain import plain
from statek.inspection.shapes import Page
from statek.inspection.store_view import StoreView, UnknownJob
from statek.inspection.views import JobView


class OutOfReach(UnknownJob):
    """There is such a job, of an agent that the token is not for. Who asks is told the same as of none."""


PAGE_BYTES: Final = 1 << 20
"""A page ends after the step with which it is so large, whatever its limit."""
_STEP: Final = 20
"""Entries that are read at once."""

P = ParamSpec("P")
Cursor = TypeVar("Cursor", int, int | None)
Read = Callable[[Cursor, int], tuple[list[results.Plain], int | None]]
"""Gives so many entries after a cursor, and the cursor to go on from."""


class _Entries(TypedDict):
    """What all logs have in common."""

    items: list[results.Plain]
    after: int | None


class Acts:
    """What can be done on one store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._view = StoreView(store)

    # starting jobs

    def submit(self, who: Who, body: SubmitBody) -> results.Started:
        """Start a job; the same again for the same key."""
        return self._start(who, body.agent, [body], body.parent, body.locale)

    def submit_batch(self, who: Who, body: SubmitBatchBody) -> results.Started:
        """Start jobs, all of them or none."""
        return self._start(who, body.agent, body.jobs, body.parent, None)

    def _start(
        self,
        who: Who,
        agent: str,
        bodies: list[JobStartBody] | list[SubmitBody],
        parent: str | None,
        locale: str | None,
    ) -> results.Started:
        who.may_for("submit", agent)
        if parent is not None:
            self._job(who, parent)
        more = {} if locale is None else {LOCALE: locale}
        jobs = [NewAgentJob({**body.variables, **more}, body.message, body.name) for body in bodies]
        try:
            names = start_jobs(agent, jobs, key=who.once, parent=parent, store=self._store)
        except TypeError as error:
            raise unfit("variables", "variables", str(error)) from error
        if who.key is not None:
            check_same(self._view, names, agent, jobs, parent or "")
        return {"jobs": list(names)}

    # saying something

    def push_message(self, who: Who, job: str, body: MessageBody) -> results.Pushed:
        """Say something to a job."""
        who.may("push")
        self._job(who, job)
        key = key_of_push(self._view, who, body.queue, f"job {job}", body.message)
        return {"number": self._queue(body.queue).push_to_job_console(job, body.message, key=key)}

    def push_event(self, who: Who, agent: str, body: EventBody) -> results.Pushed:
        """Have an agent get an event."""
        who.may_for("push", agent)
        key = key_of_push(self._view, who, body.queue, f"agent {agent}", body.event)
        try:
            return {"number": self._queue(body.queue).push_to_agent_queue(agent, body.event, key=key)}
        except TypeError as error:
            raise unfit("event", "event", str(error)) from error

    def complete_future(self, who: Who, key: str, body: OutcomeBody) -> results.Told:
        """Give the futures of a key their value, or let them fail."""
        who.may_all("push")
        if body.error is not None:
            return _settled(completing.fail_future, key, body.error, store=self._store)
        return _settled(completing.complete_future, key, body.value, store=self._store)

    def cancel_future(self, who: Who, key: str) -> results.Told:
        """Give up the open futures of a key."""
        who.may_all("push")
        return _settled(completing.cancel_future, key, store=self._store)

    # steering

    def cancel(self, who: Who, job: str, body: ReasonBody) -> results.Cancelled:
        """End a job."""
        who.may("steer")
        self._job(who, job)
        return {"cancelled": cancel_job(job, body.reason, store=self._store)}

    def retry(self, who: Who, job: str) -> results.Retried:
        """Let a job that did not end well go on."""
        who.may("steer")
        self._job(who, job)
        return {"retried": retry_job(job, store=self._store)}

    def redrive(self, who: Who, queue: str, body: RedriveBody) -> results.Moved:
        """Put dead letters back, or throw them away."""
        who.may_all("steer")
        name = self._queue(queue)
        return {"items": name.redrive(body.number) if body.act == "redrive" else name.discard(body.number)}

    # looking

    def find(self, who: Who, asked: FindParameters) -> results.JobPage:
        """List jobs, without their logs."""
        who.may("read")
        if who.token.agents is not None and (asked.agent is None or not who.token.is_for(asked.agent)):
            names = ", ".join(sorted(who.token.agents))
            raise Problem(
                403, "agents", f"the token {who.token.name!r} is for some agents only: ask for one of {names}"
            )
        wanted = asked.model_dump(exclude={"after", "limit"})

        def read(after: int | None, limit: int) -> tuple[list[results.Plain], int | None]:
            page = self._view.find(**wanted, after=after, limit=limit)
            return [view.to_plain(logs=False) for view in page.jobs], page.after

        with self._view.reading():
            jobs, after = _gathered(read, asked.after, asked.limit)
        return {"jobs": jobs, "after": after}

    def job(self, who: Who, job: str) -> results.Job:
        """Return a job, without its logs."""
        who.may("read")
        with self._view.reading():
            return self._job(who, job).to_plain(logs=False)

    def chat(self, who: Who, job: str, asked: PageParameters) -> results.ChatLog:
        """Return entries of a job's chat_log."""
        return self._entries(who, job, asked, JobView.chat)

    def calls(self, who: Who, job: str, asked: PageParameters) -> results.ToolLog:
        """Return entries of a job's tool_log."""
        return self._entries(who, job, asked, JobView.calls)

    def console(self, who: Who, job: str, asked: PageParameters) -> results.Console:
        """Return what a job printed."""
        return self._entries(who, job, asked, JobView.printed)

    def violations(self, who: Who, job: str, asked: PageParameters) -> results.Violations:
        """Return what the policy refused to a job."""
        return self._entries(who, job, asked, JobView.refusals)

    def queues(self, who: Who) -> results.QueueList:
        """Return what waits and what is dead in all queues."""
        who.may("read")
        with self._view.reading() as ledger:
            depths = ledger.queue_depths()
        return {"queues": [plain(depth) for depth in depths if who.token.is_for(depth.agent)]}

    def dead_letters(self, who: Who, queue: str, asked: PageParameters) -> results.DeadLetters:
        """Return what could not be delivered, without what it says."""
        who.may_all("read")
        name = self._queue(queue)

        def read(after: int, limit: int) -> tuple[list[results.Plain], int | None]:
            letters = name.dead_letters(after=after, limit=limit)
            told = [{**plain(letter), "body": len(letter.body)} for letter in letters]
            return told, letters[-1].number if len(letters) == limit else None

        letters, after = _gathered(read, asked.after, asked.limit)
        return {"letters": letters, "after": after}

    def agents(self, who: Who) -> results.AgentList:
        """Return the agents, in the version that new jobs get."""
        who.may("read")
        with self._view.reading() as ledger:
            known = ledger.agents()
        counts: dict[str, dict[str, int]] = {}
        for counted in self._view.counts():
            counts.setdefault(counted.agent, {})[counted.status] = counted.jobs
        return {
            "agents": [
                {
                    "agent": one.name,
                    "model": version.model,
                    "provider": version.provider,
                    "policy": version.policy_name,
                    "tools": list(version.tools),
                    "jobs": counts.get(one.name, {}),
                    "revised": sorted(one.changes or ()),
                }
                for one in known
                if who.token.is_for(one.name)
                for version in (one.definition(),)
            ]
        }

    def usage(self, who: Who, asked: SinceParameters) -> results.UsageTotals:
        """Return what all jobs used, by day, agent and model."""
        who.may_all("read")
        return {"usage": [plain(total) for total in self._view.usage(asked.since)]}

    def state(self, who: Who, job: str) -> None:
        """Raise `Problem` or `UnknownJob` where the token may not look at the job."""
        who.may("read")
        self._job(who, job)

    def _entries(
        self, who: Who, job: str, asked: PageParameters, read: Callable[[JobView, int, int], Page[Any]]
    ) -> _Entries:
        """Read a page of a log."""
        who.may("read")

        def written(after: int, limit: int) -> tuple[list[results.Plain], int | None]:
            page = read(found, after, limit)
            return plain(page.items), page.after

        with self._view.reading():
            found = self._job(who, job)
            items, after = _gathered(written, asked.after, asked.limit)
        return {"items": items, "after": after}

    def _job(self, who: Who, name: str) -> JobView:
        try:
            found = self._view.job(name)
        except UnknownJob:
            if who.token.agents is None:
                raise
            raise UnknownJob(name, ()) from None  # names that are like it may be those of other agents' jobs
        if not who.token.is_for(found.agent):
            raise OutOfReach(name, ())
        return found

    def _queue(self, name: str) -> PushQueue:
        return PushQueue(name, store=self._store)


def _settled(
    settle: Callable[Concatenate[str, P], completing.FutureCompletion], key: str, *args: P.args, **kwargs: P.kwargs
) -> results.Told:
    """Settle the futures of a key, and say what became of them."""
    try:
        told = settle(key, *args, **kwargs)
    except TypeError as error:
        raise unfit("future", "value", str(error)) from error
    except ValueError as error:
        raise unfit("future", "key", str(error)) from error
    return {"outcome": told.outcome, "futures": told.futures, "ended": list(told.ended)}


def _gathered(read: Read[Cursor], after: Cursor, limit: int) -> tuple[list[results.Plain], int | None]:
    """Read a page in steps: entries can be of any size, and no more of them are in memory than are worth it."""
    items: list[results.Plain] = []
    size = 0
    while True:
        told, following = read(after, min(_STEP, limit - len(items)))
        items += told
        size += len(as_json(told))
        if following is None or len(items) >= limit or size >= PAGE_BYTES:
            return items, following
        after = following
