"""A job of an agent in the world of `core_world`: a model that is asked, and people who push, cancel and retry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core_programs import Program
from core_world import JOB, World

from statek.core import endings, steering, turns
from statek.core.agents import AgentDefinition, Harness, WarmupBlock
from statek.core.decisions import Decision
from statek.core.events import BatchSubmitted, Event, TurnAnswered, TurnRequested, TurnUsage
from statek.core.evolve import talk_of
from statek.core.jobs import Conversation
from statek.core.submissions import start
from statek_policies import Policy

ANSWERED = TurnUsage(input_tokens=100, cached_tokens=10, output_tokens=20, cost_micros=3_000)
ENDLESS = Harness(None, None, None, None, None)


@dataclass
class Talk(World):
    """Everything that one job of an agent meets."""

    policy: Policy = field(default_factory=lambda: Policy(name="test"))
    plain_ends: bool = True
    asked: list[TurnRequested] = field(default_factory=list)
    """What the model was asked for, ever."""
    waits: TurnRequested | None = None
    """The call of the model that is under way in the scheduler of now."""

    def start(self, *warm_up: Program, harness: Harness = ENDLESS, messages: Sequence[tuple[bytes, str]] = ()) -> None:
        """Start the job: its warm-up runs first."""
        blocks = tuple(WarmupBlock(f"source {number}", hidden=number == 1) for number, _ in enumerate(warm_up))
        policy = self.policy.to_wire()
        definition = AgentDefinition(
            "helper", model="small", provider="here", warmup=blocks, policy=policy, harness=harness
        )
        events, blobs = start(JOB, definition, messages=messages)
        self.programs |= dict(enumerate(warm_up, 1))
        self.blobs |= blobs
        self.take(events)

    @property
    def talk(self) -> Conversation:
        return talk_of(self.job)

    def take(self, events: Sequence[Event]) -> None:
        """Put what was decided outside of a lease on record, and follow it."""
        self._record(Decision(tuple(events)))

    def _record(self, decision: Decision) -> None:
        super()._record(decision)
        for event in decision.events:
            if isinstance(event, TurnRequested):
                self.asked.append(event)
        if self.live is not None and self.live.conversation is not None:
            self.waits = self.asked[-1] if self.live.conversation.asking else None

    # the model

    def reply(self, *programs: Program, usage: TurnUsage = ANSWERED) -> None:
        """Let the model reply with code."""
        self._answer("code", programs, "", usage)

    def say(self, text: str, usage: TurnUsage = ANSWERED) -> None:
        """Let the model reply without code."""
        self._answer("plain", (), text, usage)

    def mumble(self, usage: TurnUsage = ANSWERED) -> None:
        """Let the model reply with what cannot be read."""
        self._answer("malformed", (), "", usage)

    def give_up(self) -> None:
        """Let the provider give up."""
        assert self.waits is not None
        events = turns.failed(self.waits.turn, "timeout", "it took too long")
        self.apply(endings.after_reply(self.job, self.lease, events))

    def _answer(self, outcome: str, programs: Sequence[Program], text: str, usage: TurnUsage) -> None:
        assert self.waits is not None
        first = self.job.batches + 1
        answer = TurnAnswered(self.waits.turn, "digest", outcome, usage, "small-1")  # type: ignore[arg-type]
        sources = [f"reply {first + index}".encode() for index, _ in enumerate(programs)]
        self.programs |= dict(enumerate(programs, first))
        events = turns.answered(self.job, answer, sources, text, plain_ends=self.plain_ends)
        self.apply(endings.after_reply(self.job, self.lease, events))

    # people

    def push(self, text: bytes = b"hello") -> None:
        self.take(turns.pushed(self.job, text, "user"))

    def cancel(self) -> None:
        self.apply(steering.cancel(self.job, self.lease, "not wanted any more", "request-1"))

    def retry(self) -> None:
        to_do = steering.LastLife.of(self.events).to_do
        events = steering.retry(self.job, to_do, "request-2")
        again = [event for event in events if isinstance(event, BatchSubmitted)]
        for former, anew in zip(to_do, again, strict=False):
            self.programs[anew.batch] = self.programs[former.batch]
        self.take(events)

    # what goes wrong

    def scheduler_restarts(self) -> None:
        super().scheduler_restarts()
        if self.talk.asking:
            self.take(turns.asked_again(self.job))
