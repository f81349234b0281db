"""One scheduler as a running thing: the store it owns, the endpoints it listens on, its loop, and their end.

It takes the store's lock before anything else, so that there is never a second one; the kernel gives the lock back
when the process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Final

import zmq

from statek.api.clients import Clients
from statek.api.executors import Pool
from statek.api.http.server import HttpServer
from statek.api.http.side import scheduler_side
from statek.logs.jobs import tell_of
from statek.loop.loop import Loop
from statek.loop.promptness import promptly
from statek.loop.retaining import Retention
from statek.loop.vitals import Vitals
from statek.pools.endpoint import RouterEndpoint
from statek.service.application_side import ApplicationSide
from statek.service.local_pool import LocalPool
from statek.service.model_gateway import ModelGateway, unanswerable
from statek.service.options import ServiceOptions
from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import StoreError
from statek.store.ledger import Ledger
from statek_protocol.transport.endpoints import Endpoint, parse_endpoint

log = logging.getLogger(__name__)

PRESENCE_SECONDS: Final = 0.5
"""Between two looks at who is still there."""
SETTLE_SECONDS: Final = 10.0
"""How long a call that is under way when the scheduler is to stop is waited for."""


class Service:
    """A scheduler on a store. Make it with the lock held; `run` gives everything back."""

    def __init__(self, directory: StoreDirectory, lock: StoreLock, options: ServiceOptions) -> None:
        self._directory = directory
        self._lock = lock
        self._options = options
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._recovered = False
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
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            async with contextlib.AsyncExitStack() as ends:
                ends.callback(self._lock.release)
                await self._serve(ends, context, on_started)
        finally:
            context.destroy(0)  # every socket is closed by now; one left over would block for ever
        if self._failure is not None:
            raise self._failure

    async def _serve(
        self,
        ends: contextlib.AsyncExitStack,
        context: zmq.Context[zmq.Socket[bytes]],
        on_started: Callable[[str], None],
    ) -> None:
        """Put the parts together, each with its end, and serve. They end in the opposite order."""
        directory, options = self._directory, self._options
        loop = self._open_loop(ends)
        listen = options.listen or parse_endpoint(f"ipc://{directory.executor_socket}")
        executors = self._open_endpoint(ends, context, listen)
        clients = self._open_endpoint(ends, context, parse_endpoint(f"ipc://{directory.client_socket}"))
        side = ApplicationSide(directory, loop, options, self._fail)
        ends.push_async_callback(side.stop_objects)
        local = LocalPool(directory.executor_socket, options.workers)
        ends.push_async_callback(local.stop)
        if options.listen is None:
            await local.start()
        await ends.enter_async_context(side.open())
        pool = Pool(loop, executors, f"scheduler-{secrets.token_hex(4)}")
        ends.callback(pool.drain)
        vitals = Vitals(loop, side.mirror, directory)
        api = Clients(loop, clients, vitals.facts, passing=options.passing)
        loop.witnesses.append(lambda tick: tell_of(tick.records, tick.changed))
        loop.listeners += [side.on_committed, api.on_committed]
        loop.recover()
        self._recovered = True
        await side.start()
        self._use_models(ends, loop)
        self._enlist(loop)
        await self._serve_http(ends, loop, vitals)
        executors.start(pool.on_frames)
        clients.start(api.on_frames)
        spare = ends.enter_context(promptly())
        async with self._at_work(loop, pool, vitals, local, spare):
            on_started(executors.address)
            await self._stopping.wait()
            await self._settle(loop, executors, side)

    def _open_loop(self, ends: contextlib.AsyncExitStack) -> Loop:
        ledger = Ledger.open(self._directory.ledger)
        ends.callback(ledger.close)
        if not self._options.passing:  # which is not there for long, and is waited for
            ledger.keep_log_beside()
        loop = Loop(
            ledger,
            max_concurrency=self._options.max_concurrency,
            give_up_unplaceable=self._options.listen is None,
            park_seconds=self._options.park_seconds,
            max_parked=self._options.max_parked,
        )
        ends.callback(self._say_goodbye, loop)
        return loop

    def _open_endpoint(
        self, ends: contextlib.AsyncExitStack, context: zmq.Context[zmq.Socket[bytes]], where: Endpoint
    ) -> RouterEndpoint:
        endpoint = RouterEndpoint(context, where, self._options.keys)
        ends.callback(endpoint.close)
        return endpoint

    def _use_models(self, ends: contextlib.AsyncExitStack, loop: Loop) -> None:
        """Let the loop ask models, unless it only lives as long as a command does."""
        application = self._options.application
        if not self._options.passing:
            models = ModelGateway(loop, self._options.models, lambda: application.offer)
            ends.push_async_callback(models.close)

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

    async def _serve_http(self, ends: contextlib.AsyncExitStack, loop: Loop, vitals: Vitals) -> None:
        """Let clients come over HTTP; raises `EndpointUnusable` or `TokensUnusable`."""
        if self._options.http is None:
            return
        self._http = HttpServer(self._options.http, self._directory.path, scheduler_side(loop, vitals))
        ends.push_async_callback(self._stop_http)
        await asyncio.to_thread(self._http.start)
        log.info("clients may come over HTTP to %s", self._http.address)

    async def _stop_http(self) -> None:
        """Let requests in hand end, which the loop still carries out, and take no more."""
        if self._http is not None:
            await asyncio.to_thread(self._http.stop)

    @contextlib.asynccontextmanager
    async def _at_work(
        self, loop: Loop, pool: Pool, vitals: Vitals, local: LocalPool, spare: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Let the loop turn, and everything beside it, for the time of a with block."""
        work = [
            loop.run(),
            self._watch_presence(loop, pool),
            self._take_up_waits(loop, spare),
            vitals.watch(),
            *self._forget_jobs(loop, vitals),
            *([local.keep()] if self._options.listen is None else []),
        ]
        tasks = [asyncio.create_task(self._watch(part)) for part in work]
        await asyncio.sleep(0)  # so that each part has begun: one that is cancelled before is never awaited
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_up_waits(self, loop: Loop, spare: Callable[[], None]) -> None:
        """Take up what jobs wait for, which is much that lasts where many wait."""
        await loop.waiting.take_up_all()
        spare()

    def _forget_jobs(self, loop: Loop, vitals: Vitals) -> Iterator[Coroutine[None, None, None]]:
        """Where jobs are not kept for ever, the work that it is to forget them."""
        if self._options.retain_seconds is not None:
            retention = Retention(loop, self._options.retain_seconds)
            vitals.forgotten = lambda: retention.forgotten
            yield retention.run()

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
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stopping.set()

    async def _settle(self, loop: Loop, executors: RouterEndpoint, side: ApplicationSide) -> None:
        """Hear nothing more of anybody, and let calls under way have their outcomes on record, for a while."""
        await self._stop_http()
        executors.pause()
        loop.conversing.settle()
        if self._failure is None:
            await side.runner.settle(SETTLE_SECONDS)
            loop.turn()

    def _say_goodbye(self, loop: Loop) -> None:
        """Put the end on the audit log, unless the ledger's own trouble is the reason."""
        try:
            if self._recovered and self._failure is None:
                loop.stopped()
        except StoreError as error:
            log.critical("the end of the scheduler cannot be put on the audit log: %s", error)
            self._failure = error
