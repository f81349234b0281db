"""A scheduler without sockets that has agents: what it starts and delivers is seen in its ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from loop_stand import FakeExecutor, RecordingTools, Stand, make_stand

from statek.agents.agent import Agent
from statek.calls.giver import OnGiven, OnLooked
from statek.calls.offered import Offered
from statek.calls.runner import ToolRunner
from statek.core.events import JobCreated
from statek.core.jobs import Job
from statek.errors import SubmissionRefused
from statek.loop.queueing import NewItem
from statek.loop.roster import JobStart
from statek.loop.tick import Tick
from statek.store.given import encode_given
from statek.store.ledger import Ledger
from statek.store.queue_table import QueueItem
from statek_policies import BASE_LAYERS
from statek_protocol.messages.executor import LayerReport
from statek_protocol.values import encode_value


@dataclass
class AgentTools(RecordingTools):
    """Remembers what is to be given and looked for; the test answers."""

    offered: Offered = field(default_factory=lambda: Offered(("search",), agents=frozenset({"dispatcher"})))
    given: list[tuple[str, tuple[str, ...], bytes | None]] = field(default_factory=list)
    looks: list[tuple[dict[int, bytes], OnLooked]] = field(default_factory=list)

    @property
    def giver(self) -> AgentTools:
        return self

    def give(self, job: Job, names: tuple[str, ...], given: bytes | None, on_given: OnGiven) -> None:
        self.given.append((job.job, names, given))
        self.on_given = on_given

    def look(self, bodies: dict[int, bytes], on_looked: OnLooked) -> None:
        self.looks.append((bodies, on_looked))


@dataclass
class AgentStand:
    """What tests of agents and queues ask of a scheduler."""

    stand: Stand
    tools: AgentTools

    @property
    def ledger(self) -> Ledger:
        return self.stand.ledger

    def executor(self, workers: int = 1) -> FakeExecutor:
        """An executor with the layers that every policy asks for."""
        return self.stand.executor(workers=workers, layers={layer: LayerReport(True, "") for layer in BASE_LAYERS})

    def decide(self, decide: Callable[[Tick], Any]) -> Any:
        """Have something decided in a turn, and return what came of it; a refusal is raised here."""
        answers: list[Any] = []

        def work(tick: Tick) -> None:
            try:
                answers.append(decide(tick))
            except SubmissionRefused as refused:
                answers.append(refused)

        self.stand.loop.do(work)
        self.stand.turn()
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    def define(self, *agents: Agent, exports: tuple[str, ...] = ()) -> None:
        definitions = [agent.definition(exports) for agent in agents]
        self.decide(lambda tick: self.stand.loop.roster.define(tick, definitions))

    def start(self, agent: str = "dispatcher", *jobs: JobStart, key: str = "", parent: str = "") -> tuple[str, ...]:
        wanted = jobs or (JobStart(),)
        names: tuple[str, ...] = self.decide(
            lambda tick: self.stand.loop.roster.start_jobs(tick, key, agent, wanted, parent)
        )
        return names

    def push(self, event: object = None, *, agent: str = "dispatcher", queue: str = "main", key: str = "") -> int:
        item = NewItem(queue, None, agent, encode_given(event), key)
        number: int = self.decide(lambda tick: self.stand.loop.queueing.push(tick, item))
        return number

    def push_message(self, job: str, text: str, *, queue: str = "main", key: str = "") -> int:
        item = NewItem(queue, job, None, text.encode(), key)
        number: int = self.decide(lambda tick: self.stand.loop.queueing.push(tick, item))
        return number

    def deliver(self, queues: Iterable[str] | None = None) -> None:
        """Begin to deliver, as the service does."""
        loop = self.stand.loop
        loop.delivering.begin(None if queues is None else frozenset(queues), list(loop.in_hand))
        self.stand.turn()

    def created(self) -> list[JobCreated]:
        """Return how the jobs began, in the order in which they did."""
        events = (stored.event for stored in self.ledger.events(None, limit=100_000, kinds=("job_created",)))
        return [event for event in events if isinstance(event, JobCreated)]

    def given_to(self, created: JobCreated) -> bytes:
        return self.ledger.blob(created.given)

    def dead(self, queue: str = "main") -> list[QueueItem]:
        return self.ledger.dead_letters(queue)

    def waiting(self, queue: str = "main", agent: str = "dispatcher") -> list[QueueItem]:
        return self.ledger.queue_items(queue, agent)

    def notes(self, kind: str) -> list[dict[str, Any]]:
        from statek.audit.query import Query
        from statek.store.audit_reader import AuditReader

        with AuditReader.read(self.ledger.path) as reader:
            return [dict(record.said) for record in reader.select(Query(None, frozenset({kind})))]


def plain(value: object) -> bytes:
    return encode_value(value, max_bytes=1 << 20, max_depth=64)


@contextmanager
def agents_stand(path: Path, **options: Any) -> Iterator[AgentStand]:
    """A scheduler with agents on the ledger at that path; a second one on the same path is its restart."""
    with Ledger.open(path) as ledger:
        tools = AgentTools()

        def prepare(stand: Stand) -> None:
            stand.loop.calling.tools = cast(ToolRunner, tools)

        yield AgentStand(make_stand(ledger, prepare=prepare, **options), tools)
