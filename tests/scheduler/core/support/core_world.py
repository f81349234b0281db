"""A world around the machine: a record that survives everything, and a scheduler and interpreters that do not."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import msgpack
from core_programs import (
    BEGIN,
    Interpreter,
    Program,
    Talk,
    Trespass,
    answer_of,
    calls_of,
    console_of,
    read,
    written_value,
)

from statek.core import calls, encoded, futures, machine
from statek.core.decisions import Decision
from statek.core.events import (
    BatchEnded,
    BatchStarted,
    BatchSubmitted,
    CallAnswered,
    CallRequested,
    ClockObserved,
    ConsolePrinted,
    Event,
    FutureCreated,
    FutureResolved,
    LeaseEnded,
    LeaseGranted,
    PolicyViolated,
)
from statek.core.evolve import evolve
from statek.core.instructions import AnswerFromLedger, EndLease, Instruction, RunTool, Send, StartBatch
from statek.core.jobs import Job
from statek.core.leases import Lease, lease_id
from statek.core.machine import GuestMessage
from statek.core.moment import Moment
from statek.core.submissions import submit
from statek.core.workspaces import Manifest
from statek.store.records import pack, unpack_event, unpack_job
from statek_policies import Policy
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import Lost
from statek_protocol.messages.interpreter import Reply, Run
from statek_protocol.operations import FUTURE_OPERATIONS

E = TypeVar("E", bound=Event)

POLICY = Policy(name="test")
JOB = "job-1"


def fold(events: Iterable[Event]) -> Job | None:
    """Make the state anew from the record alone."""
    job: Job | None = None
    for event in events:
        job = evolve(job, event)
    return job


@dataclass
class World:
    """Everything that one job meets."""

    policy: Policy = POLICY
    events: list[Event] = field(default_factory=list)
    by_kind: defaultdict[type[Event], list[Event]] = field(default_factory=lambda: defaultdict(list))
    """The same, for whoever asks at every step for those of one kind."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    segments: dict[int, bytes] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)
    """The variables that are kept, and what there is of them."""
    programs: dict[int, Program] = field(default_factory=dict)
    live: Job | None = None
    lease: Lease | None = None
    interpreter: Interpreter | None = None
    chunk: int = 5
    started: list[RunTool] = field(default_factory=list)
    """Tools that the machine had run, ever."""
    running: dict[tuple[int, int], RunTool] = field(default_factory=dict)
    """Tools under way in the scheduler of now."""
    sent: list[Message] = field(default_factory=list)
    submissions: int = 0
    _clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))
    _talk: Talk | None = None
    _reply: Reply | None = None
    _stands_still: bool = False

    # what clients and executors do

    @property
    def job(self) -> Job:
        assert self.live is not None
        return self.live

    def submit(self, *programs: Program, policy: Policy | None = None) -> None:
        """Submit programs as one submission."""
        given = policy or (self.policy if self.live is None else None)
        wire = None if given is None else (given.name, msgpack.packb(given.to_wire()))
        batches = [(f"program {number}", b"source") for number, _ in enumerate(programs)]
        first = (self.live.batches if self.live else 0) + 1
        events, blobs = submit(self.live, JOB, batches, wire)
        self.programs |= dict(enumerate(programs, first))
        self.submissions += 1
        self.blobs |= blobs
        self._record(Decision(events))

    def grant(self) -> None:
        """Give the job to an executor."""
        epoch = self.job.epoch + 1
        wire = msgpack.unpackb(self.blobs[self.job.policy_due])
        lease = Lease(lease_id(JOB, epoch), epoch, "executor", Policy.from_wire(wire), self.manifest)
        self.interpreter = Interpreter(self._clock, chunk=self.chunk)
        self.interpreter.load(self.segments.get(1))
        self.apply(machine.grant(self.job, lease, host="host"))

    def receive(self, message: GuestMessage) -> Decision:
        """Let the machine decide upon a message, and carry it out."""
        assert self.lease is not None
        decision = machine.receive(self.job, self.lease, message, self.moment)
        self.apply(decision)
        return decision

    # what goes on by itself

    @property
    def can_step(self) -> bool:
        at_work = self._talk is not None and self.job.running is not None
        return at_work and not (self._stands_still and self._reply is None)

    def step(self) -> None:
        """Let the interpreter go on to its next message."""
        assert self._talk is not None
        reply, self._reply, self._stands_still = self._reply, None, False
        message = next(self._talk) if reply is None else self._talk.send(reply)
        self._stands_still = message.kind == "call"
        self.receive(message)  # type: ignore[arg-type]

    def finish_tool(self, key: tuple[int, int]) -> None:
        """Let a tool come to its end."""
        call = self.running.pop(key)
        value, made = answer_of(call.tool, call.arguments), ()
        if call.tool == BEGIN:
            number = 2 * self.job.futures_registered
            made = (FutureCreated(number, "temporal", call.arguments.decode()),)
            value = encoded.future_reference(number)
        self.apply(calls.answer(self.job, self.lease, CallAnswered(call.batch, call.number, value, None), made))

    @property
    def moment(self) -> Moment:
        resolved = {event.number: event for event in self.of(FutureResolved)}
        return Moment(at_us=7, resolved=resolved.get)

    @property
    def awaited(self) -> list[int]:
        """The futures that have to come to something before the job can go on."""
        if self.job.awaited is None:
            return []
        entries = futures.sources(self.job, self.job.awaited.future.number)
        return [entry.number for entry in entries if entry.shape == "temporal"]

    def resolve(self, number: int, *, fails: bool = False) -> None:
        """Let a future come to its value, or fail."""
        settlement = futures.Settlement(written_value(f"value {number}"), None)
        if fails:
            settlement = futures.Settlement.failed("FutureFailed", f"{number} failed")
        self.apply(futures.resolve(self.job, self.lease, number, settlement, self.moment))

    def go_on(self, steps: int = 100_000) -> int:
        """Let everything that can happen do so, without an interruption; returns how many steps it took."""
        for taken in range(steps):
            if self.running:
                self.finish_tool(next(iter(self.running)))
            elif self.can_step:
                self.step()
            elif self.awaited:
                self.resolve(self.awaited[0])
            elif self.lease is None and self.job.status == "READY":
                self.grant()
            else:
                return taken
        return steps

    # what goes wrong

    def interpreter_dies(self, cause: str = "signal") -> None:
        batch = self.job.running.batch if self.job.running else None
        self.receive(Lost(batch, cause, "it is gone", None))  # type: ignore[arg-type]

    def executor_falls_silent(self, *, blamed: bool = True) -> None:
        assert self.lease is not None
        ended = machine.end_lease(self.job, self.lease.lease, self.lease.epoch, "silent", blamed=blamed)
        self.apply(ended)

    def scheduler_restarts(self) -> None:
        """Only the record survives; what was under way in the scheduler is forgotten."""
        self.running.clear()
        self._forget_lease()
        self.live = fold(self.events)
        if self.job.leased:
            lease = lease_id(JOB, self.job.epoch)
            self._record(machine.end_lease(self.job, lease, self.job.epoch, "restart", blamed=False))

    # the rims

    def apply(self, decision: Decision) -> None:
        """Do what the loop does: record first, then carry out."""
        self._record(decision)
        self.lease = decision.lease
        if decision.lease is None:
            self._forget_lease()
        for instruction in decision.instructions:
            self._carry_out(instruction)

    def _record(self, decision: Decision) -> None:
        for event in decision.events:
            assert unpack_event(event.kind, pack(event)) == event
            self.events.append(event)
            self.by_kind[type(event)].append(event)
            self.live = evolve(self.live, event)
        if decision.workspace is not None:
            change = decision.workspace
            self.manifest = change.manifest
            kept = {number: data for number, data in self.segments.items() if number not in change.dropped}
            self.segments = kept | {segment.number: data for segment, data in change.stored}

    def _forget_lease(self) -> None:
        self.lease = self.interpreter = self._talk = self._reply = None
        self._stands_still = False

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case StartBatch():
                self._start_batch()
            case Send(message):
                self.sent.append(message)
                self._reply = message if isinstance(message, Reply) else self._reply
            case RunTool():
                self.started.append(instruction)
                self.running.setdefault((instruction.batch, instruction.number), instruction)
            case AnswerFromLedger(batch, number):
                [known] = [event for event in self.of(CallAnswered, batch) if event.number == number]
                self._reply = Reply(batch, number, known.value, known.error)
            case EndLease():
                self._forget_lease()

    def _start_batch(self) -> None:
        running = self.job.running
        assert running is not None
        assert self.interpreter is not None
        observed = tuple(event.data for event in self.of(ClockObserved, running.batch))
        run = Run(
            running.batch,
            running.name,
            b"source",
            running.instruction,
            running.calls_at_checkpoint,
            observed[running.observed_at_checkpoint :],
        )
        self._talk = self.interpreter.run(self.programs[running.batch], run)

    # what is on record

    def of(self, kind: type[E], batch: int | None = None) -> list[E]:
        """List the events of a kind, of one batch or of all."""
        found = cast(list[E], self.by_kind[kind])
        return [event for event in found if batch is None or getattr(event, "batch", None) == batch]

    def console(self, batch: int, stream: str = "output") -> bytes:
        return b"".join(event.data for event in self.of(ConsolePrinted, batch) if event.stream == stream)

    def check_record(self, batches: Sequence[int]) -> None:
        """Hold the record of these ended batches, in the order they ran, against a run without interruption."""
        assert unpack_job(pack(self.job)) == fold(self.events) == self.job
        memory: list[str] = []
        for batch in batches:
            self._check_batch(batch, memory)

    def _check_batch(self, batch: int, memory: list[str]) -> None:
        program = self.programs[batch]
        times = [time for event in self.of(ClockObserved, batch) for time in json.loads(event.data)]
        asked = calls_of(program, [*memory], self._value_of)
        assert self.console(batch) == console_of(program, memory, iter(times), self._value_of)
        requested = [(event.tool, event.arguments) for event in self.of(CallRequested, batch)]
        assert requested == asked
        assert sorted(event.number for event in self.of(CallAnswered, batch)) == list(range(len(asked)))
        fresh = [call.number for call in self.started if call.batch == batch and not call.repeated]
        assert fresh == [number for number, (tool, _) in enumerate(asked) if tool not in FUTURE_OPERATIONS]
        trespasses = sum(isinstance(step, Trespass) for step in program.steps)
        assert len(self.of(PolicyViolated, batch)) == trespasses
        [ended] = self.of(BatchEnded, batch)
        assert ended.outcome == program.outcome
        assert self.of(BatchStarted, batch)
        assert len(self.of(BatchSubmitted, batch)) == 1

    def _value_of(self, number: int) -> str:
        [resolved] = [event for event in self.of(FutureResolved) if event.number == number]
        return f"{resolved.error}" if resolved.value is None else read(resolved.value)

    def check_ended(self) -> None:
        """The job has ended, and every lease with it."""
        assert self.job.status == "DONE"
        assert self.job.running is None
        assert not self.job.pending
        assert self.lease is None
        assert self.job.awaited is None
        assert len(self.of(LeaseEnded)) == len(self.of(LeaseGranted))
        numbers = [event.number for event in self.of(FutureResolved)]
        assert len(set(numbers)) == len(numbers)
        assert sorted(numbers + [entry.number for entry in self.job.futures]) == sorted(
            event.number for event in self.of(FutureCreated)
        )
