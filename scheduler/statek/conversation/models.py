"""Whom a scheduler can ask, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from statek.agents.model import ModelCall, OnDone
from statek.agents.pricing import PriceTable
from statek.agents.requests import LostReply, ModelReply, ModelRequest
from statek.conversation.prompting import Prompting
from statek.errors import StatekError

MOST_MICROS: Final = 10**12
"""What one reply can cost, in millionths of a unit of currency, whatever table and provider say together."""


class Asker(Protocol):
    """Asks models; see `agents.model`."""

    def ask(self, provider: str, request: ModelRequest, on_done: OnDone) -> ModelCall:
        """Ask, and have the callback called once in the loop's own thread, later; raises a `StatekError`."""


@dataclass(frozen=True, slots=True)
class Models:
    """Whom this scheduler can ask, and what that costs."""

    asker: Asker
    prompting: Prompting
    prices: PriceTable
    most_questions: Mapping[str, int] = field(default_factory=dict)
    """How many questions a provider takes at once, by its name; the first one is asked where none is named."""

    def provider(self, name: str) -> str:
        """Return whom a question goes to."""
        return name or next(iter(self.most_questions), "")

    def most(self, provider: str) -> int:
        """Return how many questions may be under way; one that is not known is asked at once, to hear so."""
        return self.most_questions.get(provider, 1)

    def cost_micros(self, asked: str, reply: ModelReply | LostReply) -> int | None:
        """Return what a reply costs by the table, or else by what the provider says; None where neither knows."""
        used = (reply.input_tokens, reply.cached_tokens, reply.output_tokens)
        for model in (reply.model, asked):
            cost = self.prices.cost_micros(model, *used)
            if cost is not None:
                return min(cost, MOST_MICROS)
        return reply.reported_cost_micros


class NoModel(StatekError):
    """Neither the agent nor the configuration names a model."""

    def __init__(self, agent: str) -> None:
        super().__init__(f"the agent {agent!r} names no model, and there is no default: set `model` (STATEK_MODEL)")
