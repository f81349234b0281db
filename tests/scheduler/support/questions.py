"""Asking a scripted model as the scheduler does: through a thread of ours, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from scripted_model import Answer, Conversation, Script, ScriptedModel

from statek.agents.model import ModelCall, ModelThread
from statek.agents.providers import Provider
from statek.agents.requests import ModelRequest, ModelResult

SECONDS = 20.0
MARKER = "you are the asker"


def script(*answers: Answer) -> Script:
    """One conversation, for whoever says the marker."""
    return Script((Conversation(MARKER, answers),))


def request(text: str = "", **changes: Any) -> ModelRequest:
    message = {"role": "user", "content": f"{MARKER} {text}"}
    return ModelRequest(**{"model": "m-1", "messages": (message,), **changes})


def provider(base_url: str, **changes: Any) -> Provider:
    """A provider with short waits between attempts."""
    return Provider(
        **{"name": "scripted", "base_url": base_url, "backoff_seconds": 0.01, "total_seconds": SECONDS, **changes}
    )


class Asker:
    """A thread that asks, and what it was told."""

    def __init__(self, *providers: Provider, most_calls: int = 1_000) -> None:
        self.thread = ModelThread(providers, most_calls=most_calls)
        self.results: SimpleQueue[ModelResult] = SimpleQueue()

    def begin(self, asked: ModelRequest | None = None) -> ModelCall:
        return self.thread.ask("", asked or request(), self.results.put)

    def next(self) -> ModelResult:
        """Return the next result; raises queue.Empty when none comes."""
        return self.results.get(timeout=SECONDS)

    def ask(self, asked: ModelRequest | None = None) -> ModelResult:
        self.begin(asked)
        return self.next()


@contextmanager
def asking(model: ScriptedModel, *, most_calls: int = 1_000, **changes: Any) -> Iterator[Asker]:
    """A thread that asks that model, closed in the end."""
    asker = Asker(provider(model.base_url, **changes), most_calls=most_calls)
    asker.thread.start()
    try:
        yield asker
    finally:
        asker.thread.close()
