"""The side of a scheduler on which the application's code runs: dbzero with its thread, tools, conditions, handlers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

from statek.application import asking
from statek.calls.runner import ToolRunner
from statek.core.futures import Settlement
from statek.futures.inspector import Inspector
from statek.futures.registry import Futures
from statek.futures.watcher import Watcher
from statek.loop.loop import Loop
from statek.service.handlers import Handlers
from statek.service.options import ServiceOptions
from statek.store.compaction import CompactionRules
from statek.store.copying import CopyRules
from statek.store.directory import StoreDirectory
from statek.store.errors import MirrorStopped
from statek.store.history import History
from statek.store.mirror import Mirror
from statek.store.recovery import RecoveryReport

log = logging.getLogger(__name__)

MIRROR_STOP_SECONDS: Final = 30.0


class ApplicationSide:
    """Wires the application to a loop: `open`, then `start`, and after all that works with objects `stop_objects`."""

    def __init__(
        self,
        directory: StoreDirectory,
        loop: Loop,
        options: ServiceOptions,
        on_failure: Callable[[BaseException], object],
    ) -> None:
        """`on_failure` is called in the loop's thread: without dbzero the application's objects are gone."""
        self._directory = directory
        self._loop = loop
        self._application = options.application
        self._on_failure = on_failure
        self._asyncio_loop = asyncio.get_running_loop()
        self._futures = Futures(lambda: self._application.offer.tools.temporals)
        self.mirror = Mirror(
            directory.dbzero,
            directory.ledger,
            self._on_mirror_failure,
            on_recovery=self._on_recovery,
            on_open=self._on_open,
            on_copy_trouble=self._on_copy_trouble,
            resting=loop.resting,
            copy_rules=CopyRules(options.copy_seconds, options.copies_kept),
            compaction_rules=CompactionRules(options.compact_factor),
        )
        self.runner = loop.calling.tools = ToolRunner(
            self._application,
            self.mirror,
            loop.calling.on_answer,
            futures=self._futures,
            timeout_seconds=options.tool_timeout_seconds,
            note=loop.calling.note,
        )
        loop.waiting.max_suspended = options.max_suspended

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Take part in the loop until the end of the with block."""
        async with contextlib.AsyncExitStack() as ends:
            ends.push_async_callback(self.runner.close)
            ends.callback(asking.serve(self._directory, self._loop, self._application, self.mirror))
            ends.callback(self._watch_futures().close)
            yield

    async def start(self) -> None:
        """Open dbzero and load the application; raises what that raises."""
        self.mirror.start()
        self.mirror.notify(self._loop.ledger.last_cursor)
        if not self._application.is_known:
            await asyncio.wrap_future(self._application.loaded)
        handlers = Handlers(self._application, self.mirror, self._directory.ledger, self._note_from_anywhere)
        self._loop.steering.ask_application = handlers.ask
        self._loop.witnesses.append(handlers.on_committed)

    async def stop_objects(self) -> None:
        """Let dbzero come up to the ledger, for a while, and close it."""
        await asyncio.to_thread(self.mirror.stop, MIRROR_STOP_SECONDS)

    def on_committed(self, _: set[str]) -> None:
        """Let dbzero's objects follow."""
        self.mirror.notify(self._loop.ledger.last_cursor)

    def _watch_futures(self) -> Watcher:
        waiting = self._loop.waiting
        watcher = Watcher(Inspector(self._futures, self.runner.encode), self.mirror, waiting)
        self.mirror.submit(partial(_answer_conditions, self._futures), quiet=True)
        waiting.watcher = watcher
        waiting.on_completed = self._tell_application
        self.mirror.listeners.append(watcher.stir)
        return watcher

    def _tell_application(self, job: str, number: int, outcome: Settlement) -> None:
        """Let the application's own object of a future know that it was completed."""
        try:
            self.mirror.submit(partial(self._futures.settle, job, number, outcome.value, outcome.error), quiet=True)
        except MirrorStopped:
            log.info("future %d of %s was completed while the application ends", number, job)

    # in dbzero's thread

    def _on_open(self, ledger: History) -> None:
        """Forget the objects of before, and load the application."""
        self.runner.reopen(ledger.handles)
        self._futures.forget()
        self._application.load()
        self.runner.check_variables()

    def _on_mirror_failure(self, error: BaseException) -> None:
        self._application.give_up(error)
        self._asyncio_loop.call_soon_threadsafe(self._on_failure, error)

    def _on_recovery(self, report: RecoveryReport) -> None:
        """Put on the audit log what was set aside."""
        found = {"reason": report.reason, "objects_cursor": report.cursor, "ledger_cursor": report.ledger_cursor}
        lost = {"prefix": report.prefix, "copy": report.copy, "calls": len(report.calls)} if report.prefix else {}
        self._note_from_anywhere("store_set_aside", {**found, "aside": report.aside.name, **lost})

    def _on_copy_trouble(self, prefix: str, trouble: str) -> None:
        """Put on the audit log that a prefix of the application's could not be copied. In any thread."""
        self._note_from_anywhere("copy_failed", {"prefix": prefix, "reason": trouble})

    def _note_from_anywhere(self, kind: str, said: dict[str, Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and it is in the log
            self._asyncio_loop.call_soon_threadsafe(self._note, kind, said)

    def _note(self, kind: str, said: dict[str, Any]) -> None:
        self._loop.do(lambda tick: tick.note(kind, said))


def _answer_conditions(futures: Futures) -> None:
    """Let the jobs' objects in dbzero ask the application's conditions. In dbzero's thread."""
    from statek.store.awaited import answer_conditions_with  # imports dbzero

    answer_conditions_with(futures)
