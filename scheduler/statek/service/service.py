"""One scheduler as a running thing: the store it owns, the endpoints it listens on, its loop, and their end.

It takes the store's lock before anything else, so that there is never a second one; the kernel gives the lock back
when the process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import zmq

from statek.api.clients import Clients
from statek.api.executors import Pool
from statek.api.http.server import HttpOptions, HttpServer
from statek.api.http.side import scheduler_side
from statek.application import asking
from statek.calls.application import Application
from statek.calls.runner import TIMEOUT_SECONDS, ToolRunner
from statek.core.agents import CONTEXT_TOKENS, Harness
from statek.core.futures import Settlement
from statek.futures.inspector import Inspector
from statek.futures.registry import Futures
from statek.futures.watcher import Watcher
from statek.logs.jobs import tell_of
from statek.loop.loop import Loop
from statek.loop.placing import MAX_CONCURRENCY, MAX_PARKED, MAX_SUSPENDED, PARK_SECONDS
from statek.loop.queueing import MAX_DEPTH
from statek.loop.retaining import Retention
from statek.loop.vitals import Vitals
from statek.pools.endpoint import RouterEndpoint
from statek.service.handlers import Handlers
from statek.service.local_pool import LocalPool
from statek.service.model_gateway import ModelGateway, ModelOptions, unanswerable
from statek.store.compaction import CompactionRules
from statek.store.copying import CopyRules
from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import MirrorStopped, StoreError
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek.store.recovery import RecoveryReport
from statek_protocol.transport.endpoints import Endpoint, parse_endpoint

log = logging.getLogger(__name__)

PRESENCE_SECONDS: Final = 0.5
"""Between two looks at who is still there."""
SETTLE_SECONDS: Final = 10.0
"""How long a call that is under way when the scheduler is to stop is waited for."""
MIRROR_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a scheduler is to run."""

    keys: Path
    listen: Endpoint | None = None
    """Where executors connect; None for a local pool of the scheduler's own."""
    workers: int = 1
    """Of the local pool."""
    application: Application = field(default_factory=Application)
    """What it offers to guests."""
    tool_timeout_seconds: float = TIMEOUT_SECONDS
    """How long a tool, or an operation on an object, may take unless the tool says otherwise."""
    max_concurrency: int = MAX_CONCURRENCY
    max_suspended: int | None = MAX_SUSPENDED
    """Jobs that may wait for futures at the same time; None for no bound."""
    max_queued: int = MAX_DEPTH
    """Items that one queue may have, its dead letters among them; what comes beyond is refused."""
    passing: bool = False
    """It runs inside a command and ends with it."""
    park_seconds: float = PARK_SECONDS
    """How long a job that waits keeps its interpreter."""
    max_parked: int = MAX_PARKED
    copy_seconds: float = CopyRules().seconds
    """How long after a change the application's dbzero prefixes are copied; 0 for no copies."""
    copies_kept: int = CopyRules().kept
    compact_factor: float = CompactionRules().factor
    """How many times larger than what lives in it dbzero's file of the jobs may be at a start; 0 for any size."""
    retain_seconds: float | None = None
    """How long a job is kept after its end; None for ever."""
    harness: Harness = Harness()  # noqa: RUF009 - frozen
    """What bounds the conversations of agents that do not say it themselves."""
    context_tokens: int = CONTEXT_TOKENS
    """What a prompt may have, for agents that do not say it themselves."""
    http: HttpOptions | None = None
    """How it is to be served over HTTP; None for not at all."""
    models: ModelOptions = ModelOptions()  # noqa: RUF009 - frozen


class Service:
    """A scheduler on a store. Make it with the lock held; `run` gives everything back."""

    def __init__(self, directory: StoreDirectory, lock: StoreLock, options: ServiceOptions) -> None:
        self._directory = directory
        self._lock = lock
        self._options = options
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._endpoints: list[RouterEndpoint] = []
        self._pool: Pool | None = None
        self._runner: ToolRunner | None = None
        self._watcher: Watcher | None = None
        self._models: ModelGateway | None = None
        self._loop: Loop | None = None
        self._http: HttpServer | None = None

    @property
    def http_address(self) -> str | None:
        """Return where clients may come over HTTP, None for nowhere; once it has started."""
        return None if self._http is None else self._http.address

    def stop(self) -> None:
        """Begin to stop in good order; call it in the service's own thread."""
        self._stopping.set()

    async def run(self, on_started: Callable[[str], None]) -> None:
        """Serve until `stop`; `on_started` gets the address for executors. Raises what made the service fail."""
        self._asyncio_loop = asyncio.get_running_loop()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        local = LocalPool(self._directory.executor_socket, self._options.workers)
        tasks: list[asyncio.Task[None]] = []
        ledger: Ledger | None = None
        mirror: Mirror | None = None
        try:
            ledger = Ledger.open(self._directory.ledger)
            executors, clients = self._open_endpoints(context)
            if self._options.listen is None:
                await local.start()
            mirror = Mirror(
                self._directory.dbzero,
                self._directory.ledger,
                self._on_mirror_failure,
                on_recovery=self._on_mirror_recovery,
                on_open=self._on_mirror_open,
                on_copy_trouble=self._on_copy_trouble,
                copy_rules=CopyRules(self._options.copy_seconds, self._options.copies_kept),
                compaction_rules=CompactionRules(self._options.compact_factor),
            )
            tasks += await self._start(ledger, mirror, executors, clients)
            if self._options.listen is None:
                tasks.append(asyncio.create_task(self._watch(local.keep())))
            await asyncio.sleep(0)  # so that each part has begun: one that is cancelled before is never awaited
            on_started(executors.address)
            await self._stopping.wait()
            await self._stop_http()
            await self._settle(executors)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._shut_down(local, mirror, ledger)
            context.destroy(0)  # every socket is closed by now; one left over would block for ever
        if self._failure is not None:
            raise self._failure

    async def _settle(self, executors: RouterEndpoint) -> None:
        """Hear nothing more of executors, and let calls under way have their outcomes on record, for a while."""
        executors.pause()
        if self._loop is not None:
            self._loop.conversing.settle()
        if self._runner is not None and self._loop is not None and self._failure is None:
            await self._runner.settle(SETTLE_SECONDS)
            self._loop.turn()

    def _open_endpoints(self, context: zmq.Context[zmq.Socket[bytes]]) -> tuple[RouterEndpoint, RouterEndpoint]:
        listen = self._options.listen or parse_endpoint(f"ipc://{self._directory.executor_socket}")
        for endpoint in (listen, parse_endpoint(f"ipc://{self._directory.client_socket}")):
            self._endpoints.append(RouterEndpoint(context, endpoint, self._options.keys))
        return self._endpoints[0], self._endpoints[1]

    async def _start(
        self, ledger: Ledger, mirror: Mirror, executors: RouterEndpoint, clients: RouterEndpoint
    ) -> list[asyncio.Task[None]]:
        """Wire the parts together and set them going."""
        loop = Loop(
            ledger,
            max_concurrency=self._options.max_concurrency,
            give_up_unplaceable=self._options.listen is None,
            park_seconds=self._options.park_seconds,
            max_parked=self._options.max_parked,
        )
        application = self._options.application
        self._futures = Futures(lambda: application.offer.tools.temporals)
        self._runner = loop.calling.tools = ToolRunner(
            application,
            mirror,
            loop.calling.on_answer,
            futures=self._futures,
            timeout_seconds=self._options.tool_timeout_seconds,
            note=loop.calling.note,
        )
        self._pool = pool = Pool(loop, executors, f"scheduler-{secrets.token_hex(4)}")
        vitals = Vitals(loop, mirror, self._directory)
        api = Clients(loop, clients, vitals.facts, passing=self._options.passing)
        self._watcher = self._watch_futures(loop, mirror)
        self._stop_answering = asking.serve(self._directory, loop, application, mirror)
        loop.witnesses.append(lambda tick: tell_of(tick.records, tick.changed))
        loop.listeners += [lambda _: mirror.notify(ledger.last_cursor), api.on_committed]
        self._loop = loop
        loop.recover()
        mirror.start()
        mirror.notify(ledger.last_cursor)
        if not application.is_known:
            await asyncio.wrap_future(application.loaded)
        handlers = Handlers(application, mirror, self._directory.ledger, self._note_from_anywhere)
        loop.steering.ask_application = handlers.ask
        loop.witnesses.append(handlers.on_committed)
        if not self._options.passing:
            self._models = ModelGateway(loop, self._options.models, lambda: application.offer)
        self._enlist(loop)
        await self._serve_http(loop, vitals)
        work = (
            loop.run(),
            self._watch_presence(loop, pool),
            loop.waiting.take_up_all(),
            vitals.watch(),
            *self._forget_jobs(loop, vitals),
        )
        executors.start(pool.on_frames)
        clients.start(api.on_frames)
        return [asyncio.create_task(self._watch(part)) for part in work]

    def _enlist(self, loop: Loop) -> None:
        """Let the application's agents be known, and begin to deliver what waits for them; raises `AgentRefused`."""
        options, application = self._options, self._options.application
        loop.queueing.max_depth = options.max_queued
        loop.roster.active = None if application.all_agents else frozenset(application.offer.agents)
        exports, agents = tuple(application.offer.variables), application.offer.agents.values()
        definitions = [agent.definition(exports, options.harness, options.context_tokens) for agent in agents]
        loop.do(lambda tick: loop.roster.define(tick, definitions))
        loop.turn()
        if not options.passing:
            known = [found for name in application.offer.agents if (found := loop.roster.definition(name)) is not None]
            for trouble in unanswerable(options.models, known):
                log.warning("jobs of an agent will fail: %s", trouble)
            loop.delivering.begin(application.offer.push_queues, loop.in_hand)

    async def _serve_http(self, loop: Loop, vitals: Vitals) -> None:
        """Let clients come over HTTP; raises `EndpointUnusable` or `TokensUnusable`."""
        if self._options.http is None:
            return
        self._http = HttpServer(self._options.http, self._directory.path, scheduler_side(loop, vitals))
        await asyncio.to_thread(self._http.start)
        log.info("clients may come over HTTP to %s", self._http.address)

    async def _stop_http(self) -> None:
        """Let requests in hand end, which the loop still carries out, and take no more."""
        if self._http is not None:
            await asyncio.to_thread(self._http.stop)

    def _forget_jobs(self, loop: Loop, vitals: Vitals) -> Iterator[Coroutine[None, None, None]]:
        """Where jobs are not kept for ever, the work that it is to forget them."""
        if self._options.retain_seconds is not None:
            retention = Retention(loop, self._options.retain_seconds)
            vitals.forgotten = lambda: retention.forgotten
            yield retention.run()

    def _watch_futures(self, loop: Loop, mirror: Mirror) -> Watcher:
        assert self._runner is not None
        watcher = Watcher(Inspector(self._futures, self._runner.encode), mirror, loop.waiting)
        mirror.submit(partial(_answer_conditions, self._futures), quiet=True)
        loop.waiting.watcher = watcher
        loop.waiting.max_suspended = self._options.max_suspended
        loop.waiting.on_completed = partial(_tell_application, mirror, self._futures)
        mirror.listeners.append(watcher.stir)
        return watcher

    async def _watch_presence(self, loop: Loop, pool: Pool) -> None:
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            if not self._stopping.is_set():  # from then on nobody is heard, and nobody is silent
                loop.do(pool.check_presence)
            loop.do(loop.tell_counted)

    async def _watch(self, work: Coroutine[None, None, None]) -> None:
        """Run one of the service's parts; its failure stops the service."""
        try:
            await work
        except Exception as error:
            log.critical("the scheduler cannot go on: %s", error, exc_info=True)
            self._failure = self._failure or error
            self._stopping.set()

    def _on_mirror_open(self, ledger: History) -> None:
        """In the mirror's thread, when dbzero was opened: forget old objects, load the application."""
        assert self._runner is not None
        self._runner.reopen(ledger.handles)
        self._futures.forget()
        self._options.application.load()
        self._runner.check_variables()

    def _on_mirror_failure(self, error: BaseException) -> None:
        """Called in the mirror's thread: without dbzero the application's objects are gone, so the service ends."""
        self._failure = self._failure or error
        self._options.application.give_up(error)
        self._asyncio_loop.call_soon_threadsafe(self._stopping.set)

    def _on_mirror_recovery(self, report: RecoveryReport) -> None:
        """Called in the mirror's thread: what was set aside belongs on the audit log."""
        self._asyncio_loop.call_soon_threadsafe(self._note_recovery, report)

    def _note_recovery(self, report: RecoveryReport) -> None:
        found = {"reason": report.reason, "objects_cursor": report.cursor, "ledger_cursor": report.ledger_cursor}
        said = {**found, "aside": report.aside.name}
        lost = {"prefix": report.prefix, "copy": report.copy, "calls": len(report.calls)} if report.prefix else {}
        self._note("store_set_aside", {**said, **lost})

    def _on_copy_trouble(self, prefix: str, trouble: str) -> None:
        """Called in any thread: a prefix of the application's could not be copied."""
        said = {"prefix": prefix, "reason": trouble}
        self._note_from_anywhere("copy_failed", said)

    def _note_from_anywhere(self, kind: str, said: dict[str, Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and it is in the log
            self._asyncio_loop.call_soon_threadsafe(self._note, kind, said)

    def _note(self, kind: str, said: dict[str, Any]) -> None:
        if self._loop is not None:
            self._loop.do(lambda tick: tick.note(kind, said))

    async def _shut_down(self, local: LocalPool, mirror: Mirror | None, ledger: Ledger | None) -> None:
        await self._stop_http()
        if self._pool is not None:
            self._pool.drain()
        if self._watcher is not None:
            self._watcher.close()
            self._stop_answering()
        if self._models is not None:
            await self._models.close()
        if self._runner is not None:
            await self._runner.close()
        await local.stop()
        if mirror is not None:
            await asyncio.to_thread(mirror.stop, MIRROR_STOP_SECONDS)
        for endpoint in self._endpoints:
            endpoint.close()
        if ledger is not None:
            self._close(ledger)
        self._lock.release()

    def _close(self, ledger: Ledger) -> None:
        """Say goodbye on the audit log, unless the end is the ledger's own trouble."""
        try:
            if self._loop is not None and self._failure is None:
                self._loop.stopped()
        except StoreError as error:
            log.critical("the end of the scheduler cannot be put on the audit log: %s", error)
            self._failure = error
        finally:
            ledger.close()


def _tell_application(mirror: Mirror, futures: Futures, job: str, number: int, outcome: Settlement) -> None:
    """Let the application's own object of a future know that it was completed."""
    try:
        mirror.submit(partial(futures.settle, job, number, outcome.value, outcome.error), quiet=True)
    except MirrorStopped:
        log.info("future %d of %s was completed while the application ends", number, job)


def _answer_conditions(futures: Futures) -> None:
    """Let the jobs' objects in dbzero ask the application's conditions. In dbzero's thread."""
    from statek.store.awaited import answer_conditions_with  # imports dbzero

    answer_conditions_with(futures)
