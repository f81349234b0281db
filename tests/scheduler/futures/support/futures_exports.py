"""An application with things that take time, and what a test does with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

from futures_stand import FutureRef, Waits, waits

from statek import FutureResult, get_all_future, get_any_future, temporal
from statek_protocol.operations import FUTURE_VALUE


class Exports:
    """Things that take time, as an application has them."""

    def __init__(self) -> None:
        self.done: set[str] = set()
        self.looked: list[str] = []
        self.fetched: list[str] = []
        self.trouble: dict[str, BaseException] = {}
        self.hang = threading.Event()
        """Conditions of "hanging" spin until it is set, those of "blocking" wait for it."""

    def condition(self, future: FutureResult) -> bool:
        self.looked.append(future.deps)
        if future.deps in self.trouble:
            raise self.trouble[future.deps]
        while future.deps == "hanging" and not self.hang.is_set():
            pass
        if future.deps == "blocking":
            self.hang.wait()
        return future.deps in self.done

    def complement(self, future: FutureResult) -> object:
        self.fetched.append(future.deps)
        return f"rows of {future.deps}" if future.deps != "socket" else object()

    @property
    def tools(self) -> list[Callable[..., Any]]:
        @temporal(self.complement, self.condition)
        def start(name: str, seconds: float | None = None) -> FutureResult:
            return FutureResult(name, deadline_seconds=seconds)

        @temporal()
        def promise(key: str, seconds: float | None = None) -> FutureResult:
            return FutureResult(key=key, deadline_seconds=seconds)

        @temporal(extends=start)
        def either(*names: str) -> FutureResult:
            return get_any_future(*(FutureResult(name) for name in names))

        @temporal(extends=start)
        def both(first: str, second: object) -> FutureResult:
            return get_all_future(start(first), second)

        def plain(name: str) -> FutureResult:
            return FutureResult(name)

        return [start, promise, both, either, plain]


Opened = Callable[..., AbstractAsyncContextManager[Waits]]


Test = Callable[[Opened, Exports], Awaitable[None]]


def run(test: Test, tmp_path: Path) -> None:
    exports = Exports()
    opened = partial(waits, tmp_path / "ledger", *exports.tools)
    try:
        asyncio.run(asyncio.wait_for(test(opened, exports), 60))
    finally:
        exports.hang.set()


async def suspended(here: Waits, tool: str = "start", *args: object, key: str = "key") -> tuple[str, Any]:
    """A job that waits for the future that a tool gives."""
    job, lease = here.submitted(key=key)
    future = await here.ask(lease, 0, tool, *args)
    assert future == FutureRef(0), future
    here.call(lease, 1, FUTURE_VALUE, future, instruction=3)
    await here.until(lambda: "job_suspended" in here.stand.kinds(job))
    return job, lease
