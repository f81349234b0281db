"""What clients ask about agents and queues: jobs to start, things to push, versions to revise, dead letters to decide.

What a client sends is a plain value of anybody's making: it is read once, within its bounds, before it is kept.
"""

from __future__ import annotations

from functools import partial
from typing import Final, assert_never

from statek.api.kept_answers import KeptAnswers
from statek.errors import AgentRefused, SubmissionRefused
from statek.loop.loop import Loop
from statek.loop.queueing import NewItem
from statek.loop.roster import JobStart
from statek.loop.tick import Tick
from statek.store import given
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import (
    NewJob,
    Push,
    Pushed,
    Redrive,
    Redriven,
    ReviseAgent,
    Revised,
    Started,
    StartJobs,
)
from statek_protocol.values import MalformedValue

AgentRequest = StartJobs | Push | ReviseAgent | Redrive

SOURCE: Final = "client"
"""Who pushes what comes from another process."""


class AgentRequests:
    """Decides upon them in a turn of the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._kept: KeptAnswers[Message] = KeptAnswers()

    def answer(self, request: AgentRequest, tick: Tick) -> Message:
        """Decide, and return what the client is told once it is durable; raises `SubmissionRefused`."""
        match request:
            case StartJobs():
                return self._start(request, tick)
            case Push():
                return self._push(request, tick)
            case ReviseAgent():
                return self._kept.answer(request.request, partial(self._revise, request, tick))
            case Redrive():
                return self._kept.answer(request.request, partial(self._redrive, request, tick))
            case _:
                assert_never(request)

    def _start(self, request: StartJobs, tick: Tick) -> Started:
        jobs = [JobStart(_variables(job), job.message, job.name) for job in request.jobs]
        names = self._loop.roster.start_jobs(tick, request.request, request.agent, jobs, request.parent)
        return Started(request.request, names)

    def _push(self, request: Push, tick: Tick) -> Pushed:
        body = request.body if request.job is not None else _plain(request.body, "body")
        key = request.key or f"request {request.request}"[:200]
        item = NewItem(request.queue, request.job, request.agent, body, key, SOURCE)
        return Pushed(request.request, self._loop.queueing.push(tick, item))

    def _revise(self, request: ReviseAgent, tick: Tick) -> Revised:
        if request.changes is not None and type(request.changes) is not dict:
            raise SubmissionRefused("changes", "changes are a map of fields by name")
        try:
            revised = self._loop.roster.revise(tick, request.agent, request.changes)
        except AgentRefused as error:
            raise SubmissionRefused("changes", str(error)) from error
        return Revised(request.request, request.agent, revised)

    def _redrive(self, request: Redrive, tick: Tick) -> Redriven:
        items = self._loop.queueing.redrive(tick, request.queue, request.number, request.act)
        return Redriven(request.request, items)


def _variables(job: NewJob) -> bytes | None:
    return None if job.values is None else _plain(job.values, "variables")


def _plain(data: bytes, what: str) -> bytes:
    try:
        return given.from_plain(data)
    except MalformedValue as error:
        raise SubmissionRefused(what, f"the {what} cannot be read: {error}") from error
