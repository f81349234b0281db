"""The leases in force: what comes under them is decided upon in order; decisions go out after the commit."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from statek.core import machine
from statek.core.decisions import Decision, LeaseFault
from statek.core.instructions import AnswerFromLedger, CheckFuture, EndLease, Instruction, RunTool, Send, StartBatch
from statek.core.jobs import Job
from statek.core.machine import GuestMessage
from statek.loop.composing import compose_load, compose_run
from statek.loop.tick import Tick
from statek.pools.executors import Executor
from statek.pools.leasing import HeldLease
from statek_protocol.errors import OversizedMessage
from statek_protocol.messages.executor import Metered, Release, Stamp
from statek_protocol.messages.interpreter import GuestError, Load, Reply, Run

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)

LAST_WORDS_AWAITED: Final = 1_000
"""Leases that were taken back in the middle of a batch, of which what that used is still to come."""


class Leases:
    """What executors hold of this scheduler's jobs."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._held: dict[str, HeldLease] = {}
        self._heard_from: list[HeldLease] = []
        self._taken_back: OrderedDict[str, tuple[HeldLease, int]] = OrderedDict()
        """Those whose last word is awaited, each with the batch that it had in hand."""

    def credit(self) -> None:
        """Let those send more that were listened to in this turn."""
        for held in self._heard_from:
            held.credit_if_due()
        self._heard_from.clear()

    def receive(self, tick: Tick, held: HeldLease, message: GuestMessage, size: int) -> None:
        """Decide upon a message that came under a lease, in order."""
        held.took(size)
        self._heard_from.append(held)
        try:
            moment = self._loop.waiting.moment(tick, held.job)
            decision = machine.receive(self._job(held), held.lease, message, moment)
        except LeaseFault as fault:
            self._loop.refuse("message_refused", "out_of_turn", {**held.told, "text": str(fault)}, job=held.job)
            log.warning("job %s: %s", held.job, fault)
            self.end(tick, held, str(fault), blamed=True, cause="protocol")
            return
        self.apply(tick, held, decision)

    def receive_last_word(self, tick: Tick, identity: bytes, stamp: Stamp, message: Metered) -> bool:
        """Count what the batch had used whose lease was taken back; False where no such word is awaited."""
        held, batch = self._taken_back.get(stamp.lease, (None, 0))
        if held is None or (held.lease.epoch, held.executor.identity) != (stamp.epoch, identity):
            return False
        job = self._loop.job_in_turn(tick, held.job)
        if message.batch != batch or job is None or job.status == "FORGOTTEN":
            return False
        del self._taken_back[stamp.lease]
        metered = Decision((machine.metered(message),))
        self._loop.decide(tick, held.job, lambda _, lease: replace(metered, lease=lease))
        return True

    def end(self, tick: Tick, held: HeldLease, reason: str, *, blamed: bool, cause: str = "") -> None:
        """End a lease from our side; its job waits for another executor, or is given up."""
        job = self._job(held)
        lease, epoch = held.lease.lease, held.lease.epoch
        self.apply(tick, held, machine.end_lease(job, lease, epoch, reason, blamed=blamed, cause=cause))

    def get(self, lease: str) -> HeldLease | None:
        """Return a lease in force, by its name."""
        return self._held.get(lease)

    def of_executor(self, executor: Executor) -> list[HeldLease]:
        """Return what an executor holds."""
        return [self._held[lease] for lease in executor.leases if lease in self._held]

    def forget_executor(self, tick: Tick, executor: Executor, reason: str, *, blamed: bool) -> None:
        """Take away everything that an executor holds."""
        self._loop.executors.remove(executor.identity)
        left = {**executor.told, "reason": reason, "leases": len(executor.leases)}
        tick.note_bounded("executor_left", left, reason="")
        for held in self.of_executor(executor):
            self.end(tick, held, reason, blamed=blamed)
        for name, (held, _) in [*self._taken_back.items()]:
            if held.executor is executor:
                del self._taken_back[name]

    def apply(self, tick: Tick, held: HeldLease, decision: Decision) -> Job:
        """Make a decision about a leased job part of the turn; returns the job after it."""
        before = self._loop.job_in_hand(held.job)
        job = self._loop.record(tick, held.job, decision)
        if decision.lease is None:
            self._drop(held, job)
            if before is not None and any(isinstance(one, EndLease) for one in decision.instructions):
                self._await_last_word(held, before)
        else:
            held.lease = decision.lease
            self._loop.placing.follow(held, job)
        for instruction in decision.instructions:
            tick.then(partial(self._carry_out, held, instruction))
        return job

    def _drop(self, held: HeldLease, job: Job) -> None:
        self._held.pop(held.lease.lease, None)
        held.executor.leases.pop(held.lease.lease, None)
        self._loop.placing.dropped(held)
        if job.status == "READY":
            self._loop.placing.enqueue(job.job)

    def _await_last_word(self, held: HeldLease, job: Job) -> None:
        """Listen for what the batch used that the job had in hand, unless that has been told."""
        if job.running is None or held.lease.metered is not None:
            return
        self._taken_back[held.lease.lease] = held, job.running.batch
        if len(self._taken_back) > LAST_WORDS_AWAITED:
            self._taken_back.popitem(last=False)

    def take_up(self, tick: Tick, held: HeldLease, decision: Decision) -> None:
        """Let a lease be in force from here on."""
        self._held[held.lease.lease] = held
        tick.then(partial(self._send_load, held))
        self.apply(tick, held, decision)

    # after the commit

    def _carry_out(self, held: HeldLease, instruction: Instruction) -> None:
        match instruction:
            case EndLease():
                held.send(Release())
            case RunTool():
                self._loop.calling.run(held, instruction)
            case _ if self._held.get(held.lease.lease) is not held:
                pass  # the lease has ended in the same turn, and perhaps its job
            case Send(Reply() as reply):
                self._loop.placing.let_go_on(held, partial(held.send, reply))
            case Send(message):
                held.send(message)
            case StartBatch():
                self._loop.placing.let_go_on(held, partial(self._send_run, held))
            case CheckFuture():
                self._loop.waiting.look(held.job, instruction)
            case AnswerFromLedger(batch, number):
                found = self._loop.ledger.answer(held.job, batch, number)
                assert found is not None, "the machine said that it is answered"
                held.send(Reply(batch, number, found.value, found.error))

    def _send_load(self, held: HeldLease) -> None:
        job, policy = self._job(held), held.lease.policy
        self._send_composed(held, compose_load(self._loop.ledger, job, policy, self._loop.calling.offered_to(job)))

    def _send_run(self, held: HeldLease) -> None:
        self._send_composed(held, compose_run(self._loop.ledger, self._job(held)))

    def _send_composed(self, held: HeldLease, message: Load | Run) -> None:
        """Send what is put together from the ledger; a job that has grown beyond what a message may be has failed."""
        if held.unsendable:
            return
        try:
            held.send(message)
        except OversizedMessage as error:
            held.unsendable = True
            text = f"the variables and sources that the batch needs do not fit into one message: {error}"
            self._loop.do(partial(self._fail_unsendable, held, text))

    def _fail_unsendable(self, held: HeldLease, text: str, tick: Tick) -> None:
        if self._held.get(held.lease.lease) is held:
            error = GuestError("JobTooLarge", text, None)
            self.apply(tick, held, machine.fail(self._job(held), held.lease, error))

    def _job(self, held: HeldLease) -> Job:
        job = self._loop.job_in_hand(held.job)
        assert job is not None, "a job is in hand while a lease of it is in force"
        return job
