"""The loop's part about what jobs may spend together: who counts what a subtask used, and when nothing is left of it.

A bound of one job can hold for it and all that work for it (`core.harness.of_tree`). What a reply used is counted by
those jobs in the reply's own transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from statek.core import harness, turns
from statek.core.decisions import Decision
from statek.core.events import SubtaskSpent, TurnUsage
from statek.core.jobs import Job
from statek.loop.tick import Tick

if TYPE_CHECKING:
    from statek.loop.loop import Loop


class Spending:
    """Keeps nothing: what was spent is in the jobs."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def charge(self, tick: Tick, job: Job, usage: TurnUsage) -> None:
        """Have what a subtask used counted by the jobs that it works for, where their bounds hold for all together."""
        spent = Decision((SubtaskSpent(job.job, usage),))
        for ancestor in self._bounded_ancestors(tick, job):
            self._loop.decide(tick, ancestor.job, lambda _, lease: replace(spent, lease=lease))

    def outspent_by(self, tick: Tick, job: Job) -> Job | None:
        """Return the job for which this one works, and whose bounds leave nothing to spend for either."""
        return next((one for one in self._bounded_ancestors(tick, job) if turns.outspent(job, one)), None)

    def _bounded_ancestors(self, tick: Tick, job: Job) -> Iterator[Job]:
        found: Job | None = job
        while found is not None and found.parent:
            found = self._loop.job_in_turn(tick, found.parent)
            if found is not None and found.conversation is not None and harness.is_of_tree(found.conversation):
                yield found
