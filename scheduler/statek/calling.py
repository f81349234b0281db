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
from statek.calls.runner import ToolRunner
from statek.composing import Offered, requested_at_us
from statek.core import machine
from statek.core.decisions import Decision
from statek.core.events import CallAnswered, Event, VariablesOffered
from statek.core.instructions import RunTool
from statek.core.jobs import Job, digest
from statek.pools.leasing import HeldLease
from statek.tick import Tick
from statek_protocol.operations import OPERATIONS

if TYPE_CHECKING:
    from statek.loop import Loop

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

    def lacks_tools(self, job: Job) -> bool:
        """Tell whether a job's replay would call tools that are not here; it then waits for a scheduler that has them.

        Somebody who merely follows a job may become the scheduler while the one with the application is down. Without
        the tools the replay would take another way, and the batch would have failed.
        """
        if self.tools is None or job.running is None:
            return False
        missing = {call.tool for call in job.running.calls} - OPERATIONS - set(self.tools.offered.names)
        if missing:
            names = ", ".join(sorted(missing))
            log.warning(
                "%s waits for a scheduler with the application's tools (--app): it has called %s", job.job, names
            )
        return bool(missing)

    def lacks_variables(self, tick: Tick, job: Job) -> bool:
        """Tell whether a job has to be given variables of the application first; it is enqueued again with them."""
        if self.tools is None or not self.tools.has_more_for(job):
            return False
        tick.then(partial(self.tools.give_variables, job, self.on_given))
        return True

    # what the runner brings

    def on_answer(self, name: str, event: CallAnswered, made: tuple[Event, ...] = ()) -> None:
        """Take a call's outcome and what it brought to the job."""
        self._loop.do(partial(self._answered, name, event, made))

    def on_given(self, name: str, names: tuple[str, ...], values: bytes | None, bound: tuple[Event, ...]) -> None:
        """Take variables that cross to a job."""
        self._loop.do(partial(self._given, name, names, values, bound))

    def note(self, kind: str, key: str, seconds: float) -> None:
        """Put on the audit log that a call is over its time, or has ended after it."""
        job, batch, number = key.rsplit("/", 2)
        said: Body = {"batch": int(batch), "number": int(number), "ms": round(1_000 * seconds)}
        self._loop.do(lambda tick: tick.note_bounded(kind, said, reason=kind, job=job))

    def _answered(self, name: str, event: CallAnswered, made: tuple[Event, ...], tick: Tick) -> None:
        self._loop.decide(tick, name, lambda job, lease: machine.answer(job, lease, event, made))
        self._loop.waiting.take_in(tick, name, made)

    def _given(
        self, name: str, names: tuple[str, ...], values: bytes | None, bound: tuple[Event, ...], tick: Tick
    ) -> None:
        """Take the application's variables for a job that waits for nothing else but an executor."""
        blob = digest(values or b"")
        if values is not None:
            tick.blobs[blob] = values
        offered = (VariablesOffered(names, blob if values is not None else ""),) if names else ()
        self._loop.decide(tick, name, lambda _, lease: Decision((*bound, *offered), (), lease))
        self._loop.placing.enqueue(name)
