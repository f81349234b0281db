"""The loop's part about places: which READY job goes to which executor, and which waiting one makes room for it.

A job that waits for a future, or for its model, may stay in its interpreter. It does not count among the active ones
then, and never keeps a READY job from running: the longest wait is ended where there is no room left. One that goes on
counts again; where as many are active as may be, it goes on when one of those has ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from statek.core import machine
from statek.core.jobs import Job
from statek.core.leases import Lease, lease_id
from statek.loop.tick import Tick
from statek.pools.executors import Executor
from statek.pools.fairness import Shares
from statek.pools.leasing import HeldLease
from statek.pools.parking import Parking
from statek.pools.ready import Kind, ReadyJobs
from statek_policies import Policy
from statek_protocol.messages.executor import Grant
from statek_protocol.messages.interpreter import GuestError

if TYPE_CHECKING:
    from statek.loop.loop import Loop

MAX_CONCURRENCY: Final = 100
MAX_SUSPENDED: Final = 100_000
PARK_SECONDS: Final = 30.0
MAX_PARKED: Final = 1_000
SORTED_AT_ONCE: Final = 1_000
"""Jobs that are sorted in during a turn; it takes some ten microseconds for each."""
GRANTED_AT_ONCE: Final = 50
"""Jobs that are looked at in a turn for places that are free; a grant takes some hundred microseconds."""

WAITED_TOO_LONG: Final = "it waits for longer than an interpreter is kept"
MADE_ROOM: Final = "it waits, and another job needs its place"


class Placing:
    """The READY jobs, and the leases of those that wait."""

    def __init__(
        self,
        loop: Loop,
        *,
        max_concurrency: int,
        give_up_unplaceable: bool,
        park_seconds: float = PARK_SECONDS,
        max_parked: int = MAX_PARKED,
    ) -> None:
        self._loop = loop
        self._max_concurrency = max_concurrency
        self._give_up_unplaceable = give_up_unplaceable
        self._ready = ReadyJobs()
        self._parking = Parking(park_seconds, max_parked)
        self._held_up: dict[str, tuple[HeldLease, Callable[[], None]]] = {}
        """Leases whose wait is over and whose guests go on when there is a place, oldest first."""
        self._models_first = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def shares(self) -> Shares:
        """Return which agents have which places, for all that share them out."""
        return self._ready.shares

    @property
    def ready(self) -> int:
        """Return how many jobs wait for an executor."""
        return len(self._ready)

    @property
    def active(self) -> int:
        """Return how many interpreters are at work."""
        return sum(executor.active for executor in self._loop.executors)

    @property
    def _taken(self) -> int:
        """Return how many places are taken: by interpreters at work, and by jobs whose model is asked."""
        return self.active + self._loop.conversing.asking

    @property
    def parked(self) -> int:
        """Return how many jobs wait for a future or their model, and keep their interpreters."""
        return len(self._parking)

    def enqueue(self, job: str) -> None:
        """Let a READY job wait for an executor."""
        self._ready.add(job)

    def place(self, tick: Tick) -> None:
        """Give places to those that can have one; part of every turn."""
        now = time.monotonic()
        for lease in self._parking.overdue(now):
            self._evict(tick, lease, WAITED_TOO_LONG)
        self._let_go_on(tick)
        self._sort_in(tick)
        self._give_up_unplaceable_jobs(tick)
        self._share_out(tick)
        self._make_room(tick)
        self._look_again_at(self._parking.next_overdue(now))

    # waits

    def follow(self, held: HeldLease, job: Job) -> None:
        """Take notice of whether a lease's guest stands still, after a decision about its job."""
        name = held.lease.lease
        if job.stands_still:
            if name not in self._parking:
                self._parking.park(name, time.monotonic())
                held.executor.idle.add(name)
                self._ready.shares.vacate(name)
        elif name in self._parking:
            self._parking.leave(name)

    def let_go_on(self, held: HeldLease, send: Callable[[], None]) -> None:
        """Have a guest sent what it stands still for: at once, or after a wait when there is a place for it."""
        name = held.lease.lease
        if name in held.executor.idle and not self._has_place(held.executor):
            self._held_up[name] = (held, send)
            return
        self._occupy(held)
        send()

    def dropped(self, held: HeldLease) -> None:
        """Forget a lease that has ended."""
        self._parking.leave(held.lease.lease)
        self._held_up.pop(held.lease.lease, None)
        held.executor.idle.discard(held.lease.lease)
        self._ready.shares.vacate(held.lease.lease)

    def _occupy(self, held: HeldLease) -> None:
        """Let a guest need one of its executor's workers, which counts for its agent."""
        held.executor.idle.discard(held.lease.lease)
        job = self._loop.job_in_hand(held.job)
        self._ready.shares.occupy(held.lease.lease, job.agent if job is not None else "")

    def _let_go_on(self, tick: Tick) -> None:
        """Let guests go on whose waits are over, first come first served on each executor."""
        for name, (held, send) in list(self._held_up.items()):
            if self._has_place(held.executor):
                del self._held_up[name]
                self._occupy(held)
                tick.then(send)

    def _has_place(self, executor: Executor) -> bool:
        return executor.active < executor.workers and self._taken < self._max_concurrency

    def _evict(self, tick: Tick, lease: str, reason: str) -> None:
        held = self._loop.leases.get(lease)
        if held is not None:
            self._loop.leases.end(tick, held, reason, blamed=False)

    def _look_again_at(self, seconds: float | None) -> None:
        """Have a turn when the next wait has lasted for too long."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._loop.do, self._nothing)

    @staticmethod
    def _nothing(_: Tick) -> None:
        """Have a turn."""

    # READY jobs

    def _sort_in(self, tick: Tick) -> None:
        """Sort in the jobs that have become READY, by what they require; many at a start take several turns."""
        if self._ready.sort_in(SORTED_AT_ONCE, partial(self._kind_of, tick)):
            self._loop.do(self._nothing)

    def _kind_of(self, tick: Tick, name: str) -> Kind | None:
        job = self._loop.ready_job(name)
        if job is None or self._loop.calling.lacks_tools(tick, job):
            return None
        return Kind(self._loop.policy_in_turn(tick, job.policy_due).required_layers, job.agent, job.has_begun)

    def _share_out(self, tick: Tick) -> None:
        """Give free places to jobs that need an interpreter and to those that need their model, in turn first."""
        self._models_first = not self._models_first
        if self._models_first:
            self._ask_models(tick)
        self._grant(tick)
        if not self._models_first:
            self._ask_models(tick)

    def _ask_models(self, tick: Tick) -> None:
        """Have models asked where there is room, and jobs with a reply keep theirs until they have an interpreter.

        These keep half of all places at most, because they may wait for executors that never come.
        """
        replied = min(self._loop.conversing.replied, self._max_concurrency // 2)
        self._loop.conversing.ask(tick, self._max_concurrency - self._taken - replied)

    def _grant(self, tick: Tick) -> None:
        """Give READY jobs to executors that have room, their agents in turn."""
        free = self._max_concurrency - self._taken
        tries = GRANTED_AT_ONCE
        while free > 0 and tries and (found := self._ready.next(self._loop.executors.for_layers)):
            tries -= 1
            name, executor = found
            job = self._loop.ready_job(name)
            if job is None or self._loop.calling.lacks_variables(tick, job):
                continue
            policy = self._loop.policy_in_turn(tick, job.policy_due)
            if policy.required_layers <= executor.layers:
                free -= 1
                self._lease_out(tick, job, policy, executor)
            else:  # its policy was changed since it was sorted in
                self._ready.add(name)
        if not tries:
            self._loop.do(self._nothing)

    def _make_room(self, tick: Tick) -> None:
        """End the longest waits where READY jobs could run if it were not for them."""
        wanted = min(len(self._ready), self._max_concurrency - self._taken)
        wanted -= sum(executor.becoming_free for executor in self._loop.executors)
        for required, jobs in self._ready.waiting():
            for _ in range(min(jobs, wanted)):
                crowded = [one for one in self._loop.executors if one.is_crowded and required <= one.layers]
                lease = self._parking.longest(lease for executor in crowded for lease in executor.leases)
                if lease is None:
                    break
                wanted -= 1
                self._evict(tick, lease, MADE_ROOM)

    def _lease_out(self, tick: Tick, job: Job, policy: Policy, executor: Executor) -> None:
        epoch = job.epoch + 1
        manifest = tick.manifest(job.job, self._loop.ledger)
        lease = Lease(lease_id(job.job, epoch), epoch, executor.executor, policy, manifest)
        held = HeldLease(lease, job.job, executor, executor.endpoint)
        executor.granted += 1
        executor.leases[lease.lease] = 0
        self._ready.shares.occupy(lease.lease, job.agent)
        tick.then(partial(held.send, Grant(job.job)))
        self._loop.leases.take_up(tick, held, machine.grant(job, lease, host=executor.host, layers=executor.layers))

    def _give_up_unplaceable_jobs(self, tick: Tick) -> None:
        """Where no further host can come, jobs that none of the hosts may run have failed."""
        if not self._give_up_unplaceable:
            return
        for required, jobs in list(self._ready.waiting()):
            lacking = self._loop.executors.missing_layers(required)
            if not lacking or not all(lacking.values()):
                continue
            missing = ", ".join(sorted(frozenset().union(*lacking.values())))
            for _ in range(min(jobs, GRANTED_AT_ONCE)):
                self._give_up(tick, self._ready.take(required), missing)
            if jobs > GRANTED_AT_ONCE:
                self._loop.do(self._nothing)

    def _give_up(self, tick: Tick, name: str, missing: str) -> None:
        job = self._loop.ready_job(name)
        if job is None:
            return
        policy = self._loop.policy_in_turn(tick, job.policy_due)
        text = (
            f"the policy {policy.name!r} requires isolation layers that this host lacks: {missing}; "
            f"`statek doctor` says why, and how to get them"
        )
        self._loop.abandon(tick, job, GuestError("LayersMissing", text, None))
