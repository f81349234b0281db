"""What an application's agents are told about their jobs, in dbzero's thread: bad ends, and messages during a wait.

Whatever a handler raises changes nothing of what it is told: it is logged, and put on the audit log. An end is durable
before the `error_handler` is called; that happens once, unless the scheduler is killed in between: then not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from statek.agents.agent import ErrorHandler, OnPush
from statek.calls.application import Application
from statek.calls.runner import ApplicationThread
from statek.core.events import JobEnded
from statek.loop.tick import Tick
from statek.store.errors import MirrorStopped

log = logging.getLogger(__name__)

Note = Callable[[str, dict[str, Any]], object]
"""Puts something on the audit log. From any thread."""
Wish = Literal["keep", "wake", "cancel"]
_WISHES: Final[dict[object, Wish]] = {"keep": "keep", "wake": "wake", "cancel": "cancel"}


class Handlers:
    """Has them called, from the scheduler's loop."""

    def __init__(self, application: Application, thread: ApplicationThread, ledger: Path, note: Note) -> None:
        self._application = application
        self._thread = thread
        self._ledger = ledger
        self._note = note

    def on_committed(self, tick: Tick) -> None:
        """Have the handlers called of the agents whose jobs have ended badly in a turn."""
        for record in tick.records:
            if isinstance(record.event, JobEnded) and record.event.outcome != "ok":
                agent = self._application.offer.agents.get(tick.changed[record.job].agent)
                if agent is not None and agent.error_handler is not None:
                    self._call(agent.error_handler, agent.role, record.job)

    def ask(self, agent: str, job: str, text: str, decided: Callable[[Wish], None]) -> bool:
        """Ask what a message does to a job that waits; the answer comes in the loop. False where nobody is to be asked.

        A handler that raises, or says something else, leaves the job as it is.
        """
        asked = self._application.offer.agents.get(agent)
        if asked is None or asked.on_push is None:
            return False
        answer = partial(self._on_answer, agent, job, decided, asyncio.get_running_loop())
        return self._submit(agent, job, partial(_ask, asked.on_push, job, text), answer)

    def _call(self, handler: ErrorHandler, agent: str, job: str) -> None:
        self._submit(agent, job, partial(_handle, handler, self._ledger, job), partial(self._on_called, agent, job))

    def _submit(self, agent: str, job: str, run: Callable[[], Any], on_done: Callable[[Future[Any]], None]) -> bool:
        try:
            called = self._thread.submit(run, durable=True)
        except MirrorStopped:
            log.warning("a handler of %s is not called: the scheduler ends", agent, extra={"job": job})
            return False
        called.add_done_callback(on_done)
        return True

    def _on_called(self, agent: str, job: str, called: Future[Any]) -> None:
        """Take notice of what came of it, in whichever thread."""
        error = None if called.cancelled() else called.exception()
        if error is not None:
            self._failed("error_handler", agent, job, error)

    def _on_answer(
        self,
        agent: str,
        job: str,
        decided: Callable[[Wish], None],
        loop: asyncio.AbstractEventLoop,
        called: Future[Any],
    ) -> None:
        error = None if called.cancelled() else called.exception()
        if error is not None:
            self._failed("on_push", agent, job, error)
        wish: Wish = "keep" if called.cancelled() or error is not None else called.result()
        with contextlib.suppress(RuntimeError):  # the loop is closed, and the message is a fact of the job
            loop.call_soon_threadsafe(decided, wish)

    def _failed(self, handler: str, agent: str, job: str, error: BaseException) -> None:
        log.error("%s of the agent %s raised", handler, agent, exc_info=error, extra={"job": job, "agent": agent})
        said = {"handler": handler, "agent": agent, "of": job, "error": type(error).__name__}
        self._note("handler_failed", said)


def _handle(handler: ErrorHandler, ledger: Path, job: str) -> None:
    """Call a handler with the job as it ended, and its error if it has one. In dbzero's thread."""
    from statek.inspection.store_view import StoreView  # which needs what only few applications do

    view = StoreView.of(ledger).job(job)
    handler(view, view.error)


def _ask(on_push: OnPush, job: str, text: str) -> Wish:
    """Call it, and refuse any other answer than it may give. In dbzero's thread."""
    said = on_push(job, text)
    if said not in _WISHES:
        raise ValueError(f"on_push must return 'keep', 'wake' or 'cancel', not {type(said).__name__}")
    return _WISHES[said]
