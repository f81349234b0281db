"""The loop's part about calls: tools and operations that are to be made, what came of them, and what they bring a job.

What they need of the application is there or not: a job whose replay has called tools that are not here waits for a
scheduler that has them, and one that was not given the application's variables gets them before its next batch.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from statek.audit.records import Body
from statek.calls.offered import Offered
from statek.calls.outcomes import Variables
from statek.calls.runner import ToolRunner
from statek.core import machine
from statek.core.decisions import Decision
from statek.core.events import CallAnswered, Event, VariablesOffered
from statek.core.instructions import RunTool
from statek.core.jobs import Job, digest
from statek.core.leases import lease_id
from statek.loop.composing import requested_at_us
from statek.loop.tick import Tick
from statek.pools.leasing import HeldLease
from statek_protocol.operations import OPERATIONS

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)


class Calling:
    """Calls of guests on their way to the runner, and their outcomes on the way back."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.tools: ToolRunner | None = None

    @property
    def offered(self) -> Offered:
        """Return what guests find in their namespaces."""
        return self.tools.offered if self.tools else Offered()

    def offered_to(self, job: Job, tick: Tick | None = None) -> Offered:
        """Return what the guests of one job find; its agent's version may have come in this very turn."""
        return self.offered.to(self._loop.roster.version(job, tick))

    def run(self, held: HeldLease, call: RunTool) -> None:
        """Have a call made whose intent is durable."""
        job = self._loop.job_in_hand(held.job)
        if job is None or not job.wants_answer(call.batch, call.number):
            return  # it was answered in the same turn, or its batch ended
        assert self.tools is not None
        waited = self._seconds_since_request(held.job, call) if call.repeated else 0.0
        self.tools.start(job, call, held.lease.policy, waited)

    def _seconds_since_request(self, job: str, call: RunTool) -> float:
        requested = requested_at_us(self._loop.ledger, job, call.batch, call.number)
        return 0.0 if requested is None else max(0.0, time.time() - requested / 1e6)

    def lacks_tools(self, tick: Tick, job: Job) -> bool:
        """Tell whether tools that a job needs are not here; it then waits for a scheduler that has them.

        Somebody who merely follows a job may become the scheduler while the one with the application is down. Without
        the tools a replay would take another way, and the batch would have failed; and the jobs of an agent that is not
        here would be told that its tools do not exist.
        """
        if self.tools is None:
            return False
        here = self.offered
        version = None if job.agent in here.agents else self._loop.roster.version(job, tick)
        called = {call.tool for call in job.running.calls} if job.running is not None else set()
        missing = (called | set(version.tools if version is not None else ())) - OPERATIONS - set(here.names)
        if missing:
            names = ", ".join(sorted(missing))
            log.warning("%s waits for a scheduler with the application's tools: it needs %s", job.job, names)
        return bool(missing)

    def lacks_variables(self, tick: Tick, job: Job) -> bool:
        """Tell whether a job has to be given variables first; it is enqueued again with them."""
        if self.tools is None or job.running is not None:
            return False
        given = (tick.blobs.get(job.given) or self._loop.ledger.blob(job.given)) if job.given else None
        names = self._new_to(tick, job)
        if given is None and not names:
            return False
        tick.then(partial(self.tools.giver.give, job, names, given, self.on_given))
        return True

    def renew(self, tick: Tick, job: Job) -> None:
        """End a lease that was kept between two turns where the application has new variables for its job since."""
        if job.leased and job.running is None and self._new_to(tick, job):
            end = partial(machine.end_lease, lease=lease_id(job.job, job.epoch), epoch=job.epoch, blamed=False)
            self._loop.decide(tick, job.job, lambda job, _: end(job, reason="the application has new variables for it"))

    def _new_to(self, tick: Tick, job: Job) -> tuple[str, ...]:
        """Name the application's variables that a job has not been given."""
        return tuple(name for name in self.offered_to(job, tick).exports if name not in job.offered)

    # what the runner brings

    def on_answer(self, name: str, event: CallAnswered, made: tuple[Event, ...] = ()) -> None:
        """Take a call's outcome and what it brought to the job."""
        self._loop.do(partial(self._answered, name, event, made))

    def on_given(self, name: str, variables: Variables) -> None:
        """Take variables that cross to a job."""
        self._loop.do(partial(self._given, name, variables))

    def note(self, kind: str, key: str, seconds: float) -> None:
        """Put on the audit log that a call is over its time, or has ended after it."""
        job, batch, number = key.rsplit("/", 2)
        said: Body = {"batch": int(batch), "number": int(number), "ms": round(1_000 * seconds)}
        self._loop.do(lambda tick: tick.note_bounded(kind, said, reason=kind, job=job))

    def _answered(self, name: str, event: CallAnswered, made: tuple[Event, ...], tick: Tick) -> None:
        self._loop.decide(tick, name, lambda job, lease: machine.answer(job, lease, event, made))
        self._loop.waiting.take_in(tick, name, made)

    def _given(self, name: str, variables: Variables, tick: Tick) -> None:
        """Take variables for a job that waits for nothing but an executor; it has failed where it cannot have them."""
        job = self._loop.ready_job(name)
        if job is None or not set(job.offered).isdisjoint(variables.names):
            return  # it was ended meanwhile, or ended, tried again, and given them for that
        if variables.error is not None:
            self._loop.abandon(tick, job, variables.error)
            return
        blob = ""
        if variables.values is not None:
            blob = digest(variables.values)
            tick.blobs[blob] = variables.values
        offered = (VariablesOffered(variables.names, blob, variables.given),) if variables.names else ()
        self._loop.decide(tick, name, lambda _, lease: Decision((*variables.bound, *offered), (), lease))
        self._loop.placing.enqueue(name)
