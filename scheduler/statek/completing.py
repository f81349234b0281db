"""Completing what jobs wait for, from an application: in the scheduler's process, or from any other on its machine.

A key is completed once. Whoever is late, early or second is told so, and changes nothing that is durable already:

completed  futures of the key were waiting, and have their outcome
kept       there is no future of the key yet; one that is made later has this outcome at once
late       all futures of the key had given up (a deadline, a cancellation); kept for one that is made later
duplicate  the key was completed before; this completion is dropped
cancelled  futures of the key were given up
nothing    there was nothing to give up
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from statek.cli.options import default_store
from statek.core.futures import FUTURE_FAILED, Settlement
from statek.errors import SchedulerSilent, StatekError, SubmissionRefused
from statek.futures.results import checked_key
from statek.loop import Loop
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreLocked
from statek.store.ledger import Ledger
from statek.tick import Tick
from statek_protocol.messages.base import MIB, TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.values import ValueRefused, encode_value

if TYPE_CHECKING:
    from statek.cli.client import Client
    from statek_protocol.messages.client import Completed

Decide = Callable[[Loop, Tick], "FutureCompletion"]

VALUE_BYTES: Final = MIB
VALUE_DEPTH: Final = 64
GIVE_UP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class FutureCompletion:
    """What became of a completion, durably, and how many futures came to their outcome by it."""

    outcome: Literal["completed", "kept", "late", "duplicate", "cancelled", "nothing"]
    futures: int


@dataclass(frozen=True, slots=True)
class _Scheduler:
    """A scheduler that runs in this process."""

    directory: Path
    loop: Loop
    asyncio_loop: asyncio.AbstractEventLoop
    thread: int


_schedulers: list[_Scheduler] = []


def serve(directory: StoreDirectory, loop: Loop) -> Callable[[], None]:
    """Let this process's completions reach a scheduler; call the result when it ends. In the scheduler's loop."""
    here = _Scheduler(directory.path, loop, asyncio.get_running_loop(), threading.get_ident())
    _schedulers.append(here)
    return partial(_schedulers.remove, here)


def complete_future(key: str, value: Any = None, *, store: Path | str | None = None) -> FutureCompletion:
    """Give the futures of a key their value, now and later; durable on return.

    From any thread but the scheduler's own loop. Without `store` the scheduler of this process is meant, or where there
    is none the one of the store that `statek` commands use; where no scheduler runs at all, that store itself. Raises
    TypeError for a value that cannot cross, a `StatekError` when it cannot be kept or no scheduler answers.
    """
    try:
        data = encode_value(value, max_bytes=VALUE_BYTES, max_depth=VALUE_DEPTH)
    except ValueRefused as error:
        raise TypeError(str(error)) from error
    return complete(store, checked_key(key), data, None)


def fail_future(key: str, error: str | BaseException, *, store: Path | str | None = None) -> FutureCompletion:
    """Let the futures of a key fail: guests get `FutureFailed` with this text. Otherwise as `complete_future`."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    told = text[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
    return complete(store, checked_key(key), None, GuestError(FUTURE_FAILED, told[:TEXT_LIMIT], None))


def cancel_future(key: str, *, store: Path | str | None = None) -> FutureCompletion:
    """Give up the open futures of a key: guests get `WaitCancelled`. The key may still be completed for later ones."""
    return cancel(store, key=checked_key(key))


def complete(store: Path | str | None, key: str, value: bytes | None, error: GuestError | None) -> FutureCompletion:
    """Complete a key with an encoded value or an error."""
    settlement = Settlement(value, error)

    def decide(loop: Loop, tick: Tick) -> FutureCompletion:
        return FutureCompletion(*loop.waiting.complete(tick, key, settlement))

    return _have_decided(store, decide, lambda client: client.complete(key, value, error))


def cancel(store: Path | str | None, *, key: str | None = None, job: str | None = None) -> FutureCompletion:
    """Give up the open futures of a key, or what a job waits for."""

    def decide(loop: Loop, tick: Tick) -> FutureCompletion:
        if job is not None and loop.job(job) is None:
            raise SubmissionRefused("unknown_job", f"there is no job {job!r} in this store")
        waiting = loop.waiting
        futures = waiting.cancel_key(tick, key) if key is not None else waiting.cancel_job(tick, job or "")
        return FutureCompletion("cancelled" if futures else "nothing", futures)

    return _have_decided(store, decide, lambda client: client.cancel_wait(key=key, job=job))


def _have_decided(store: Path | str | None, decide: Decide, ask: Callable[[Client], Completed]) -> FutureCompletion:
    """Have it decided by the scheduler that is meant: of this process, of another one, or by none where none runs."""
    here = _scheduler_of(store)
    if here is not None:
        return _in_loop(here, decide)
    path = Path(store) if store is not None else default_store()
    if not path.is_dir():
        raise SchedulerSilent(f"there is no store at {path}, and no scheduler in this process: say which store=")
    directory = StoreDirectory.create_or_open(path)
    try:
        lock = directory.lock()
    except StoreLocked:
        answer = _ask(directory, ask)
        return FutureCompletion(answer.outcome, answer.futures)
    try:
        return _without_scheduler(directory, decide)
    finally:
        lock.release()


def _ask(directory: StoreDirectory, ask: Callable[[Client], Completed]) -> Completed:
    from statek.cli.client import Client  # here, because an application in the scheduler's process needs no sockets

    with Client(directory.client_socket) as client:
        return ask(client)


def _without_scheduler(directory: StoreDirectory, decide: Decide) -> FutureCompletion:
    """Decide in the ledger alone. No job is run: that would be without the application that it needs."""
    answers: list[FutureCompletion] = []
    with Ledger.open(directory.ledger) as ledger:
        loop = Loop(ledger, max_concurrency=1, give_up_unplaceable=False)
        loop.do(lambda tick: answers.append(decide(loop, tick)))
        loop.turn()
    return answers[0]


def _scheduler_of(store: Path | str | None) -> _Scheduler | None:
    """Find the scheduler of this process that is meant; None when that is one of another process."""
    wanted = None if store is None else Path(store).absolute()
    found = [here for here in _schedulers if wanted is None or here.directory.absolute() == wanted]
    if len(found) > 1:
        raise ValueError("several schedulers run in this process: say which by store=")
    return found[0] if found else None


def _in_loop(here: _Scheduler, decide: Decide) -> FutureCompletion:
    """Have it decided in the scheduler's loop, and wait until that is durable."""
    if threading.get_ident() == here.thread:
        raise RuntimeError(
            "the scheduler's loop cannot wait for itself: use await asyncio.to_thread(...) in async tools"
        )
    done: Future[FutureCompletion] = Future()

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
            "the scheduler of this process does not go on; nothing is known to be completed"
        ) from None
