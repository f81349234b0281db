"""What an agent is, as far as decisions and records need it: plain values that outlive the program that made them.

Functions are not among them: tools, variables and handlers are named here, and found by their names in the application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgpack

from statek_protocol import schema
from statek_protocol.messages.base import SOURCE_LIMIT, Count, Identifier, Word
from statek_protocol.schema import Bounds, PlainField

Prose = Annotated[str, Bounds(0, SOURCE_LIMIT)]

WARMUP_BLOCKS: Final = 100
CONTEXT_TOKENS: Final = 32_000
"""What a prompt may have where nobody says otherwise."""

BatchRole = Literal["code", "warmup", "hidden", "reply"]
"""Whose a batch is: a client's, a warm-up's, a warm-up's that the model is not shown, a model's."""


@dataclass(frozen=True, slots=True)
class Harness:
    """What bounds a job's conversation with its model; None for no bound. Beyond a bound the job ends.

    Each time an ended job is revived, every bound grows by `extension_per_completion` of itself.
    """

    max_turns: Count | None = 50
    max_tokens: Count | None = 500_000
    """Of all prompts and replies together."""
    max_exceptions: Count | None = 20
    """Batches of the model's that did not end as they should."""
    max_consecutive_exceptions: Count | None = 5
    max_cost_micros: Count | None = None
    """Millionths of the price table's currency."""
    max_tree_tokens: Count | None = None
    """Of the job and all that work for it, its subtasks and theirs, together."""
    max_tree_cost_micros: Count | None = None
    extension_per_completion: float = 0.0


@dataclass(frozen=True, slots=True)
class WarmupBlock:
    """A batch that runs before the model is asked for the first time."""

    source: Prose
    hidden: bool = False
    """The model is not shown it."""


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """One version of an agent. A job keeps the version with which it was started."""

    name: Identifier
    """The seeds' role."""
    instructions: Prose = ""
    model: Annotated[str, Bounds(0, 200)] = ""
    """As the provider calls it; empty for the configured default."""
    provider: Word = ""
    """Which of the configured providers is asked; empty for the default one."""
    style: Literal["fenced", "tool"] = "fenced"
    """Where a reply has its code: in fenced blocks, or in calls of a tool `python`."""
    plain_reply: Literal["ends", "asks"] = "ends"
    """What a reply without code does: it ends the job with its text, or the model is asked for code."""
    warmup: Annotated[tuple[WarmupBlock, ...], Bounds(0, WARMUP_BLOCKS)] = ()
    event_name: Word = "event"
    """The variable that an event of the agent's queue fills."""
    tools: Annotated[tuple[Identifier, ...], Bounds(0, 1_000)] = ()
    """Names of the application's tools that its jobs may call; no others."""
    variables: Annotated[tuple[Identifier, ...], Bounds(0, 1_000)] | None = None
    """Names of the application's variables that its jobs see; None for all."""
    policy_name: Identifier = "default"
    policy: PlainField = None
    """The wire form of the policy."""
    harness: Harness = Harness()
    context_tokens: Count = CONTEXT_TOKENS
    """What a prompt may have, by estimate."""
    on_message: Literal["keep", "wake", "cancel", "ask"] = "keep"
    """What a pushed message does to a job that waits for a future: nothing until the wait is over, end the wait, cancel
    the job, or whatever the application's own handler says."""
    options: PlainField = None
    """Further parameters of the model's endpoint, as a plain map: temperature, max_output_tokens, ..."""


def pack(definition: AgentDefinition) -> bytes:
    """Write a version of an agent; equal versions give equal bytes, whose digest names them."""
    data: bytes = msgpack.packb(schema.dump(definition))
    return data
