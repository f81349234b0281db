"""What a client asked: the body of a chat completions request, checked as far as a real endpoint would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})


class BadRequest(Exception):
    """The API would refuse the request, for this reason."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request that the API would take."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    stream: bool = False
    include_usage: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)
    """All of it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in small letters."""

    @property
    def turn(self) -> int:
        """How many replies the conversation has so far."""
        return sum(message["role"] == "assistant" for message in self.messages)

    @property
    def text(self) -> str:
        """All that the messages say, one below the other."""
        return "\n".join(text for message in self.messages if isinstance(text := message.get("content"), str))

    def mentions(self, marker: str) -> bool:
        """Tell whether a message has that text."""
        return any(marker in (message.get("content") or "") for message in self.messages)


def read_request(data: bytes, headers: Mapping[str, str]) -> ChatRequest:
    """Read a request's body; raises BadRequest as the API does."""
    try:
        body = json.loads(data)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadRequest("you must provide a model parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: a list with at least one message is needed")
    for number, message in enumerate(messages):
        _check_message(message, number)
    _check_answers(messages)
    options = body.get("stream_options") or {}
    return ChatRequest(
        body["model"],
        tuple(messages),
        tuple(body.get("tools") or ()),
        bool(body.get("stream")),
        bool(options.get("include_usage")),
        body,
        headers,
    )


def _check_message(message: object, number: int) -> None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise BadRequest(f"messages[{number}]: an object with a role is needed")
    content, calls = message.get("content"), message.get("tool_calls")
    if not isinstance(content, str) and not (content is None and calls):
        raise BadRequest(f"messages[{number}].content: a text is needed")
    if calls is not None and message["role"] != "assistant":
        raise BadRequest(f"messages[{number}].tool_calls: only an assistant has them")
    for call in calls or ():
        if not call.get("id") or call.get("type") != "function":
            raise BadRequest(f"messages[{number}].tool_calls: each needs an id and the type function")
        _check_arguments(call["function"]["arguments"], number)


def _check_arguments(arguments: object, number: int) -> None:
    """Read the arguments of a call, as endpoints do that put them into a model's template."""
    try:
        json.loads(arguments if isinstance(arguments, str) else "")
    except ValueError as error:
        raise BadRequest(f"messages[{number}].tool_calls: the arguments are not JSON") from error


def _check_answers(messages: list[dict[str, Any]]) -> None:
    """Hold the API to its rule: after tool calls come their answers, one each, and an answer comes nowhere else."""
    expected: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in expected:
                raise BadRequest(f"messages[{number}]: a message of role tool must answer a preceding tool call")
            expected.remove(message["tool_call_id"])
        elif expected:
            raise BadRequest(f"messages[{number}]: the tool calls {expected} have no answers")
        if message["role"] == "assistant":
            expected = list(_ids(message))
    if expected:
        raise BadRequest(f"the tool calls {expected} have no answers")


def _ids(message: Mapping[str, Any]) -> Iterator[str]:
    for call in message.get("tool_calls") or ():
        yield call["id"]
