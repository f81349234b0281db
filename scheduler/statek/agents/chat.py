"""How entries of a conversation become messages of the chat completions API. Pure.

Every tool call is followed by its answer and nothing else. Neighbours of the same role are put together, because the
templates of many models want roles to alternate; for the same reason the first and the last message are never the
model's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias, assert_never

from statek.agents.excerpts import excerpt, sendable
from statek.agents.observations import boxed, describe
from statek.agents.replies import CODE_ARGUMENT, TOOL_NAME, code_of, spoken
from statek.agents.tags import tagged, untagged
from statek.agents.transcript import (
    Entry,
    HarnessNote,
    Instructions,
    ModelTurn,
    Observation,
    Style,
    ToolCall,
    UserMessage,
    WarmupShown,
)

ChatMessage: TypeAlias = dict[str, Any]
"""A message in the form of the chat completions API: role, content, tool_calls, tool_call_id."""

PYTHON_TOOL: Final[ChatMessage] = {
    "type": "function",
    "function": {
        "name": TOOL_NAME,
        "description": "Run Python code in your workspace. The result is what the code printed.",
        "parameters": {
            "type": "object",
            "properties": {CODE_ARGUMENT: {"type": "string", "description": "The code to run."}},
            "required": [CODE_ARGUMENT],
            "additionalProperties": False,
        },
    },
}

_FENCE: Final = re.compile(r"`{3,}")
_NOT_RUN: Final = "Not run."
_BEGIN: Final = "Begin."
_GO_ON: Final = "Go on."


def said(role: str, content: str) -> ChatMessage:
    """Make a message of text that anybody may have written."""
    return {"role": role, "content": sendable(content)}


def messages_of(exchange: tuple[Entry, ...], style: Style, limit_bytes: int | None = None) -> list[ChatMessage]:
    """Write an exchange: one entry, or a reply with what came of it; each of its texts no longer than that."""
    first = exchange[0]
    if isinstance(first, ModelTurn):
        observations = [entry for entry in exchange[1:] if isinstance(entry, Observation)]
        return _turn(first, observations, style, limit_bytes)
    return [said("user", _text(entry, limit_bytes)) for entry in exchange]


def in_turns(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Put neighbours of the same role together, and see to it that the model is spoken to first and last."""
    result: list[ChatMessage] = []
    for message in messages:
        last = result[-1] if result else None
        if last is not None and last["role"] == message["role"] != "tool" and "tool_calls" not in last:
            content = "\n\n".join(filter(None, (last["content"], message["content"])))
            result[-1] = {**message, "content": content}
        else:
            result.append(message)
    if not result or result[0]["role"] != "user":
        result.insert(0, said("user", _BEGIN))
    if result[-1]["role"] == "assistant":
        result.append(said("user", _GO_ON))
    return result


def _turn(turn: ModelTurn, observations: list[Observation], style: Style, limit: int | None) -> list[ChatMessage]:
    text = _cut(spoken(turn.text), limit)
    if style == "fenced" or not turn.calls:
        blocks = [_fenced(_code(call, limit)) for call in turn.calls]
        reply = said("assistant", "\n\n".join(filter(None, (text, *blocks))) or "(nothing)")
        return [reply, *(said("user", _text(observation, limit)) for observation in observations)]
    calls = [_tool_call(call, limit) for call in turn.calls]
    answers = [_answer(call, observations, limit) for call in turn.calls]
    ids = {call.id for call in turn.calls}
    others = [said("user", _text(observation, limit)) for observation in observations if observation.call not in ids]
    return [{"role": "assistant", "content": sendable(text) or None, "tool_calls": calls}, *answers, *others]


def _tool_call(call: ToolCall, limit: int | None) -> ChatMessage:
    """Repeat a call; its arguments are JSON whatever they were, because some endpoints read them."""
    arguments = json.dumps({CODE_ARGUMENT: _code(call, limit)}, ensure_ascii=False)
    return {"id": call.id, "type": "function", "function": {"name": sendable(call.name), "arguments": arguments}}


def _answer(call: ToolCall, observations: list[Observation], limit: int | None) -> ChatMessage:
    texts = [_text(observation, limit) for observation in observations if observation.call == call.id]
    return {**said("tool", "\n".join(texts) or _NOT_RUN), "tool_call_id": call.id}


def _text(entry: Entry, limit: int | None) -> str:
    match entry:
        case UserMessage(text, source):
            return tagged("message", _cut(text, limit), source=source) if source else untagged(_cut(text, limit))
        case WarmupShown(source, console):
            printed = boxed(console.shortened(limit) if limit is not None else console) or "It printed nothing."
            return f"This ran before you began:\n{_fenced(_cut(source, limit))}\n{printed}"
        case Observation():
            return describe(entry, limit)
        case HarnessNote(text) | Instructions(text):
            return tagged("runtime", _cut(text, limit))
        case ModelTurn(text):
            return _cut(spoken(text), limit)
        case _:
            assert_never(entry)


def _code(call: ToolCall, limit: int | None) -> str:
    code = code_of(call)
    return _cut(code if code is not None else sendable(call.arguments), limit)


def _fenced(code: str) -> str:
    """Put code into a fence that is longer than any in it."""
    fence = max((found[0] for found in _FENCE.finditer(code)), key=len, default="``")
    return f"{fence}`python\n{code}{'' if code.endswith(chr(10)) else chr(10)}{fence}`"


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None else str(excerpt(text, limit))
