"""A loop with a real ledger and a real watcher, beside a fake executor; dbzero's thread is one that has no dbzero."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from loop_stand import POLICY, FakeExecutor, Stand, make_stand

from statek.calls.offered import Offered
from statek.calls.tools import ToolRegistry
from statek.core.events import CallAnswered, Event
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.futures.inspector import Inspector
from statek.futures.registry import Futures, Registration
from statek.futures.watcher import Watcher
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek_policies import Policy
from statek_protocol.messages.client import Accepted, CancelWait, Complete, Completed
from statek_protocol.messages.executor import Stamp
from statek_protocol.messages.interpreter import Call, GuestError, Reply
from statek_protocol.references import FutureRef, PlainReferences
from statek_protocol.values import decode_value, encode_value

PATIENCE = 20.0
REFERENCES = PlainReferences()


class Thread:
    """Runs functions one at a time, as dbzero's owner does."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.listeners: list[Callable[[], None]] = []
        self.submitted = 0

    def submit(self, run: Callable[[], Any], *, quiet: bool = False) -> Future[Any]:
        self.submitted += 1
        return self._pool.submit(self._run, run, quiet)

    def _run(self, run: Callable[[], Any], quiet: bool) -> Any:
        try:
            return run()
        finally:
            for listener in () if quiet else self.listeners:
                listener()

    def close(self) -> None:
        self._pool.shutdown()


@dataclass
class Tools:
    """Runs the application's tools at once, and lets the futures that they return cross."""

    registry: ToolRegistry
    futures: Futures
    mirror: Mirror | None
    asyncio_loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    stand: Stand = field(init=False)

    @property
    def offered(self) -> Offered:
        return Offered(self.registry.names, tuple(self.registry.temporals))

    def start(self, job: Job, call: RunTool, policy: Policy, _: float) -> None:
        room = policy.limits.pending_waits - len(job.futures)
        registration = self.futures.registration(
            job.job, registered=job.futures_registered, room=room, encode=lambda value: written(value)
        )
        run = partial(self._run, job, call, registration)
        if self.mirror is None:
            run()
        else:
            self.mirror.submit(run)

    def _run(self, job: Job, call: RunTool, registration: Registration) -> None:
        args, kwargs = read(call.arguments)
        tool = self.registry.get(call.tool)
        assert tool is not None
        try:
            value, error = written(registration.refer(tool.function(*args, **kwargs))), None
        except TypeError as refused:
            value, error = None, GuestError("TypeError", str(refused), None)
        events: tuple[Event, ...] = tuple(registration.events)
        answered = CallAnswered(call.batch, call.number, value, error)
        self.asyncio_loop.call_soon_threadsafe(self.stand.loop.calling.on_answer, job.job, answered, events)


@dataclass
class Waits:
    """A scheduler with futures, and the one executor that it has."""

    stand: Stand
    watcher: Watcher
    thread: Thread | Mirror
    executor: FakeExecutor

    def job(self, name: str) -> Job:
        return self.stand.job(name)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it does not come to pass"
            await asyncio.wait_for(self.turned(), PATIENCE)

    async def turned(self) -> None:
        await asyncio.sleep(0.001)

    def submitted(self, *, key: str = "key", policy: Policy = POLICY) -> tuple[str, Stamp]:
        """Submit a job and have it granted."""
        self.stand.submit(b"source", key=key, policy=policy)
        self.stand.turn()
        [accepted] = [accepted for accepted in self.stand.told(Accepted) if accepted.request == key]
        return accepted.job, self.executor.lease

    def complete(self, key: str, value: object) -> tuple[str, int]:
        """Complete a key as a client does."""
        return self.told(Complete(f"request {len(self.stand.answers.sent)}", key, written(value), None))

    def told(self, message: Complete | CancelWait) -> tuple[str, int]:
        self.stand.ask(message)
        self.stand.turn()
        answer = self.stand.told(Completed)[-1]
        assert answer.request == message.request
        return answer.outcome, answer.futures

    def call(self, lease: Stamp, number: int, tool: str, *args: object, instruction: int = 0) -> None:
        self.executor.send(lease, Call(1, number, tool, written((args, {})), instruction))

    async def answer(self, lease: Stamp, number: int) -> Any:
        """Wait for the reply to a call; an error is given as its type and text."""
        await self.until(lambda: self.replied(lease, number) is not None)
        reply = self.replied(lease, number)
        assert reply is not None
        return (reply.error.type, reply.error.message) if reply.error else read(reply.value)

    def replied(self, lease: Stamp, number: int) -> Reply | None:
        for stamp, message in self.executor.heard:
            if isinstance(message, Reply) and message.number == number and stamp and stamp.lease == lease.lease:
                return message
        return None

    async def ask(self, lease: Stamp, number: int, tool: str, *args: object) -> Any:
        """Call and wait for the answer."""
        self.call(lease, number, tool, *args)
        return await self.answer(lease, number)


@asynccontextmanager
async def waits(path: Path, *functions: Callable[..., Any], **options: Any) -> AsyncIterator[Waits]:
    """A scheduler on the ledger at that path, with these tools; a second one on the same path is its restart."""
    budget_seconds = options.get("budget_seconds", 1.0)
    registry = ToolRegistry(functions)
    futures = Futures(lambda: registry.temporals)
    mirror = mirror_of(path, futures, options) if options.get("dbzero") else None
    thread = mirror or Thread()
    close = partial(mirror.stop, PATIENCE) if mirror is not None else thread.close
    tools = Tools(registry, futures, mirror)
    watchers: list[Watcher] = []

    def prepare(stand: Stand) -> None:
        watchers.append(Watcher(Inspector(futures), thread, stand.loop.waiting, budget_seconds=budget_seconds))
        stand.loop.waiting.watcher = watchers[0]
        stand.loop.waiting.max_suspended = options.get("max_suspended")
        stand.loop.calling.tools = tools  # type: ignore[assignment]
        thread.listeners.append(watchers[0].stir)

    with Ledger.open(path) as ledger:
        stand = make_stand(ledger, prepare=prepare)
        tools.stand = stand
        running = asyncio.gather(stand.loop.run(), stand.loop.waiting.take_up_all())
        if mirror is not None:
            stand.loop.listeners.append(lambda _: mirror.notify(ledger.last_cursor))
            mirror.start()
            assert await asyncio.to_thread(mirror.ready.wait, PATIENCE)
        try:
            yield Waits(stand, watchers[0], thread, stand.executor(workers=options.get("workers", 10)))
        finally:
            watchers[0].close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.to_thread(close)


def mirror_of(path: Path, futures: Futures, options: dict[str, Any]) -> Mirror:
    """dbzero's owner, which opens what the application needs as soon as dbzero is open."""
    before = options.get("before", lambda: None)
    return Mirror(path.with_name("dbzero"), path, failed, on_open=lambda _: prepare_dbzero(futures, before))


def failed(error: BaseException) -> None:
    raise AssertionError("the mirror ended") from error


def prepare_dbzero(futures: Futures, before: Callable[[], None]) -> None:
    from statek.store.awaited import answer_conditions_with  # imports dbzero

    before()
    answer_conditions_with(futures)


def written(value: object) -> bytes:
    return encode_value(value, max_bytes=100_000, max_depth=20, crossing=REFERENCES)


def read(data: bytes | None) -> Any:
    assert data is not None
    return decode_value(data, max_bytes=100_000, max_depth=20, crossing=REFERENCES)


__all__ = ["PATIENCE", "FutureRef", "Waits", "read", "waits", "written"]
