"""Letting variables cross to jobs, and looking whether the objects of events are still there: in dbzero's thread.

When dbzero fails under it, it is opened anew, and the same is asked for again. What fails every time is not dbzero's
doing: then the job, or the event, cannot have what it holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from statek.calls.handles import HandleTable
from statek.calls.outcomes import Variables
from statek.core.jobs import Job
from statek.store.errors import MirrorStopped
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError

if TYPE_CHECKING:
    from statek.calls.space import ObjectSpace

log = logging.getLogger(__name__)

GIVEN_UP_AFTER: Final = 3

OnGiven = Callable[[str, Variables], None]
OnLooked = Callable[[dict[int, "str | None"]], None]
Submit = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a function in dbzero's thread."""


class Giver:
    """Brings results by callbacks in the scheduler's loop."""

    def __init__(self, submit: Submit, space: Callable[[], ObjectSpace], table: Callable[[str], HandleTable]) -> None:
        """`space` and `table`, which gives the objects of a job, are asked in dbzero's thread."""
        self._submit = submit
        self._space = space
        self._table = table
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: Counter[str] = Counter()
        """How often in a row something failed, by what it was for."""

    def give(self, job: Job, names: tuple[str, ...], given: bytes | None, on_given: OnGiven) -> None:
        """Let variables cross that the application exports, and what the job starts with."""
        self._begin(self._give(job, names, given, on_given))

    def look(self, bodies: dict[int, bytes], on_looked: OnLooked) -> None:
        """Find out which objects of events cannot be found any more; what is not told has to be asked again."""
        self._begin(self._look(bodies, on_looked))

    async def close(self) -> None:
        """Stop waiting: what has not crossed is asked for by the next scheduler."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give(self, job: Job, names: tuple[str, ...], given: bytes | None, on_given: OnGiven) -> None:
        try:
            found = await self._submit(lambda: self._space().variables(self._table(job.job), names, given))
        except Exception as error:  # dbzero failed: it is opened anew, or the service ends
            log.exception("%s gets its variables when it is its turn again", job.job)
            found = Variables(error=self._error_at_last(job.job, error))
        else:
            self._failures.pop(job.job, None)
        on_given(job.job, found)

    async def _look(self, bodies: dict[int, bytes], on_looked: OnLooked) -> None:
        first = f"item {next(iter(bodies))}"
        try:
            found = await self._submit(lambda: self._space().look_for(bodies))
        except MirrorStopped:
            log.info("%d events wait for the next scheduler", len(bodies))
            return
        except Exception as error:  # as above
            log.exception("the objects of %d events could not be looked for", len(bodies))
            at_last = self._error_at_last(first, error)
            found = dict.fromkeys(bodies, at_last.message) if at_last is not None else {}
        else:
            self._failures.pop(first, None)
        on_looked(found)

    def _error_at_last(self, what: str, error: Exception) -> GuestError | None:
        """Say that it is given up, once it has failed so often."""
        self._failures[what] += 1
        if self._failures[what] < GIVEN_UP_AFTER:
            return None
        del self._failures[what]
        text = f"what it holds cannot be found: {type(error).__name__}: {error}"
        return GuestError("ObjectGone", text[:TEXT_LIMIT], None)
