"""When a job of an agent did not end well, its application is told: by the agent's `error_handler`, in dbzero's thread.

The end is durable before that, and whatever the handler raises changes nothing of it: it is logged, and put on the
audit log. A handler is called once for each end, unless the scheduler is killed in between: then it is not called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from statek.agents.agent import ErrorHandler
from statek.calls.application import Application
from statek.calls.runner import ApplicationThread
from statek.core.events import JobEnded
from statek.store.errors import MirrorStopped
from statek.tick import Tick

log = logging.getLogger(__name__)

Note = Callable[[str, dict[str, Any]], object]
"""Puts something on the audit log."""


class ErrorHandlers:
    """Hears of what became durable, in the scheduler's loop."""

    def __init__(self, application: Application, thread: ApplicationThread, ledger: Path, note: Note) -> None:
        self._application = application
        self._thread = thread
        self._ledger = ledger
        self._note = note

    def on_committed(self, tick: Tick) -> None:
        """Have the handlers called of the agents whose jobs have ended badly in a turn."""
        if not self._application.offer.agents:
            return
        for record in tick.records:
            if isinstance(record.event, JobEnded) and record.event.outcome != "ok":
                agent = self._application.offer.agents.get(tick.changed[record.job].agent)
                if agent is not None and agent.error_handler is not None:
                    self._call(agent.error_handler, agent.role, record.job)

    def _call(self, handler: ErrorHandler, agent: str, job: str) -> None:
        try:
            called = self._thread.submit(partial(_handle, handler, self._ledger, job), durable=True)
        except MirrorStopped:
            log.warning("an error handler of %s is not called: the scheduler ends", agent, extra={"job": job})
        else:
            called.add_done_callback(partial(self._on_called, agent, job))

    def _on_called(self, agent: str, job: str, called: Future[Any]) -> None:
        """Take notice of what came of it, in whichever thread."""
        error = None if called.cancelled() else called.exception()
        if error is None:
            return
        log.error("the error handler of the agent %s raised", agent, exc_info=error, extra={"job": job, "agent": agent})
        self._note("error_handler_failed", {"agent": agent, "ended": job, "error": type(error).__name__})


def _handle(handler: ErrorHandler, ledger: Path, job: str) -> None:
    """Call a handler with the job as it ended, and its error if it has one. In dbzero's thread."""
    from statek.inspecting import StoreView  # which needs what only few applications do

    view = StoreView.of(ledger).job(job)
    handler(view, view.error)
