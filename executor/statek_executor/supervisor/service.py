"""The supervisor as a running thing: one zygote, one uplink, and the leases that the scheduler grants.

    starting  ->  the zygote is up, the layers are probed
    unknown   ->  a hello is sent until the scheduler answers
    known     ->  heartbeats; leases are served; silence of the scheduler leads back to unknown, and ends the leases

A supervisor decides nothing about jobs. When it loses its scheduler it ends its interpreters, because their leases are
granted anew elsewhere; when it loses its zygote it starts another, a few times in a row.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

from statek_executor.errors import ExecutorError, SchedulerRefused
from statek_executor.isolation import Posture
from statek_executor.supervisor.lease import Baseline, LeaseServer
from statek_executor.supervisor.memory_budget import Waiting, to_end
from statek_executor.supervisor.stock import Stock
from statek_executor.supervisor.uplink import Uplink
from statek_executor.supervisor.zygote_client import ZygoteClient, probe_posture
from statek_policies import BASE_LAYERS
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import (
    Drain,
    Goodbye,
    Grant,
    Heartbeat,
    Hello,
    LayerReport,
    Pong,
    Pull,
    Rejected,
    Stamp,
    Unknown,
    Welcome,
)
from statek_protocol.transport.endpoints import Endpoint
from statek_protocol.version import PROTOCOL_VERSION, RELEASE

log = logging.getLogger(__name__)

PROBE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
REPORT_SECONDS: Final = 1.0
"""What the ends of leases and the goodbye may take when we stop; the scheduler may be gone, and misses us anyway."""
HELLO_SECONDS: Final = 0.5
"""Between two hellos while the scheduler has not answered."""
HELLOS_BEFORE_WARNING: Final = 4
ZYGOTE_STARTS_LIMIT: Final = 3
"""A zygote that dies this often within `ZYGOTE_STABLE_SECONDS` of its start is given up, and the supervisor with it."""
ZYGOTE_STABLE_SECONDS: Final = 10.0


class ZygoteUnstable(ExecutorError):
    """The zygote dies again and again; what it wrote to stderr says why."""


class Supervisor:
    """One executor pool on one host."""

    def __init__(
        self, endpoint: Endpoint, *, workers: int, keys: Path, parking: int = 0, memory_budget_bytes: int | None = None
    ) -> None:
        """`parking` interpreters are kept beside the workers while they wait, within the memory budget."""
        self._endpoint = endpoint
        self._workers = workers
        self._parking = parking
        self._memory_budget_bytes = memory_budget_bytes
        self._keys = keys
        self._executor = f"{socket.gethostname()[:100]}-{secrets.token_hex(4)}"
        self._leases: dict[str, LeaseServer] = {}
        self._released = 0
        self._zygote = ZygoteClient()
        self._posture: Posture | None = None
        self._quick_deaths = 0
        self._welcome: Welcome | None = None
        self._heard = 0.0
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._wake_zygote = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop in good order: for a signal handler."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`; raises `SchedulerRefused`, `ZygoteFailed` or `ZygoteUnstable`."""
        self._start_zygote()
        self._uplink = Uplink(self._endpoint, self._keys)
        tasks = [
            asyncio.create_task(self._watch(work))
            for work in (
                self._receive(),
                self._keep_in_touch(),
                self._keep_zygote(),
                self._uplink.watch_connection(),
            )
        ]
        try:
            await self._stopping.wait()
            if self._failure is not None:
                raise self._failure
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._shut_down()

    async def _watch(self, work: Coroutine[None, None, None]) -> None:
        """Run one of the supervisor's loops; its failure stops the supervisor."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - raised again by run()
            self._failure = self._failure or error
            self._stopping.set()

    async def _shut_down(self) -> None:
        for lease in self._leases.values():
            lease.end("stopped", "the executor is stopping")
        if self._leases and self._welcome is not None:
            await asyncio.wait([lease.task for lease in self._leases.values()], timeout=REPORT_SECONDS)
        await self._end_leases()
        if self._welcome is not None:
            await self._say(Goodbye(), REPORT_SECONDS)
        self._stock.close()
        self._zygote.stop(STOP_SECONDS)
        self._uplink.close()

    # the zygote

    def _start_zygote(self) -> None:
        self._zygote.start()
        self._zygote_started = time.monotonic()
        if self._posture is None:
            self._posture = probe_posture(self._zygote, PROBE_SECONDS)
            log.info("layers: %s", ", ".join(sorted(self._posture.active)))
            _warn_of_missing_layers(self._posture)
        self._stock = Stock(self._zygote, self._workers, self._on_zygote_gone)
        self._stock.start()

    def _on_zygote_gone(self, reason: str) -> None:
        log.error("the zygote is gone: %s", reason)
        for lease in self._leases.values():
            lease.end("stopped", f"the zygote is gone: {reason}")
        self._wake_zygote.set()

    async def _keep_zygote(self) -> None:
        """Replace a zygote that died, unless it dies at once every time."""
        while True:
            await self._wake_zygote.wait()
            self._wake_zygote.clear()
            stable = time.monotonic() - self._zygote_started >= ZYGOTE_STABLE_SECONDS
            self._quick_deaths = 0 if stable else self._quick_deaths + 1
            if self._quick_deaths >= ZYGOTE_STARTS_LIMIT:
                raise ZygoteUnstable(f"the zygote died {self._quick_deaths} times soon after its start")
            self._stock.close()
            self._zygote.stop(STOP_SECONDS)
            self._zygote = ZygoteClient()
            self._start_zygote()

    # the scheduler

    async def _keep_in_touch(self) -> None:
        """Say hello until we are known; then say that we are alive, and notice when the scheduler is not."""
        hellos = 0
        while True:
            welcome = self._welcome
            hellos = hellos + 1 if welcome is None else 0
            if hellos == HELLOS_BEFORE_WARNING:
                log.warning("no scheduler has answered at %s yet; still trying", self._endpoint.text)
            if welcome is None:
                await self._say(self._hello(), HELLO_SECONDS)
                await asyncio.sleep(HELLO_SECONDS)
            else:
                await asyncio.sleep(welcome.heartbeat_seconds)
                await self._beat(welcome)

    async def _beat(self, welcome: Welcome) -> None:
        silent = time.monotonic() - self._heard
        if silent > welcome.lease_seconds:
            log.warning("nothing heard of the scheduler for %.1f s: leases end here", silent)
            await self._become_unknown()
        else:
            self._keep_to_memory_budget()
            await self._say(Heartbeat(tuple(self._leases)), welcome.heartbeat_seconds)

    def _keep_to_memory_budget(self) -> None:
        """End those that have waited longest for a future when all that wait hold too much together."""
        if self._memory_budget_bytes is None:
            return
        waiting = [
            Waiting(name, lease.waiting_since, lease.grown_bytes())
            for name, lease in self._leases.items()
            if lease.waiting_since is not None
        ]
        for name in to_end(waiting, self._memory_budget_bytes):
            self._leases[name].end("stopped", "the executor needs the memory of its longest waits")

    async def _say(self, message: Message, seconds: float) -> None:
        """Send, if there is a connection within that time; without one a send would wait for ever."""
        try:
            async with asyncio.timeout(seconds):  # wait_for of 3.11 loses a cancellation that comes with the result
                await self._uplink.send(message)
        except TimeoutError:
            log.debug("no connection to the scheduler for a %s", message.kind)

    def _hello(self) -> Hello:
        assert self._posture is not None, "probed before the uplink exists"
        layers = {name: LayerReport(state.active, state.detail[:1000]) for name, state in self._posture.layers.items()}
        host = socket.gethostname()[:100]
        return Hello(PROTOCOL_VERSION, RELEASE, self._executor, host, self._workers, layers, self._parking)

    async def _become_unknown(self) -> None:
        self._welcome = None
        await self._end_leases()

    async def _end_leases(self) -> None:
        """End all leases without a word: nobody listens, or nobody would believe us any more."""
        leases = list(self._leases.values())
        for lease in leases:
            lease.task.cancel()
        await asyncio.gather(*(lease.task for lease in leases), return_exceptions=True)
        self._leases.clear()

    async def _receive(self) -> None:
        while True:
            stamp, message, data = await self._uplink.receive()
            self._heard = time.monotonic()
            if stamp is None:
                await self._on_message(message)
            elif self._welcome is not None:
                self._on_leased(stamp, message, data)

    async def _on_message(self, message: Message) -> None:
        match message:
            case Welcome():
                await self._on_welcome(message)
            case Rejected():
                raise SchedulerRefused(f"the scheduler refused this executor ({message.code}): {message.reason}")
            case Unknown():
                await self._become_unknown()
                await self._say(self._hello(), HELLO_SECONDS)
            case Drain():
                log.info("the scheduler is stopping")
                await self._become_unknown()
            case Pong():
                pass
            case _:
                log.warning("nothing to do for a %s", message.kind)

    async def _on_welcome(self, message: Welcome) -> None:
        """Begin anew with this scheduler: no lease from before is known to it."""
        if self._welcome is not None:
            return
        self._welcome = message
        self._released = 0
        log.info("welcomed by %s", message.scheduler)
        await self._pull()

    def _on_leased(self, stamp: Stamp, message: Message, data: bytes) -> None:
        lease = self._leases.get(stamp.lease)
        if isinstance(message, Grant) and lease is None:
            self._serve(stamp, message)
        elif lease is not None and lease.epoch == stamp.epoch:
            lease.deliver(stamp, message, data)
        else:
            self._uplink.refused["stale"] += 1

    def _serve(self, stamp: Stamp, grant: Grant) -> None:
        assert self._zygote.ready is not None
        ready = self._zygote.ready
        baseline = Baseline(ready.baseline_data_bytes, ready.baseline_address_bytes)
        lease = LeaseServer(stamp, grant, self._stock, baseline, self._uplink.send_leased)
        self._leases[lease.lease] = lease
        lease.task.add_done_callback(lambda task: self._on_lease_over(lease, task))

    def _on_lease_over(self, lease: LeaseServer, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._stopping.set()
        if self._leases.get(lease.lease) is lease:
            del self._leases[lease.lease]
            self._released += 1
            if self._welcome is not None and not self._stopping.is_set():
                self._pulling = asyncio.create_task(self._watch(self._pull()))

    async def _pull(self) -> None:
        """Offer a place for every lease that is over, and as many more as we run and keep waiting at once."""
        await self._uplink.send(Pull(self._workers + self._parking + self._released))


def _warn_of_missing_layers(posture: Posture) -> None:
    """Say at the start what will be noticed only later: jobs that are given to others, or wait."""
    for name in sorted(BASE_LAYERS - posture.active):
        log.warning("no jobs that need the layer %s are run on this host: %s", name, posture.layers[name].detail)
