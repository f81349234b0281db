"""How the pieces of a reply become a reply. Pure; what an endpoint sends may be anything, so each piece is checked.

A model's own words may be anything as well, but for their length and for lone surrogates, which no file or socket could
carry: these become escapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from statek.agents.excerpts import sendable
from statek.agents.prompts import text_tokens, tokens_of
from statek.agents.requests import LostReply, ModelReply, ModelRequest
from statek.agents.transcript import CALLS_LIMIT, ModelTurn, ToolCall
from statek.core.money import amount_of, micros_of, rounded_up
from statek_protocol.messages.base import NAME_LIMIT

_LONGEST_COUNT: Final = 2**40
"""Tokens of one reply that can be meant; sums over very many of such replies can still be put on record."""
_HIGHEST_COST: Final = 1_000_000
"""Currency units of one reply."""


class ReplyUnusable(Exception):
    """What came is no reply, or none that can be kept."""

    def __init__(self, reason: str, *, may_pass: bool = True) -> None:
        super().__init__(reason)
        self.may_pass = may_pass
        """Asked again, it may be another."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider says that a reply used."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_micros: int | None


@dataclass(slots=True)
class _Call:
    index: object
    id: str
    name: str = ""
    arguments: str = ""


class Collector:
    """Puts one reply together; every method but `reply` raises ReplyUnusable for what cannot be a part of one."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._finish_reason = ""
        self._model = ""
        self._usage: Usage | None = None

    @property
    def has_content(self) -> bool:
        """Tell whether any of the model's own words came."""
        return self._bytes > 0

    def take_chunk(self, chunk: Any) -> None:
        """Take a piece of a stream (a ChatCompletionChunk)."""
        self._take(chunk, "delta")

    def take_completion(self, completion: Any) -> None:
        """Take a whole reply (a ChatCompletion)."""
        self._take(completion, "message")

    def check_whole(self) -> None:
        """Refuse a reply that has no end."""
        if not self._finish_reason:
            raise ReplyUnusable("the reply broke off without a reason to finish")

    def lost(self, request: ModelRequest) -> LostReply | None:
        """Return what the provider counted for a reply that comes to nothing; None where it does not say."""
        used = self._usage
        if used is None:
            return None
        model = sendable(self._model) or request.model
        return LostReply(model, used.input_tokens, used.cached_tokens, used.output_tokens, used.cost_micros)

    def reply(self, request: ModelRequest, *, seconds: float, first_token_seconds: float, attempts: int) -> ModelReply:
        """Return the whole reply; where the provider gave no usage, it is estimated."""
        turn = ModelTurn(
            sendable("".join(self._text)),
            tuple(ToolCall(sendable(call.id), sendable(call.name), sendable(call.arguments)) for call in self._calls),
        )
        usage = self._usage or _estimated(request, turn)
        return ModelReply(
            turn,
            self._finish_reason,
            sendable("".join(self._refusal)),
            sendable(self._model) or request.model,
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            self._usage is None,
            usage.cost_micros,
            seconds,
            first_token_seconds,
            attempts,
        )

    def _take(self, piece: Any, part: str) -> None:
        self._model = self._model or _text(getattr(piece, "model", None))[:NAME_LIMIT]
        usage = _usage(getattr(piece, "usage", None))
        self._usage = usage or self._usage
        for choice in _list(getattr(piece, "choices", None)):
            if getattr(choice, "index", 0) in (0, None):
                self._take_words(getattr(choice, part, None))
                self._finish_reason = _text(getattr(choice, "finish_reason", None))[:NAME_LIMIT] or self._finish_reason

    def _take_words(self, words: Any) -> None:
        self._text.append(self._counted(getattr(words, "content", None)))
        self._refusal.append(self._counted(getattr(words, "refusal", None)))
        for position, piece in enumerate(_list(getattr(words, "tool_calls", None))):
            call_id = self._counted(getattr(piece, "id", None))
            whole = not hasattr(piece, "index")
            call = self._begun(position, call_id) if whole else self._call_of(piece.index, call_id)
            function = getattr(piece, "function", None)
            call.name = call.name or self._counted(getattr(function, "name", None))
            call.arguments += self._counted(getattr(function, "arguments", None))
            if max(len(sendable(call.id)), len(sendable(call.name))) > NAME_LIMIT:
                raise ReplyUnusable("a tool call has a name or an id that is too long")

    def _call_of(self, index: object, call_id: str) -> _Call:
        """Find the call that a piece goes on with: by its id, or else by its index, or else the last one.

        Some endpoints give every call the index 0 and an id of its own, some repeat the id in each piece.
        """
        for call in reversed(self._calls):
            if call.id == call_id if call_id else index in (None, call.index):
                return call
        return self._begun(index, call_id)

    def _begun(self, index: object, call_id: str) -> _Call:
        if len(self._calls) >= CALLS_LIMIT:
            raise ReplyUnusable(f"the reply has more than {CALLS_LIMIT} tool calls")
        self._calls.append(_Call(index, call_id))
        return self._calls[-1]

    def _counted(self, value: object) -> str:
        text = _text(value)
        self._bytes += len(text.encode("utf-8", "surrogatepass"))
        if self._bytes > self._limit:
            raise ReplyUnusable(f"the reply is longer than {self._limit} bytes", may_pass=False)
        return text


def _usage(usage: Any) -> Usage | None:
    """Read what a provider says of its usage; None where it says nothing that makes sense."""
    given = _count(getattr(usage, "prompt_tokens", None))
    made = _count(getattr(usage, "completion_tokens", None))
    if given is None or made is None:
        return None
    cached = _count(getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)) or 0
    return Usage(given, min(cached, given), made, _micros(getattr(usage, "cost", None)))


def _estimated(request: ModelRequest, turn: ModelTurn) -> Usage:
    made = sum(text_tokens(text) for text in (turn.text, *(call.arguments for call in turn.calls)))
    return Usage(tokens_of((*request.messages, *request.tools)), 0, made, None)


def _micros(cost: object) -> int | None:
    """Read a cost in currency units, as some providers report it; rounded up to a whole millionth."""
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= _HIGHEST_COST:
        return None
    return rounded_up(micros_of(amount_of(cost)))


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _LONGEST_COUNT else None


def _text(value: object) -> str:
    """Take a text where there is one; raises ReplyUnusable for anything else than none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ReplyUnusable(f"a {type(value).__name__} came where text belongs")
    return value


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ReplyUnusable(f"a {type(value).__name__} came where a list belongs")
    return value
