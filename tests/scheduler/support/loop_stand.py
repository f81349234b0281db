"""A loop with a real ledger, between endpoints that record what they are given to send."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from statek.api.clients import Clients
from statek.api.executors import Pool
from statek.calls.offered import Offered
from statek.calls.runner import ToolRunner
from statek.core.events import CallAnswered, Event
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.loop.loop import Loop
from statek.loop.placing import PARK_SECONDS
from statek.loop.vitals import Vitals
from statek.pools.endpoint import Delivery, RouterEndpoint
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek_policies import Policy
from statek_protocol.codec import decode, encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import TO_CLIENT, Accepted, Follow, NewBatch, Submit
from statek_protocol.messages.executor import (
    STAMPS,
    TO_SUPERVISOR,
    TO_SUPERVISOR_LEASED,
    Heartbeat,
    Hello,
    LayerReport,
    Pull,
    Stamp,
)
from statek_protocol.messages.interpreter import Finished, Run, Segment, Snapshot
from statek_protocol.version import PROTOCOL_VERSION

M = TypeVar("M", bound=Message)
POLICY = Policy(name="test", required_layers=frozenset({"seccomp"}))
LAYERS = {"seccomp": LayerReport(True, "")}


@dataclass
class RecordingEndpoint:
    """Takes what is sent; a peer can be gone."""

    sent: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)

    def send(self, identity: bytes, frames: list[bytes]) -> Delivery:
        if identity in self.gone:
            return Delivery.GONE
        self.sent.append((identity, list(frames)))
        return Delivery.SENT


@dataclass
class RecordingTools:
    """Remembers what was to be run; the test says what comes of it."""

    offered: Offered = field(default_factory=lambda: Offered(("search", "delete")))
    started: list[tuple[str, RunTool, float]] = field(default_factory=list)

    def start(self, job: Job, call: RunTool, _policy: Policy, waited_seconds: float) -> None:
        self.started.append((job.job, call, waited_seconds))


@dataclass
class FakeExecutor:
    """One supervisor's side of the conversation: says what a test tells it to, and keeps what it hears."""

    pool: Pool
    endpoint: RecordingEndpoint
    identity: bytes
    sequences: dict[str, int] = field(default_factory=dict)
    offered: int = 0

    def say(self, message: Message) -> None:
        self.pool.on_frames(self.identity, [encode(message)])

    def hello(self, workers: int = 1, layers: dict[str, LayerReport] = LAYERS) -> None:
        name = f"executor-{self.identity.decode()}"
        self.say(Hello(PROTOCOL_VERSION, "0", name, f"host-{self.identity.decode()}", workers, layers))
        self.offered = workers
        self.say(Pull(workers))

    def offer(self, more: int = 1) -> None:
        """Offer places anew, as a supervisor does when a lease has ended."""
        self.offered += more
        self.say(Pull(self.offered))

    def beat(self, *leases: str) -> None:
        self.say(Heartbeat(leases))

    def send(self, stamp: Stamp, message: Message) -> None:
        """Send a message of that lease, as the next in its row."""
        sequence = self.sequences[stamp.lease] = self.sequences.get(stamp.lease, 0) + 1
        self.pool.on_frames(self.identity, [encode(Stamp(stamp.lease, stamp.epoch, sequence)), encode(message)])

    @property
    def heard(self) -> list[tuple[Stamp | None, Message]]:
        found: list[tuple[Stamp | None, Message]] = []
        for identity, frames in self.endpoint.sent:
            if identity != self.identity:
                continue
            stamp = cast(Stamp, decode(frames[0], STAMPS)) if len(frames) == 2 else None
            found.append((stamp, decode(frames[-1], TO_SUPERVISOR_LEASED if stamp else TO_SUPERVISOR)))
        return found

    def all(self, kind: type[M]) -> list[M]:
        return [message for _, message in self.heard if isinstance(message, kind)]

    @property
    def lease(self) -> Stamp:
        """The lease that was granted last."""
        return [stamp for stamp, message in self.heard if stamp is not None and message.kind == "grant"][-1]


@dataclass
class Stand:
    """A scheduler without sockets."""

    ledger: Ledger
    loop: Loop
    tools: RecordingTools
    executors: RecordingEndpoint
    answers: RecordingEndpoint
    pool: Pool
    clients: Clients

    def executor(self, name: str = "a", workers: int = 1, layers: dict[str, LayerReport] = LAYERS) -> FakeExecutor:
        """An executor that is welcome."""
        executor = FakeExecutor(self.pool, self.executors, name.encode())
        executor.hello(workers, layers)
        self.turn()
        return executor

    def turn(self) -> None:
        """Have a turn that takes all that waits, and those that it asks for."""
        self.loop.turn()
        while self.loop.backlog:
            self.loop.turn()

    def ask(self, message: Message, identity: bytes = b"client") -> None:
        self.clients.on_frames(identity, [encode(message)])

    def submit(
        self,
        *sources: bytes,
        key: str = "key",
        job: str | None = None,
        policy: Policy | None = POLICY,
        limits: dict[str, object] | None = None,
        fields: dict[str, object] | None = None,
    ) -> None:
        batches = tuple(NewBatch(f"batch {number}", source) for number, source in enumerate(sources))
        wire = None if policy is None else policy.to_wire()
        self.ask(Submit(key, job, wire, limits or {}, fields or {}, batches))

    def submitted(self, *sources: bytes, key: str = "key", job: str | None = None) -> Accepted:
        """Submit and have it accepted."""
        self.submit(*sources or (b"source",), key=key, job=job)
        self.turn()
        return [accepted for accepted in self.told(Accepted) if accepted.request == key][-1]

    def follow(self, job: str, after: int = 0, request: str = "follow") -> None:
        self.ask(Follow(request, job, after))

    def told(self, kind: type[M]) -> list[M]:
        messages = [decode(frames[0], TO_CLIENT) for _, frames in self.answers.sent]
        return [message for message in messages if isinstance(message, kind)]

    def answer(self, job: str, number: int, value: bytes = b"value") -> None:
        self.loop.calling.on_answer(job, CallAnswered(1, number, value, None))

    def job(self, name: str) -> Job:
        job = self.ledger.job(name)
        assert job is not None
        return job

    def events(self, job: str) -> list[Event]:
        return [stored.event for stored in self.ledger.events(job)]

    def kinds(self, job: str) -> list[str]:
        return [event.kind for event in self.events(job)]


def finished(run: Run) -> Finished:
    """An ordinary end of that batch."""
    return Finished(run.batch, "ok", None, None, Snapshot(1, (Segment(1, b"workspace", (run.batch,)),), (), ()))


def make_stand(
    ledger: Ledger,
    *,
    max_concurrency: int = 10,
    give_up_unplaceable: bool = False,
    park_seconds: float = PARK_SECONDS,
    prepare: Callable[[Stand], None] = lambda _: None,
) -> Stand:
    loop = Loop(
        ledger,
        max_concurrency=max_concurrency,
        give_up_unplaceable=give_up_unplaceable,
        park_seconds=park_seconds,
    )
    loop.turn_seconds = loop.conversing.ask_seconds = math.inf  # no turn must depend on how busy the machine is
    tools, executors, answers = RecordingTools(), RecordingEndpoint(), RecordingEndpoint()
    loop.calling.tools = cast(ToolRunner, tools)
    pool = Pool(loop, cast(RouterEndpoint, executors), "scheduler")
    directory = StoreDirectory(ledger.path.parent)
    vitals = Vitals(loop, Mirror(directory.dbzero, ledger.path, lambda _: None), directory)
    clients = Clients(loop, cast(RouterEndpoint, answers), vitals.facts)
    loop.listeners.append(clients.on_committed)
    made = Stand(ledger, loop, tools, executors, answers, pool, clients)
    prepare(made)
    loop.recover()
    return made


@contextmanager
def stand(path: Path, **options: bool | int) -> Iterator[Stand]:
    """A scheduler on the ledger at that path; a second one on the same path is its restart."""
    make: Callable[..., Stand] = make_stand
    with Ledger.open(path) as ledger:
        yield make(ledger, **options)
