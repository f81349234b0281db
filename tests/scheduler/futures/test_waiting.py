"""From a guest's use of a value that is not there to its going on: with a real ledger, loop, watcher and thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from futures_stand import FutureRef, Waits, waits

from statek import FutureResult, temporal
from statek_protocol.operations import FUTURE_VALUE


class Export:
    """Something that takes time."""

    def __init__(self) -> None:
        self.done = False
        self.looked = 0
        self.fetched = 0

        def condition(future: FutureResult) -> bool:
            self.looked += 1
            return self.done

        def complement(future: FutureResult) -> str:
            self.fetched += 1
            return f"the rows of {future.deps}"

        @temporal(complement, condition)
        def start_export(name: str) -> FutureResult:
            return FutureResult(name)

        self.start_export = start_export


def run(test: Callable[[Waits, Any], Awaitable[None]], path: Path, thing: Any) -> None:
    async def main() -> None:
        async with waits(path, *[getattr(thing, name) for name in vars(thing) if name.startswith("start_")]) as here:
            await test(here, thing)

    asyncio.run(main())


def test_a_job_is_suspended_until_its_condition_is_true_and_goes_on_with_the_value(tmp_path: Path) -> None:
    async def test(here: Waits, export: Export) -> None:
        job, lease = here.submitted()
        assert await here.ask(lease, 0, "start_export", "sales") == FutureRef(0)
        here.call(lease, 1, FUTURE_VALUE, FutureRef(0), instruction=3)
        await here.until(lambda: here.job(job).status == "SUSPENDED")
        awaited = here.job(job).awaited
        assert awaited is not None
        assert (awaited.batch, awaited.call, awaited.future.number, awaited.instruction) == (1, 1, 0, 3)
        await here.until(lambda: export.looked > 2)
        export.done = True
        assert await here.answer(lease, 1) == "the rows of sales"
        assert here.job(job).status == "STARTED"
        assert export.fetched == 1
        assert not here.job(job).futures
        assert here.watcher.watching == 0

    run(test, tmp_path / "ledger", Export())
