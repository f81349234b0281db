"""What the scheduler does for its HTTP face: each is called in the thread of that, and done in the scheduler's loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from statek.inspection.plain import plain
from statek.loop.loop import Loop
from statek.loop.vitals import Vitals

if TYPE_CHECKING:
    from statek.api.http.results import ExecutorList, Plain

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SchedulerSide:
    """What is asked of the scheduler, in whatever way it is carried out."""

    health: Callable[[], Awaitable[Plain]]
    executors: Callable[[], Awaitable[ExecutorList]]
    refused: Callable[[str, Plain], object]
    """Is told why somebody was not let in, and what is known of it."""
    listen: Callable[[Callable[[set[str]], None]], None]
    """Takes what is to be called with the names of the jobs that a commit changed, in any thread."""


def scheduler_side(loop: Loop, vitals: Vitals) -> SchedulerSide:
    """Return it for a scheduler whose loop runs in this thread."""
    here = asyncio.get_running_loop()

    def asked(find: Callable[[], T]) -> Callable[[], Awaitable[T]]:
        async def found() -> T:
            return find()

        return lambda: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(found(), here))

    return SchedulerSide(
        health=asked(lambda: _without_request(plain(vitals.facts("http")))),
        executors=asked(lambda: _executors(loop)),
        refused=lambda code, said: here.call_soon_threadsafe(loop.refuse, "http_refused", code, said),
        listen=loop.listeners.append,
    )


def _executors(loop: Loop) -> ExecutorList:
    return {"executors": plain(loop.executors.described(time.monotonic()))}


def _without_request(said: Plain) -> Plain:
    """Leave out what only whoever asked over a socket needs."""
    return {name: value for name, value in said.items() if name != "request"}
