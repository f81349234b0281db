"""The models of one scheduler: whom it can ask, at which prices; the thread in which it does so, from first use on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from statek.agents.model import ModelCall, ModelThread, OnDone, UnknownProvider
from statek.agents.pricing import load_prices
from statek.agents.providers import Provider
from statek.agents.requests import ModelRequest, ModelResult
from statek.calls.offers import Offer
from statek.conversation.models import Models, NoModel
from statek.conversation.prompting import Prompting
from statek.core.agents import AgentDefinition
from statek.loop.loop import Loop


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a scheduler needs to ask models."""

    providers: Sequence[Provider] = ()
    """The first one is asked where an agent names none."""
    model: str = ""
    """Asked where an agent names none."""
    prices: Path | None = None
    """A table of prices; None for the one that comes with STATEK."""


def unanswerable(options: ModelOptions, agents: Iterable[AgentDefinition]) -> Iterator[str]:
    """Yield what would make each job of an agent fail at its first question, with the way out."""
    names = [provider.name for provider in options.providers]
    for agent in agents:
        if not (agent.model or options.model):
            yield str(NoModel(agent.name))
        if agent.provider and agent.provider not in names:
            yield f"agent {agent.name!r}: {UnknownProvider(agent.provider, names)}"


class ModelGateway:
    """Asks models for one loop; it has a thread once a model was asked."""

    def __init__(self, loop: Loop, options: ModelOptions, offer: Callable[[], Offer]) -> None:
        """Let the loop ask these models; raises `PricesUnusable`."""
        self._asyncio_loop = asyncio.get_running_loop()
        self._thread = ModelThread(options.providers)
        self._started = False
        prompting = Prompting(loop.ledger, offer, lambda: loop.calling.offered, options.model)
        most = {provider.name: provider.concurrency for provider in options.providers}
        loop.conversing.models = Models(self, prompting, load_prices(options.prices), most)

    def ask(self, provider: str, request: ModelRequest, on_done: OnDone) -> ModelCall:
        """Ask as `ModelThread.ask` does; the callback is called in the loop's thread."""
        if not self._started:
            self._started = True
            self._thread.start()
        return self._thread.ask(provider, request, partial(self._bring, on_done))

    def _bring(self, on_done: OnDone, result: ModelResult) -> None:
        """In the thread that asks."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the next scheduler asks again
            self._asyncio_loop.call_soon_threadsafe(on_done, result)

    async def close(self) -> None:
        """Give up what is under way and end the thread; what was answered by then has come to the loop."""
        if self._started:
            await asyncio.to_thread(self._thread.close)
            await asyncio.sleep(0)  # what the thread has brought meanwhile is taken
