"""A stand (`loop_stand`) with an agent in it, and a model of which the test says what it replies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from loop_stand import POLICY, Stand, make_stand

from statek.agents.model import ModelCall, OnDone
from statek.agents.pricing import load_prices
from statek.agents.requests import LostReply, ModelFailure, ModelReply, ModelRequest
from statek.agents.transcript import ModelTurn
from statek.calls.offers import Offer
from statek.conversation.models import Models
from statek.conversation.prompting import Prompting
from statek.core.agents import AgentDefinition, Harness, WarmupBlock
from statek.core.events import Event
from statek.core.submissions import start
from statek.store.ledger import Ledger
from statek_protocol.messages.executor import Stamp
from statek_protocol.messages.interpreter import Console, Finished, Run, Segment, Snapshot

AGENT = AgentDefinition("helper", "You help.", model="small", policy_name="test", policy=POLICY.to_wire())


@dataclass
class Question:
    """What a model was asked, and what the test makes of it."""

    provider: str
    request: ModelRequest
    on_done: OnDone
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def texts(self) -> list[str]:
        return [str(message["content"]) for message in self.request.messages]

    def reply(self, text: str, **fields: Any) -> None:
        turn = ModelTurn(text)
        reply = ModelReply(turn, "stop", "", "small-1", 100, 10, 20, False, 3_000, 0.5, 0.1, 1)
        self.on_done(replace(reply, **fields))

    def write(self, code: str) -> None:
        self.reply(f"```python\n{code}\n```")

    def fail(self, kind: Any = "timeout", lost: tuple[LostReply, ...] = ()) -> None:
        self.on_done(ModelFailure(kind, "it took too long", True, 5, lost=lost))


@dataclass
class RecordingModels:
    """Remembers what was asked."""

    questions: list[Question] = field(default_factory=list)

    def ask(self, provider: str, request: ModelRequest, on_done: OnDone) -> ModelCall:
        self.questions.append(Question(provider, request, on_done))
        return cast(ModelCall, self.questions[-1])


@dataclass
class TalkStand:
    """A scheduler without sockets whose agent's model is the test."""

    base: Stand
    models: RecordingModels
    started: int = 0

    def start(
        self,
        *warm_up: str,
        message: str | None = None,
        parent: str = "",
        definition: AgentDefinition = AGENT,
        hidden: bool = False,
    ) -> str:
        """Start a job and have what can happen happen."""
        self.started += 1
        name = f"job-{self.started}"
        blocks = tuple(WarmupBlock(source, hidden) for source in warm_up)
        said = () if message is None else ((message.encode(), "user"),)
        events, blobs = start(name, replace(definition, warmup=blocks), None, parent, said)
        self.base.loop.do(lambda tick: _forget(self.base.loop.begin(tick, name, events, blobs)))
        self.base.turn()
        return name

    def push(self, name: str, text: str) -> bool:
        said: list[bool] = []
        self.base.loop.do(lambda tick: said.append(self.base.loop.steering.push(tick, name, text.encode(), "somebody")))
        self.base.turn()
        return said[0]

    def cancel(self, name: str, request: str = "") -> str:
        said: list[str] = []
        self.base.loop.do(lambda tick: said.append(self.base.loop.steering.cancel(tick, name, "enough", request)))
        self.base.turn()
        return said[0]

    def retry(self, name: str, request: str = "") -> str:
        said: list[str] = []
        self.base.loop.do(lambda tick: said.append(self.base.loop.steering.retry(tick, name, request)))
        self.base.turn()
        return said[0]

    @property
    def asked(self) -> list[Question]:
        return self.models.questions

    @property
    def question(self) -> Question:
        """What was asked last."""
        return self.models.questions[-1]

    def reply(self, text: str, **fields: Any) -> None:
        self.question.reply(text, **fields)
        self.base.turn()

    def write(self, code: str) -> None:
        self.question.write(code)
        self.base.turn()

    def fail(self, kind: str = "timeout") -> None:
        self.question.fail(kind)
        self.base.turn()

    def of(self, name: str, kind: type[Event]) -> list[Any]:
        return [event for event in self.base.events(name) if isinstance(event, kind)]


def _forget(_: object) -> None:
    """Give nothing back."""


def printed(run: Run, text: str) -> Console:
    return Console(run.batch, text.encode())


def ended(run: Run, exit_status: str | None = None) -> Finished:
    """An end of that batch; with a text, by `exit()`."""
    snapshot = Snapshot(1, (Segment(1, b"workspace", (run.batch,)),), (), ())
    return Finished(run.batch, "ok", None, None, snapshot, exit_status is not None, exit_status)


def lease_of(executor: Any) -> tuple[Stamp, Run]:
    """The lease that was granted last, and the batch that runs under it."""
    return executor.lease, executor.all(Run)[-1]


@contextmanager
def talk_stand(
    path: Path, *, most: dict[str, int] | None = None, max_concurrency: int = 10, park_seconds: float = 0
) -> Iterator[TalkStand]:
    """A scheduler on the ledger at that path; a second one on the same path is its restart.

    Where interpreters are kept between two turns, it has to be in an event loop.
    """
    models = RecordingModels()

    def prepare(made: Stand) -> None:
        prompting = Prompting(made.ledger, Offer, lambda: made.loop.calling.offered, "default-model")
        made.loop.conversing.models = Models(models, prompting, load_prices(), most or {"default": 100})

    with Ledger.open(path) as ledger:
        base = make_stand(ledger, prepare=prepare, max_concurrency=max_concurrency, park_seconds=park_seconds)
        base.turn()
        yield TalkStand(base, models)


UNBOUNDED = replace(AGENT, harness=Harness(None, None, None, None, None))
