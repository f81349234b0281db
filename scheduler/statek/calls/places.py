"""Where calls run that may not come back, and for how long they are waited for.

Python cannot end a thread. A call that is over its time is answered with `ToolTimeout` and left behind: it is counted
until it ends, its late outcome is dropped and told in the log, and while too many are left behind no further call gets
a thread. A call in dbzero's thread holds up all others in that thread until it ends.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger(__name__)

THREADS: Final = 32
"""Calls that may be in threads of their own at the same time; further ones wait."""
LEFT_BEHIND: Final = 16
"""Threads that may be left behind by calls over their time; while there are so many, no further call gets one."""


class Abandoned(Exception):
    """The call has no outcome that could be told; `told` is what the guest is told instead."""

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(text)
        self.told = type_name, text


class TimeIsOver(Abandoned):
    """The call did not end in its time."""

    def __init__(self, name: str, seconds: float, what: str) -> None:
        super().__init__("ToolTimeout", f"{name} did not end within {seconds:g} s: {what}")


@dataclass(frozen=True, slots=True)
class Raised:
    """What a call raised, as a value: a future does not take every exception (StopIteration ends none)."""

    error: BaseException


async def tried(tool: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Call and await an async tool; what it raises is a value, also a SystemExit, which would take the loop with it."""
    try:
        return await tool()
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # cancelled by us, and not by something in the tool
        return Raised(error)


@dataclass(slots=True)
class Started:
    """A call on its way: the future of its outcome, and when it really began."""

    future: Future[Any]
    began: Future[float]


Note = Callable[[str, str, float], None]
"""Takes a kind of record, the call's key and seconds, for the audit log."""


class LeftBehind:
    """The calls that run on although nobody waits for them any more."""

    def __init__(self, note: Note = lambda *_: None) -> None:
        self._note = note
        self._since: dict[str, tuple[float, str]] = {}

    @property
    def names(self) -> dict[str, float]:
        """Give how long each has been running beyond its time, in seconds, by its key and name."""
        now = time.monotonic()
        return {f"{key} {name}": now - since for key, (since, name) in self._since.items()}

    def add(self, key: str, name: str, future: Future[Any], seconds: float) -> None:
        """Keep an eye on one until it ends; in the loop's thread."""
        loop = asyncio.get_running_loop()
        self._since[key] = (time.monotonic(), name)
        log.warning("call %s of %s is over its time and still runs", key, name)
        self._note("call_overdue", key, seconds)

        def ended(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._ended, key)

        future.add_done_callback(ended)

    def _ended(self, key: str) -> None:
        since, name = self._since.pop(key)
        late = time.monotonic() - since
        log.warning("call %s of %s ended %.1f s after its time; its outcome is dropped", key, name, late)
        self._note("call_late", key, late)

    def check(self, name: str) -> None:
        """Refuse a call that would need a thread while too many are left behind; raises `Abandoned`."""
        if len(self._since) >= LEFT_BEHIND:
            text = f"{name}: {LEFT_BEHIND} calls are over their time and still run; try again later"
            raise Abandoned("ToolError", text)


def tracked(submit: Callable[[Callable[[], Any]], Future[Any]], run: Callable[[], Any]) -> Started:
    """Submit a function so that it can be told when it began."""
    began: Future[float] = Future()

    def noted() -> Any:
        began.set_result(time.monotonic())
        return run()

    return Started(submit(noted), began)


class Threads:
    """Threads for calls, one for each; they do not keep the process from ending."""

    def __init__(self) -> None:
        self._room = THREADS
        self._waiting: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def start(self, run: Callable[[], Any], name: str) -> Started:
        """Run a function in a thread as soon as there is room."""
        started = Started(Future(), Future())

        def work() -> None:
            started.began.set_result(time.monotonic())
            try:
                outcome = run()
            except BaseException as error:  # noqa: BLE001 - application code ran, and whoever called it is told
                outcome = Raised(error)
            self._release()
            if started.future.set_running_or_notify_cancel():
                started.future.set_result(outcome)

        def go() -> None:
            threading.Thread(target=work, name=f"tool {name}", daemon=True).start()

        with self._lock:
            if self._room:
                self._room -= 1
            else:
                self._waiting.append(go)
                return started
        go()
        return started

    def _release(self) -> None:
        with self._lock:
            if not self._waiting:
                self._room += 1
                return
            go = self._waiting.pop(0)
        go()


async def in_time(started: Started, name: str, seconds: float, left_behind: LeftBehind, key: str) -> Any:
    """Wait for a call, for so long after it has begun; raises `Abandoned` when it is over its time."""
    outcome = asyncio.wrap_future(started.future)
    began = asyncio.wrap_future(started.began)
    await asyncio.wait((outcome, began), return_when=asyncio.FIRST_COMPLETED)
    if not outcome.done():
        await asyncio.wait((outcome,), timeout=max(0.0, began.result() + seconds - time.monotonic()))
    if not outcome.done():
        left_behind.add(key, name, started.future, seconds)
        outcome.add_done_callback(lambda late: late.cancelled() or late.exception())  # seen, so that asyncio is quiet
        raise TimeIsOver(name, seconds, "it still runs, and may or may not do its work")
    return outcome.result()
