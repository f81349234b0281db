"""Schedulers inside of programs: in the event loop of a test, or in a process of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from integration.services import DEADLINE_SECONDS, POLL_SECONDS, Command

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


def program(directory: Path, text: str, *arguments: str) -> Command:
    """Start a Python program of an application's; what it says goes to a log."""
    file, log = directory / "program.py", directory / "program.log"
    file.write_text(textwrap.dedent(text))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", str(file), *arguments], stdout=output, stderr=subprocess.STDOUT, text=True
        )
    return Command(process, log)
