"""What a model is asked, and what comes of it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from statek.agents.transcript import ModelTurn
from statek.errors import StatekError

_OURS: Final = frozenset(
    {"model", "messages", "tools", "tool_choice", "functions", "function_call", "stream", "stream_options", "n"}
    | {"max_tokens", "max_completion_tokens", "timeout", "extra_headers", "extra_query", "extra_body"}
)
"""Parameters of the API that no option may set."""

FailureKind: TypeAlias = Literal[
    "rate_limited", "timeout", "unreachable", "refused", "malformed", "cancelled", "internal"
]
"""The provider wants us to wait; it took too long; it cannot be reached or is in trouble; it will not do what it is
asked; what it says is no reply; we do not want it any more; a fault of ours."""


class RequestRefused(StatekError):
    """A request's options set something that is not theirs to set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the option {name!r} cannot be set: it is the runtime's, or has a field of its own")
        self.name = name


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question; raises RequestRefused."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    max_output_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the endpoint, like temperature and reasoning_effort."""

    def __post_init__(self) -> None:
        for name in self.options:
            if name in _OURS:
                raise RequestRefused(name)


@dataclass(frozen=True, slots=True)
class LostReply:
    """What a provider counted for an attempt that was partly answered and came to nothing."""

    model: str
    """As the provider names it."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reported_cost_micros: int | None


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole reply."""

    turn: ModelTurn
    finish_reason: str
    """As the API has it: stop, length, tool_calls, content_filter."""
    refusal: str
    """The model's words, if it refused; `replies.read_reply` takes all three."""
    model: str
    """As the provider names it."""
    input_tokens: int
    cached_tokens: int
    """Those among the input tokens that the provider had cached."""
    output_tokens: int
    usage_estimated: bool
    """The provider gave no numbers."""
    reported_cost_micros: int | None
    """What the provider says that it costs, in millionths of its currency."""
    seconds: float
    """From the beginning of the first attempt to the end of the last."""
    first_token_seconds: float
    """From the beginning of the last attempt to its first piece of content."""
    attempts: int
    lost: tuple[LostReply, ...] = ()
    """Of the attempts before the last."""


@dataclass(frozen=True, slots=True)
class ModelFailure:
    """There is no reply, after all attempts that were worth making."""

    kind: FailureKind
    message: str
    """For people, without secrets."""
    retryable: bool
    """Asked again later, it may go well."""
    attempts: int
    retry_after_seconds: float | None = None
    """How long the provider wants us to wait, if it said so."""
    lost: tuple[LostReply, ...] = ()


ModelResult: TypeAlias = ModelReply | ModelFailure
