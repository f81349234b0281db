"""Calls as the scheduler makes them, with dbzero in its thread; the test is the guest and the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import dbzero as db0

from statek.calls.application import Application
from statek.calls.offers import Offer
from statek.calls.runner import ToolRunner
from statek.calls.tools import ToolRegistry
from statek.core.events import CallAnswered, Event, HandleBound, PolicyViolated
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.futures.registry import Futures
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek_policies import Limits, Policy
from statek_protocol import operations
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.references import HandleRef, PlainReferences
from statek_protocol.values import decode_value, encode_value

T = TypeVar("T")
PATIENCE = 20.0
REFERENCES = PlainReferences()
PREFIX = "application"


@db0.memo(id="test/Room")
class Room:
    """An object of dbzero."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seats = 1
        self.tags: list[str] = []
        self.other: Room | None = None

    def rename(self, name: str) -> str:
        self.name = name
        return name

    def fail_after_change(self) -> None:
        self.seats += 1
        raise ValueError("changed and failed")

    @property
    def doubled(self) -> int:
        return 2 * self.seats

    def _hidden(self) -> str:
        return "hidden"


@dataclass
class Answer:
    """What came of a call: the value or the error, and what has to become durable with it."""

    value: Any
    error: GuestError | None
    made: tuple[Event, ...]

    @property
    def told(self) -> tuple[str, str]:
        assert self.error is not None, self.value
        return self.error.type, self.error.message

    @property
    def bound(self) -> list[HandleBound]:
        return [event for event in self.made if isinstance(event, HandleBound)]

    @property
    def violations(self) -> list[str]:
        return [event.rule for event in self.made if isinstance(event, PolicyViolated)]


@dataclass
class Stand:
    """The one thread with dbzero, and runners on it."""

    mirror: Mirror
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def there(self, run: Callable[[], T]) -> T:
        """Do something in dbzero's thread."""
        return self.mirror.submit(run).result(PATIENCE)

    def guest(self, *functions: Callable[..., Any], **variables: Any) -> Guest:
        """A job of its own, for an application that offers this."""
        return Guest(self, Offer(ToolRegistry(functions), variables))

    def room(self, name: str = "room") -> Room:
        """An object that dbzero keeps because it has a tag."""

        def make() -> Room:
            made = Room(name)
            db0.tags(made).add("kept")
            return made

        return self.there(make)


@dataclass
class Guest:
    """One job's calls, one at a time."""

    stand: Stand
    offer: Offer
    policy: Policy = field(default_factory=Policy)
    job: str = ""
    timeout_seconds: float = PATIENCE
    recorded: list[HandleBound] = field(default_factory=list)
    """What the ledger has; a new runner finds it, as after a restart."""

    def __post_init__(self) -> None:
        self.job = self.job or f"job-{next(self.stand.numbers)}"
        self.restart()

    def restart(self) -> None:
        """Begin anew with nothing but what is on record."""
        self._futures = Futures(dict)
        self._runner = self._new_runner(lambda *_: None)
        self.tables = self._runner.tables
        self.stand.there(lambda: self.tables.of(self.job))

    def _new_runner(self, on_answer: Any) -> ToolRunner:
        application = Application(offer=self.offer)
        runner = ToolRunner(
            application, self.stand.mirror, on_answer, futures=self._futures, timeout_seconds=self.timeout_seconds
        )
        runner.reopen(lambda job: [event for event in self.recorded if job == self.job])
        return runner

    def tool(self, name: str, *args: object, number: int | None = None, repeated: bool = False) -> Answer:
        return self._ask(name, args, number, repeated)

    def operate(self, operation: str, *args: object, number: int | None = None, repeated: bool = False) -> Answer:
        return self._ask(operation, args, number, repeated)

    def invoke(self, handle: HandleRef, name: str | None, *args: object, **kwargs: object) -> Answer:
        return self.operate(operations.OBJECT_INVOKE, handle, name, args, kwargs)

    def get(self, handle: HandleRef, name: str) -> Answer:
        return self.operate(operations.OBJECT_GET, handle, name)

    def _ask(self, name: str, args: tuple[object, ...], number: int | None, repeated: bool) -> Answer:
        arguments = encode_value((args, {}), max_bytes=2**20, max_depth=64, crossing=REFERENCES)
        call = RunTool(1, next(self.stand.numbers) if number is None else number, name, arguments, repeated)
        answered, made = asyncio.run(self._made(call))
        self.recorded += [event for event in made if isinstance(event, HandleBound)]
        return Answer(_read(answered.value), answered.error, made)

    async def _made(self, call: RunTool) -> tuple[CallAnswered, tuple[Event, ...]]:
        came: asyncio.Future[tuple[CallAnswered, tuple[Event, ...]]] = asyncio.get_running_loop().create_future()
        runner = self._new_runner(lambda _, answered, made: came.set_result((answered, made)))
        runner.tables = self.tables
        runner.start(Job(self.job, "policy"), call, self.policy, 0.0)
        try:
            return await asyncio.wait_for(came, PATIENCE)
        finally:
            await runner.close()

    def limited(self, **limits: Any) -> None:
        self.policy = Policy(limits=Limits(**limits))


def _read(data: bytes | None) -> Any:
    return None if data is None else decode_value(data, max_bytes=2**24, max_depth=200, crossing=REFERENCES)


@contextmanager
def standing(path: Path) -> Iterator[Stand]:
    store = StoreDirectory.create_or_open(path)
    failures: list[BaseException] = []
    with Ledger.open(store.ledger):
        mirror = Mirror(store.dbzero, store.ledger, failures.append)
        mirror.start()
        assert mirror.ready.wait(PATIENCE), failures
        mirror.submit(lambda: db0.open(PREFIX, "rw")).result(PATIENCE)
        try:
            yield Stand(mirror)
        finally:
            assert mirror.stop(PATIENCE)
    assert not failures
