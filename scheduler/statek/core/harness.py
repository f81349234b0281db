"""Which bound of its harness has a conversation reached, if any? Pure.

What a reply will use is not known before it is there. So a turn is asked for while something is left of every bound,
and what the reply then used is held against the bounds once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from statek.core.jobs import Conversation
from statek.core.money import MICROS
from statek_protocol.messages.interpreter import LimitBreach

GRANTS: Final = 100
"""As often as bounds are granted at once; a job that is so far beyond one is not to go on."""


def before_turn(talk: Conversation) -> LimitBreach | None:
    """Return the bound that leaves no room for another turn."""
    for name, allowed, used in _counted(talk):
        if used > allowed or (used == allowed and name == "max_turns"):
            return LimitBreach(name, allowed, used)
    return _first(breach for breach in _spent(talk) if breach.used >= breach.allowed)


def after_reply(talk: Conversation) -> LimitBreach | None:
    """Return the bound that the last reply went beyond."""
    return _first(breach for breach in _spent(talk) if breach.used > breach.allowed)


def of_tree(talk: Conversation) -> LimitBreach | None:
    """Return the bound that leaves no room for a turn of any job that works for this one."""
    return _first(breach for breach in _spent_together(talk) if breach.used >= breach.allowed)


def is_of_tree(talk: Conversation) -> bool:
    """Tell whether a bound holds for the job and all that work for it together."""
    return talk.harness.max_tree_tokens is not None or talk.harness.max_tree_cost_micros is not None


def unknown_cost(talk: Conversation) -> str:
    """Name the bound that cannot be held because some reply has no price; empty for none."""
    if talk.unpriced and talk.harness.max_cost_micros is not None:
        return "max_cost"
    return "max_tree_cost" if is_unpriced_tree(talk) else ""


def is_unpriced_tree(talk: Conversation) -> bool:
    """Tell whether what all may cost together cannot be held because some reply has no price."""
    return talk.harness.max_tree_cost_micros is not None and talk.unpriced + talk.tree_unpriced > 0


def standing(talk: Conversation) -> Iterator[LimitBreach]:
    """Yield each bound that there is, with what it allows by now and what was used of it."""
    for name, allowed, used in _counted(talk):
        yield LimitBreach(name, allowed, used)
    yield from _spent(talk)


def grants_needed(talk: Conversation) -> int | None:
    """Return how often its bounds have to be granted once more for another turn; None where no number helps."""
    for granted in range(GRANTS + 1):
        if before_turn(replace(talk, granted=talk.granted + granted)) is None:
            return granted
    return None


def _counted(talk: Conversation) -> Iterator[tuple[str, float, float]]:
    """Yield the bounds that count: turns, and batches and replies of the model's that were not what they should be."""
    bounds = (
        ("max_turns", talk.harness.max_turns, talk.turn),
        ("max_exceptions", talk.harness.max_exceptions, talk.exceptions),
        ("max_consecutive_exceptions", talk.harness.max_consecutive_exceptions, talk.consecutive_exceptions),
    )
    for name, bound, used in bounds:
        if bound is not None:
            yield name, float(int(bound * _growth(talk))), float(used)


def _spent(talk: Conversation) -> Iterator[LimitBreach]:
    """Yield what may be spent, and was."""
    tokens, cost = talk.harness.max_tokens, talk.harness.max_cost_micros
    if tokens is not None:
        yield LimitBreach("max_token_usage", tokens * _growth(talk), float(talk.input_tokens + talk.output_tokens))
    if cost is not None:
        yield LimitBreach("max_cost", cost * _growth(talk) / MICROS, talk.cost_micros / MICROS)
    yield from _spent_together(talk)


def _spent_together(talk: Conversation) -> Iterator[LimitBreach]:
    """Yield what the job and all that work for it may spend together, and did."""
    tokens, cost = talk.harness.max_tree_tokens, talk.harness.max_tree_cost_micros
    if tokens is not None:
        used = talk.input_tokens + talk.output_tokens + talk.tree_tokens
        yield LimitBreach("max_tree_token_usage", tokens * _growth(talk), float(used))
    if cost is not None:
        used = talk.cost_micros + talk.tree_cost_micros
        yield LimitBreach("max_tree_cost", cost * _growth(talk) / MICROS, used / MICROS)


def _growth(talk: Conversation) -> float:
    """Return by what every bound has grown, since the job was revived that often, and granted its bounds anew."""
    return 1.0 + talk.granted + talk.harness.extension_per_completion * talk.completions


def _first(breaches: Iterator[LimitBreach]) -> LimitBreach | None:
    return next(breaches, None)
