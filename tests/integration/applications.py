"""Schedulers inside of programs, in the event loop of a test or a process of their own, and what their model says."""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from integration.services import DEADLINE_SECONDS, POLL_SECONDS, Command
from scripted_model import Answer, ChatRequest

T = TypeVar("T")

Start = Callable[..., Awaitable[None]]


@asynccontextmanager
async def running(start: Start, *args: Any, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    """Run one of the starting functions from when it has started until the block ends; raises what it raises."""
    started = asyncio.Event()
    task = asyncio.ensure_future(start(*args, on_started=lambda _: started.set(), **options))
    waiting = asyncio.ensure_future(started.wait())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield task
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], T], what: str) -> T:
    """Wait until a condition gives something true; it is asked in a thread, where the faces may be used."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (found := await asyncio.to_thread(condition)):
            # The one pause here: between two looks at something that happens in other threads and processes.
            await asyncio.sleep(POLL_SECONDS)
    assert found, what
    return found


def program(
    directory: Path, text: str, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})
) -> Command:
    """Start a Python program of an application's; what it says goes to a log."""
    file, log = directory / "program.py", directory / "program.log"
    file.write_text(textwrap.dedent(text))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", str(file), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
    return Command(process, log)


@contextmanager
def in_background(start: Start, *args: Any, **options: Any) -> Iterator[None]:
    """Run one of the starting functions in a thread of its own, from when it has started until the block ends."""
    ready: queue.SimpleQueue[BaseException | tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = queue.SimpleQueue()

    async def main() -> None:
        async with running(start, *args, **options) as task:
            ready.put((asyncio.get_running_loop(), task))
            await asyncio.gather(task, return_exceptions=True)

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the start raises it
            ready.put(error)

    thread = threading.Thread(target=work)
    thread.start()
    came = ready.get(timeout=DEADLINE_SECONDS)
    if isinstance(came, BaseException):
        thread.join()
        raise came
    loop, task = came
    try:
        yield
    finally:
        with suppress(RuntimeError):  # it has ended by itself, and its loop with it
            loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_SECONDS)


class Scripts:
    """What a scripted model says to whom: by a text in the messages of the conversation."""

    def __init__(self, otherwise: Answer | None = None) -> None:
        self.by_marker: dict[str, tuple[Answer, ...]] = {}
        self._otherwise = otherwise
        self._numbers = itertools.count(1)

    def add(self, *answers: Answer, marker: str = "") -> str:
        """Have the conversation with that text go so; returns the text."""
        marker = marker or f"conversation-{next(self._numbers)}-begins"
        self.by_marker[marker] = answers
        return marker

    def __call__(self, request: ChatRequest) -> Answer:
        for marker, answers in self.by_marker.items():
            if request.mentions(marker):
                return answers[request.turn]
        if self._otherwise is None:
            raise LookupError("nobody has said what is to be said here")
        return self._otherwise
