"""A client of whichever scheduler runs on a store; where none does, one runs in this process for the time being."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from statek.cli.terminal import say
from statek.client.client import GIVE_UP_SECONDS, Client
from statek.errors import SchedulerSilent
from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import StoreLocked

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from statek.service.options import ServiceOptions
    from statek.service.service import Service

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 45.0
POLL_SECONDS: Final = 0.5


class EmbeddedScheduler:
    """A scheduler in a thread of this process, with a local executor pool."""

    def __init__(self, directory: StoreDirectory, lock: StoreLock, options: ServiceOptions) -> None:
        self._directory = directory
        self._lock = lock
        self._options = replace(options, passing=True, http=None)  # what asks over HTTP would lose it
        self._service: Service | None = None
        self._loop: AbstractEventLoop | None = None
        self._started = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Return once the scheduler listens; raises what kept it from starting."""
        self._thread.start()
        self._started.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Stop the scheduler and its pool in good order."""
        if self._loop is not None and self._service is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._service.stop)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        import asyncio  # here, because a client of a running scheduler never needs it, nor what `_serve` imports

        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the starting thread raises it
            self.failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        from asyncio import get_running_loop

        from statek.service.service import Service

        self._loop = get_running_loop()
        self._service = Service(self._directory, self._lock, self._options)
        await self._service.run(lambda _: self._started.set())


class Attachment:
    """A client, and the embedded scheduler behind it if there had to be one."""

    def __init__(self, directory: StoreDirectory, options: Callable[[], ServiceOptions]) -> None:
        self._directory = directory
        self._options = options
        self._embedded: EmbeddedScheduler | None = None
        self._client: Client | None = None
        self._standing = False
        """Whether the scheduler that was found goes on without any command."""

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    def attach(self) -> None:
        """Find a scheduler on the store or become it; raises `SchedulerSilent` when one holds the lock and is mute.

        Where a standing scheduler was found before, another one is waited for, as long as it takes: it has the tools
        and objects that the job may need, and whoever runs it could not start it again if its place were taken.
        """
        if self._standing:
            self._wait_for_scheduler()
            return
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up:
            self._become_scheduler_if_there_is_none()
            self._close_client()
            self._client = Client(self._directory.client_socket)
            if self._found():
                return
            self.check()
        raise SchedulerSilent(
            f"a scheduler holds the store {self._directory.path} but has not answered for {GIVE_UP_SECONDS:.0f} s; "
            f"look at its log, or stop it"
        )

    def _found(self) -> bool:
        alive = self.client.ping(POLL_SECONDS)
        self._standing = alive is not None and not alive.passing
        return alive is not None

    def _wait_for_scheduler(self) -> None:
        say(f"the scheduler of {self._directory.path} is gone: waiting for it to be started again")
        while not self._directory.is_locked() or self.client.ping(POLL_SECONDS) is None:
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise what ended the embedded scheduler, if it has ended."""
        if self._embedded is not None and self._embedded.failure is not None:
            raise self._embedded.failure

    def lacks_executors(self) -> bool:
        """Tell whether the scheduler is one that executors connect to from outside, and none has."""
        if self._embedded is not None:
            return False
        alive = self.client.ping(POLL_SECONDS)
        return alive is not None and alive.executors == 0

    def deserted(self) -> bool:
        """Tell whether no scheduler runs on the store any more."""
        return self._embedded is None and not self._directory.is_locked()

    def detach(self) -> None:
        self._close_client()
        if self._embedded is not None:
            self._embedded.stop()

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.__exit__()
            self._client = None

    def _become_scheduler_if_there_is_none(self) -> None:
        if self._embedded is not None:
            return
        try:
            lock = self._directory.lock()
        except StoreLocked:
            return
        self._embedded = EmbeddedScheduler(self._directory, lock, self._options())
        self._embedded.start()


@contextmanager
def attached(directory: StoreDirectory, options: Callable[[], ServiceOptions]) -> Iterator[Attachment]:
    """Attach to the store's scheduler for the duration of a block."""
    attachment = Attachment(directory, options)
    try:
        attachment.attach()
        yield attachment
    finally:
        attachment.detach()
