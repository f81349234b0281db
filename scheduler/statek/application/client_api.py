"""Starting jobs of agents, from an application: in the scheduler's process or in any other on its machine.

api = StatekClientAPI()
job = api.submit_new_job("researcher", {"topic": "penguins"}, message="What do they eat?")
print(job.wait(60).exit_status)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statek.application import asking
from statek.application.giving import plainly, written
from statek.application.job_handle import JobHandle
from statek.application.push_queue import role_of
from statek.calls.current import key_of_call
from statek.errors import SubmissionRefused
from statek.loop.roster import JobStart
from statek_protocol.messages.client import NewJob

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.loop.loop import Loop
    from statek.loop.tick import Tick

LOCALE: Final = "locale"
"""The variable that the seeds' `locale` of a job becomes."""
KEY_BYTES: Final = 16
KEY_CHARACTERS: Final = 160
"""Of an idempotency key: what a client's request may have."""
BATCH_LIMIT: Final = 1_000
"""Jobs that are started together: all of them are decided upon in one turn, and come in one message."""


@dataclass(frozen=True, slots=True)
class NewAgentJob:
    """What a job of an agent is to start with."""

    variables: Mapping[str, Any]
    """By name; in the scheduler's process also objects of dbzero and of the application, elsewhere plain values."""
    message: str | None = None
    """What the user says first."""
    name: str | None = None
    """What it is to be called; None for a name that the scheduler chooses."""


class StatekClientAPI:
    """Submits jobs to the scheduler of a store. From any thread but the scheduler's own loop."""

    def __init__(self, *, store: Path | str | None = None) -> None:
        """Without `store` the scheduler of this process is meant, or the store that `statek` commands use."""
        self._store = store

    def submit_new_job(
        self,
        agent: Agent | str,
        shared_vars: Mapping[str, Any] | None = None,
        locale: str | None = None,
        *,
        message: str | None = None,
        key: str | None = None,
        name: str | None = None,
        parent: str | None = None,
    ) -> JobHandle:
        """Start a job of an agent with these variables, and the locale as one more; durable on return.

        With the same `key` it is the same job, however often it is submitted. Raises `SubmissionRefused` where the
        agent is unknown, or a name cannot be used or is taken; TypeError with the place of what cannot be given.
        """
        job = NewAgentJob(_variables(shared_vars, locale), message, name)
        (started,) = self._start(agent, [job], key, parent)
        return started

    def submit_new_jobs_batch(
        self,
        agent: Agent | str,
        shared_vars_batch: Iterable[Mapping[str, Any]],
        locale: str | None = None,
        *,
        message: str | None = None,
        key: str | None = None,
        parent: str | None = None,
    ) -> list[JobHandle]:
        """Start a job for each set of variables, all of them or none; otherwise as `submit_new_job`.

        Raises ValueError for more than `BATCH_LIMIT` jobs, which are several batches.
        """
        jobs = [NewAgentJob(_variables(shared_vars, locale), message) for shared_vars in shared_vars_batch]
        return self._start(agent, jobs, key, parent) if jobs else []

    def job(self, name: str) -> JobHandle:
        """Return a job by its name, its uuid; raises `UnknownJob`."""
        return JobHandle(name, store=self._store)

    def _start(
        self, agent: Agent | str, jobs: list[NewAgentJob], key: str | None, parent: str | None
    ) -> list[JobHandle]:
        names = start_jobs(role_of(agent), jobs, key=key, parent=parent, store=self._store)
        return [JobHandle(name, store=self._store) for name in names]


def start_jobs(
    agent: str, jobs: list[NewAgentJob], *, key: str | None, parent: str | None, store: Path | str | None
) -> tuple[str, ...]:
    """Start jobs of an agent, all of them or none, once for a key; return their names in order."""
    if len(jobs) > BATCH_LIMIT:
        text = f"{len(jobs)} jobs in one batch; at most {BATCH_LIMIT} are started together: submit several batches"
        raise ValueError(text)
    here = asking.scheduler_here(store)
    kept = [JobStart(_kept(here, job), _text(job.message), job.name or "") for job in jobs]
    sent = [] if here is not None else [NewJob(_sent(job), _text(job.message), job.name or "") for job in jobs]
    once = _checked(key) or key_of_call() or secrets.token_hex(KEY_BYTES)

    def decide(loop: Loop, tick: Tick) -> tuple[str, ...]:
        return loop.roster.start_jobs(tick, once, agent, kept, parent or "")

    return asking.decided(store, decide, lambda client: client.start_jobs(agent, sent, parent=parent or "", key=once))


def submit_new_job(
    agent: Agent | str,
    shared_vars: Mapping[str, Any] | None = None,
    locale: str | None = None,
    *,
    message: str | None = None,
    key: str | None = None,
    name: str | None = None,
    parent: str | None = None,
    store: Path | str | None = None,
) -> JobHandle:
    """Start a job of an agent, as `StatekClientAPI.submit_new_job` does."""
    api = StatekClientAPI(store=store)
    return api.submit_new_job(agent, shared_vars, locale, message=message, key=key, name=name, parent=parent)


def submit_new_jobs_batch(
    agent: Agent | str,
    shared_vars_batch: Iterable[Mapping[str, Any]],
    locale: str | None = None,
    *,
    message: str | None = None,
    key: str | None = None,
    parent: str | None = None,
    store: Path | str | None = None,
) -> list[JobHandle]:
    """Start jobs of an agent, all of them or none, as `StatekClientAPI.submit_new_jobs_batch` does."""
    api = StatekClientAPI(store=store)
    return api.submit_new_jobs_batch(agent, shared_vars_batch, locale, message=message, key=key, parent=parent)


def _variables(shared_vars: Mapping[str, Any] | None, locale: str | None) -> dict[str, Any]:
    given = dict(shared_vars or {})
    if locale is None:
        return given
    if LOCALE in given:
        raise TypeError("locale is given twice: as the job's locale, and among its variables")
    return {**given, LOCALE: locale}


def _kept(here: asking.Scheduler | None, job: NewAgentJob) -> bytes | None:
    return written(here, dict(job.variables), "variables") if job.variables else None


def _sent(job: NewAgentJob) -> bytes | None:
    return plainly(dict(job.variables), "variables") if job.variables else None


def _text(message: str | None) -> bytes | None:
    return None if message is None else message.encode("utf-8", "surrogatepass")


def _checked(key: str | None) -> str | None:
    """Check an idempotency key; raises TypeError or `SubmissionRefused`."""
    if key is None:
        return None
    if type(key) is not str:
        raise TypeError(f"a key is a str, not {type(key).__name__}")
    if not 1 <= len(key) <= KEY_CHARACTERS or not key.isprintable():
        raise SubmissionRefused("key", f"an idempotency key has 1 to {KEY_CHARACTERS} printable characters")
    return key
