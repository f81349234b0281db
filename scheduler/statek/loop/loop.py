"""The scheduler's loop: it moves messages, time and disk, and leaves the deciding to `statek.core`.

A turn takes everything that has arrived, lets the machine decide upon each message, commits all that became a fact in
one transaction, and only then answers, sends and runs. Whatever anybody outside has seen is therefore durable.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgpack

from statek.audit.recorder import Recorder
from statek.audit.records import Body
from statek.core import holds, machine
from statek.core.decisions import Decision
from statek.core.events import Event, JobEnded, ReplyLost, TurnAnswered
from statek.core.jobs import UNDER_WAY, Job
from statek.core.leases import Lease, lease_id
from statek.core.submissions import submit
from statek.loop.calling import Calling
from statek.loop.conversing import Conversing
from statek.loop.delivering import Delivering
from statek.loop.leases import Leases
from statek.loop.placing import MAX_PARKED, PARK_SECONDS, Placing
from statek.loop.queueing import Queueing
from statek.loop.roster import Roster
from statek.loop.spending import Spending
from statek.loop.steering import Steering
from statek.loop.tick import Tick
from statek.loop.waiting import Waiting
from statek.pools.executors import Executors
from statek.store.ledger import Ledger, Submission
from statek_policies import Policy
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.version import RELEASE

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 5.0
"""An executor that is silent for longer has lost its leases."""
HEARTBEAT_SECONDS: Final = 1.0
TURN_SECONDS: Final = 0.01
"""After so long a turn takes no further message: what is decided is made durable, and others get their word in."""
HEARTBEATS_MISSED: Final = 3
"""A lease that its executor does not name this often in a row never arrived there."""

Work = Callable[[Tick], None]


class Loop:
    """The state that decisions are carried out from: jobs in hand and leases in force."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        max_concurrency: int,
        give_up_unplaceable: bool,
        park_seconds: float = PARK_SECONDS,
        max_parked: int = MAX_PARKED,
    ) -> None:
        self.ledger = ledger
        self.executors = Executors()
        self.refused: Counter[str] = Counter()
        """Messages that were refused, by reason."""
        self._recorder = Recorder()
        self.listeners: list[Callable[[set[str]], None]] = []
        """Called after each commit with the names of the jobs that changed."""
        self.witnesses: list[Callable[[Tick], None]] = []
        """Called after each commit, before what follows from it, with all that became durable."""
        self.committed: Tick | None = None
        """The turn that became durable last, with all its events."""
        self.resting = threading.Event()
        """Set between two turns, for other threads that can wait for a moment in which they hold up nobody."""
        self.resting.set()
        self._jobs: dict[str, Job] = {}
        self._policies: dict[str, Policy] = {}
        self.turn_seconds = TURN_SECONDS
        self._work: deque[Work] = deque()
        self._wake = asyncio.Event()
        self.leases = Leases(self)
        self.calling = Calling(self)
        self.waiting = Waiting(self)
        self.roster = Roster(self)
        self.queueing = Queueing(self)
        self.delivering = Delivering(self, max_concurrency=max_concurrency)
        self.placing = Placing(
            self,
            max_concurrency=max_concurrency,
            give_up_unplaceable=give_up_unplaceable,
            park_seconds=park_seconds,
            max_parked=max_parked,
        )
        self.conversing = Conversing(self, self.placing.shares)
        self.steering = Steering(self)
        self.spending = Spending(self)

    # what the rims call

    def do(self, work: Work) -> None:
        """Have this decided in the next turn."""
        self._work.append(work)
        self._wake.set()

    async def run(self) -> None:
        """Turn for ever; raises `StoreUnwritable` when a turn cannot be made durable."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self.turn()
            await asyncio.sleep(0)  # sockets are read before the next turn, also while there is always one more

    @property
    def backlog(self) -> int:
        """Return how much waits to be decided upon."""
        return len(self._work)

    def turn(self) -> None:
        """Decide upon what waits, as much as there is time for in a turn, commit, carry out."""
        self.resting.clear()
        try:
            self._turn(self._new_tick())
        finally:
            self.resting.set()

    def _turn(self, tick: Tick) -> None:
        until = time.monotonic() + self.turn_seconds
        while self._work:
            self._work.popleft()(tick)
            if time.monotonic() > until:
                break
        if self._work:
            self._wake.set()
        self.delivering.deliver(tick)
        self.placing.place(tick)
        self._commit(tick)
        tick.carry_out()
        self.leases.credit()
        if tick.changed:
            for listener in self.listeners:
                listener(set(tick.changed))

    def recover(self) -> None:
        """Take up what the ledger says is unfinished: no lease of an earlier process is in force."""
        tick = self._new_tick()
        jobs = list(self.ledger.jobs(sorted(UNDER_WAY)))
        self._note_start(tick, jobs)
        for job in jobs:
            self._jobs[job.job] = job
            if job.leased:
                job = self.end_former_lease(tick, job)
            if job.conversation is not None and job.conversation.asking:
                self.conversing.take_up(tick, job)
            else:
                self.placing.enqueue(job.job)
        self.waiting.begin()
        self.waiting.take_up(tick)
        self._commit(tick)
        tick.carry_out()
        self._wake.set()
        log.info("%d jobs to go on with", self.placing.ready)

    def _commit(self, tick: Tick) -> None:
        tick.commit(self.ledger)
        self.committed = tick
        for witness in self.witnesses:
            witness(tick)

    def _new_tick(self) -> Tick:
        return Tick(time.time_ns() // 1_000, self._recorder, self.ledger.last_cursor)

    def _note_start(self, tick: Tick, jobs: Collection[Job]) -> None:
        """Put on the audit log what was found, before anything is changed."""
        if self.ledger.audit.tail_missing is not None:
            log.warning("the audit log: %s", self.ledger.audit.tail_missing)
            tick.note("tail_missing", {"reason": self.ledger.audit.tail_missing})
        leases = sum(job.leased for job in jobs)
        found = {"release": RELEASE, "cursor": tick.after, "unfinished_jobs": len(jobs), "former_leases": leases}
        tick.note("scheduler_started", found)

    def end_former_lease(self, tick: Tick, job: Job) -> Job:
        """End a lease of the process before this one."""
        untold = self.ledger.audit.untold(job.job)
        if untold is not None:
            self._recorder.resume(job.job, tick.at_us, untold)
        lease = lease_id(job.job, job.epoch)
        ended = machine.end_lease(job, lease, job.epoch, "the scheduler started anew", blamed=False)
        return self.record(tick, job.job, ended, job)

    def tell_counted(self, tick: Tick) -> None:
        """Put the counts of refused messages on the audit log that have waited long enough."""
        tick.drafts += self._recorder.overdue(tick.at_us)

    def stopped(self) -> None:
        """Put on the audit log that this scheduler ends in good order; nothing is decided after it."""
        tick = self._new_tick()
        self.conversing.take_last(tick)
        tick.drafts += self._recorder.overdue(tick.at_us, all_of_it=True)
        tick.note("scheduler_stopped", {"release": RELEASE, "cursor": tick.after})
        tick.commit(self.ledger)

    def refuse(self, kind: str, code: str, body: Body, *, job: str | None = None) -> None:
        """Count a message that is refused, and have it put on the audit log."""
        self.refused[code] += 1
        said = {"code": code, **body}
        self.do(lambda tick: tick.note_bounded(kind, said, reason=code, job=job))

    # jobs

    def job(self, name: str) -> Job | None:
        """Return a job as it stands between two turns; within one, `job_in_turn` knows also what has ended in it."""
        return self._jobs.get(name) or self.ledger.job(name)

    def job_in_turn(self, tick: Tick, name: str) -> Job | None:
        """Return a job as of this moment in the turn; None when there is none of that name."""
        known = tick.changed.get(name) or self._jobs.get(name) or tick.read.get(name)
        if known is None and (known := self.ledger.job(name)) is not None:
            tick.read[name] = known
        return known

    def policy(self, digest: str) -> Policy:
        """Return the policy that a job holds, from its blob."""
        policy = self._policies.get(digest)
        if policy is None:
            policy = self._policies[digest] = Policy.from_record(msgpack.unpackb(self.ledger.blob(digest)))
        return policy

    def submit(
        self, tick: Tick, key: str, name: str, batches: list[tuple[str, bytes]], policy: Policy | None
    ) -> Submission:
        """Make a client's batches part of a new or known job; the submission's key keeps it from happening twice."""
        job = self.job_in_turn(tick, name)
        wire = None if policy is None else (policy.name, msgpack.packb(policy.to_wire()))
        events, blobs = submit(job, name, batches, wire)
        tick.blobs.update(blobs)
        before = self.ledger.last_cursor + len(tick.records)  # what this turn has already decided upon counts
        submission = Submission(key, name, (job.batches if job else 0) + 1, before)
        tick.submissions.append(submission)
        waits_already = job is not None and job.status != "DONE"
        changed = tick.record(name, job, events)
        assert changed is not None
        self._jobs[name] = changed
        if not waits_already:
            self.placing.enqueue(name)
        return submission

    def begin(self, tick: Tick, name: str, events: tuple[Event, ...], blobs: Mapping[str, bytes]) -> Job:
        """Let a job of an agent come into being (`core.submissions.start`)."""
        tick.blobs.update(blobs)
        job = self.record(tick, name, Decision(events))
        if job.status == "READY":
            self.placing.enqueue(name)
        return job

    def decide_hold(self, tick: Tick, job: Job, choice: holds.Choice, request: str) -> Job:
        """Carry out what a person decided about a held job."""
        decided = self.record(tick, job.job, holds.decide(job, choice, request), job)
        if decided.status == "READY":
            self.placing.enqueue(job.job)
        return decided

    def record(self, tick: Tick, name: str, decision: Decision, known: Job | None = None) -> Job:
        """Make a decision's events part of the turn."""
        if decision.workspace is not None:
            tick.workspaces.append((name, decision.workspace))
        before = known or self._jobs.get(name)
        job = tick.record(name, before, decision.events)
        assert job is not None
        self.waiting.follow(tick, before, job)
        self.conversing.follow(tick, before, job)
        if job.status == "DONE" or (job.awaited is not None and not job.leased):
            self._jobs.pop(name, None)
        else:
            self._jobs[name] = job
        if job.parent:
            for event in decision.events:
                if isinstance(event, JobEnded):
                    self.waiting.complete_subtask(tick, job, event)
                elif isinstance(event, TurnAnswered | ReplyLost):
                    self.spending.charge(tick, job, event.usage)
        return job

    def decide(self, tick: Tick, name: str, decide: Callable[[Job, Lease | None], Decision]) -> Job | None:
        """Let something that did not come under a lease be decided upon; None when there is no such job."""
        job = self.job_in_turn(tick, name)
        if job is None:
            return None
        held = self.leases.get(lease_id(name, job.epoch))
        if job.leased and held is None:
            job = self.end_former_lease(tick, job)
        decision = decide(job, held.lease if held else None)
        if held is not None:
            return self.leases.apply(tick, held, decision)
        after = self.record(tick, name, decision, job)
        if after.status == "READY" and job.status != "READY":
            self.placing.enqueue(name)
        return after

    @property
    def in_hand(self) -> Collection[Job]:
        """Return the jobs that are neither done nor merely wait."""
        return self._jobs.values()

    def job_in_hand(self, name: str) -> Job | None:
        """Return a job that is neither done nor merely waits, as it stands after this turn's decisions."""
        return self._jobs.get(name)

    def ready_job(self, name: str) -> Job | None:
        """Return a job that waits for an executor, None if it does not any more."""
        job = self._jobs.get(name)
        return job if job is not None and job.status == "READY" else None

    def abandon(self, tick: Tick, job: Job, error: GuestError) -> None:
        """Give up the batch that a READY job has in hand, or next."""
        after = self.record(tick, job.job, machine.abandon(job, error))
        if after.status == "READY":
            self.placing.enqueue(after.job)

    def policy_in_turn(self, tick: Tick, digest: str) -> Policy:
        """Return a policy that may have come in this very turn and not be in the ledger yet."""
        if digest in tick.blobs and digest not in self._policies:
            self._policies[digest] = Policy.from_wire(msgpack.unpackb(tick.blobs[digest]))
        return self.policy(digest)
