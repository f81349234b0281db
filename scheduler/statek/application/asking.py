"""Having something decided by a store's scheduler, from wherever a program is.

A scheduler of this process decides in its own loop, one of another process over the socket in the store's directory,
and where none runs it is decided in the ledger alone. Whatever is decided is durable before anybody is told.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from statek.errors import SchedulerSilent, StatekError
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.settings.sources import store_in_force
from statek.store.directory import StoreDirectory, StoreLock
from statek.store.errors import StoreLocked
from statek.store.ledger import Ledger
from statek.store.mirror import THREAD_NAME

if TYPE_CHECKING:
    from statek.calls.application import Application
    from statek.client.client import Client
    from statek.store.mirror import Mirror

T = TypeVar("T")

GIVE_UP_SECONDS: Final = 30.0
ASK_AGAIN_SECONDS: Final = 0.5
"""After which the store may be free again: whoever held it was no scheduler that answers."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler that runs in this process."""

    directory: Path
    loop: Loop
    asyncio_loop: asyncio.AbstractEventLoop
    thread: int
    application: Application
    mirror: Mirror
    """Where the application's objects are."""

    @property
    def serves(self) -> bool:
        """Tell whether it has not ended yet."""
        return any(here is self for here in _schedulers)


_schedulers: list[Scheduler] = []


def serve(directory: StoreDirectory, loop: Loop, application: Application, mirror: Mirror) -> Callable[[], None]:
    """Let what this process asks reach a scheduler; call the result when it ends. In the scheduler's loop."""
    here = Scheduler(directory.path, loop, asyncio.get_running_loop(), threading.get_ident(), application, mirror)
    _schedulers.append(here)
    return partial(_schedulers.remove, here)


def scheduler_here(store: Path | str | None) -> Scheduler | None:
    """Find the scheduler of this process that is meant; None when that is one of another process.

    Raises ValueError where several run here and none is named.
    """
    wanted = None if store is None else Path(store).absolute()
    found = [here for here in _schedulers if wanted is None or here.directory.absolute() == wanted]
    if len(found) > 1:
        raise ValueError("several schedulers run in this process: say which by store=")
    return found[0] if found else None


def decided(store: Path | str | None, decide: Callable[[Loop, Tick], T], ask: Callable[[Client], T]) -> T:
    """Have it decided by the scheduler that is meant: of this process, of another one, or by none where none runs.

    From any thread but the scheduler's own loop. `decide` runs in a turn of the loop and its result is returned once
    the turn is durable; `ask` runs here. Raises what either raises (a `StatekError` of `decide` changes nothing),
    `SchedulerSilent` where nobody answers, RuntimeError in the scheduler's own loop and in its application's loading.
    """
    here = scheduler_here(store)
    if here is not None:
        return _in_loop(here, decide)
    path = Path(store) if store is not None else store_in_force(os.environ)
    if not path.is_dir():
        raise SchedulerSilent(f"there is no store at {path}, and no scheduler in this process: say which store=")
    directory = StoreDirectory.create_or_open(path)
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while (lock := _lock(directory)) is None:
        with _client(directory) as client:
            if client.ping(ASK_AGAIN_SECONDS) is not None or time.monotonic() > give_up:
                return ask(client)
    try:
        return _without_scheduler(directory, decide)
    finally:
        lock.release()


def _lock(directory: StoreDirectory) -> StoreLock | None:
    """Take the store; None while somebody has it: a scheduler, or for a moment another one who decides without."""
    try:
        return directory.lock()
    except StoreLocked:
        return None


def _client(directory: StoreDirectory) -> Client:
    from statek.client.client import Client  # here, because an application in the scheduler's process needs no sockets

    return Client(directory.client_socket)


def _without_scheduler(directory: StoreDirectory, decide: Callable[[Loop, Tick], T]) -> T:
    """Decide in the ledger alone. No job is run: that would be without the application that it needs."""
    answers: list[T] = []
    with Ledger.open(directory.ledger) as ledger:
        loop = Loop(ledger, max_concurrency=1, give_up_unplaceable=False)
        loop.do(lambda tick: answers.append(decide(loop, tick)))
        while loop.backlog:
            loop.turn()
    return answers[0]


def _in_loop(here: Scheduler, decide: Callable[[Loop, Tick], T]) -> T:
    """Have it decided in the scheduler's loop, and wait until that is durable."""
    if threading.get_ident() == here.thread:
        raise RuntimeError(
            "the scheduler's loop cannot wait for itself: use await asyncio.to_thread(...) in async tools"
        )
    if not here.application.is_known and threading.current_thread().name == THREAD_NAME:
        raise RuntimeError(
            "nothing can be started, pushed or completed while the application is loaded: its scheduler waits for it; "
            "do it in a tool, in another thread, or when jobs can be submitted"
        )
    done: Future[T] = Future()

    def work(tick: Tick) -> None:
        try:
            answer = decide(here.loop, tick)
        except StatekError as error:  # it concerns who asked, and not the loop
            done.set_exception(error)
        else:
            tick.then(partial(done.set_result, answer))

    here.asyncio_loop.call_soon_threadsafe(here.loop.do, work)
    try:
        return done.result(GIVE_UP_SECONDS)
    except TimeoutError:
        raise SchedulerSilent(
            "the scheduler of this process does not go on; nothing is known to have been done"
        ) from None
