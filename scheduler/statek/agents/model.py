"""The thread in which models are asked, so that reading their replies never holds up the scheduler's loop.

Whoever asks is told through a callback, which runs in this thread and is called exactly once: with the reply, or with
the reason why there is none.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

from statek.agents.providers import Provider
from statek.agents.requests import ModelFailure, ModelRequest, ModelResult
from statek.errors import StatekError
from statek_policies.errors import suggestion

if TYPE_CHECKING:
    from statek.agents.endpoint import Endpoint

log = logging.getLogger(__name__)

OnDone: TypeAlias = Callable[[ModelResult], None]

MOST_CALLS: Final = 20_000
_CANCELLED: Final = ModelFailure("cancelled", "the question was cancelled", False, 0)


class ModelsBusy(StatekError):
    """As many questions as may be are under way or wait for their turn: ask again when one is answered."""

    def __init__(self, calls: int) -> None:
        super().__init__(f"{calls} questions to models are under way, which is the most; ask when one is answered")


class ModelsClosed(StatekError):
    """The thread in which models are asked does not run: it is closed, or was never started."""

    def __init__(self) -> None:
        super().__init__("models are not asked any more: the thread is closed, or was not started")


class UnknownProvider(StatekError):
    """No provider of that name is configured."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = list(known)
        way_out = suggestion(name, names) if names else "none is configured: set model_base_url and model_api_key"
        super().__init__(f"no model provider is called {name!r}; {way_out}")
        self.name = name


class ModelCall:
    """A question under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_done: OnDone) -> None:
        self._loop = loop
        self._on_done = on_done
        self._task: asyncio.Task[ModelResult] | None = None

    def cancel(self) -> None:
        """Give up the question, from any thread: its connection is closed, and the callback is told."""
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            pass  # the loop is closed, and the callback was told that the question is cancelled

    def _begin(self, task: asyncio.Task[ModelResult]) -> None:
        self._task = task
        task.add_done_callback(self._tell)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _tell(self, task: asyncio.Task[ModelResult]) -> None:
        """Tell whoever asked, also where the task was cancelled before its first step."""
        try:
            self._on_done(_CANCELLED if task.cancelled() else _result_of(task))
        except Exception:
            log.exception("the callback of a question to a model failed")


class ModelThread:
    """Asks models: one thread with a loop of its own, and one client for each provider that is ever asked."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, providers: Iterable[Provider], *, most_calls: int = MOST_CALLS) -> None:
        """Takes the providers that can be asked; the first one is asked where none is named."""
        self._providers = {provider.name: provider for provider in providers}
        self._most_calls = most_calls
        self._endpoints: dict[str, Endpoint] = {}
        self._tasks: set[asyncio.Task[ModelResult]] = set()
        self._lock = threading.Lock()
        self._open = False
        self._calls = 0
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="statek-models", daemon=True)

    def start(self) -> None:
        """Start the thread. What it needs is imported when the first model is asked."""
        self._loop = asyncio.new_event_loop()
        self._open = True
        self._thread.start()

    def ask(self, provider: str, request: ModelRequest, on_done: OnDone) -> ModelCall:
        """Ask a provider by its name, or the first one; returns at once.

        Raises UnknownProvider, ModelsBusy and ModelsClosed; then nothing was asked and nobody will be told.
        """
        name = provider or next(iter(self._providers), "")
        if name not in self._providers:
            raise UnknownProvider(name, self._providers)
        with self._lock:
            if not self._open:
                raise ModelsClosed
            if self._calls >= self._most_calls:
                raise ModelsBusy(self._calls)
            self._calls += 1
            call = ModelCall(self._loop, on_done)
            self._loop.call_soon_threadsafe(self._start, call, name, request)
            return call

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Cancel every question, and end the thread; a second time it does nothing. Not to be called in the thread."""
        with self._lock:
            was_open, self._open = self._open, False
            if not was_open:
                return
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():  # the resolver of names cannot be interrupted
            log.warning("the thread in which models are asked did not end within %g s", timeout_seconds)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        await self._stop.wait()
        for task in self._tasks:  # and not what they have started: it is theirs to cancel, in their own order
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for endpoint in self._endpoints.values():
            await endpoint.close()

    def _start(self, call: ModelCall, provider: str, request: ModelRequest) -> None:
        task = self._loop.create_task(self._ask(provider, request))
        self._tasks.add(task)
        task.add_done_callback(self._count_down)
        call._begin(task)

    async def _ask(self, provider: str, request: ModelRequest) -> ModelResult:
        return await self._endpoint(provider).ask(request)

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            from statek.agents.endpoint import Endpoint  # openai takes a second to import, and many never need it

            self._endpoints[name] = Endpoint(self._providers[name])
        return self._endpoints[name]

    def _count_down(self, task: asyncio.Task[ModelResult]) -> None:
        self._tasks.discard(task)
        with self._lock:
            self._calls -= 1


def _result_of(task: asyncio.Task[ModelResult]) -> ModelResult:
    error = task.exception()
    if error is None:
        return task.result()
    log.error("asking a model failed for a fault of ours", exc_info=error)
    return ModelFailure("internal", f"a fault of ours ({type(error).__name__}); the log has it", False, 0)
