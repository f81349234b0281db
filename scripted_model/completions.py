"""The API's form of a reply: whole, or in pieces of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from scripted_model.requests import ChatRequest
from scripted_model.script import Answer

_BYTES_PER_TOKEN: Final = 4


def whole(request: ChatRequest, answer: Answer, number: int) -> dict[str, Any]:
    """Return the reply as one object."""
    text, calls = _words(request, answer)
    message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": answer.refusal or None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer, calls)}
    usage = {"usage": usage_of(request, answer, text, calls)} if answer.usage else {}
    return {**_envelope(request, answer, number, "chat.completion"), "choices": [choice], **usage}


def pieces(request: ChatRequest, answer: Answer, number: int) -> Iterator[dict[str, Any]]:
    """Give the reply in the pieces of a stream."""
    envelope = _envelope(request, answer, number, "chat.completion.chunk")
    text, calls = _words(request, answer)

    def piece(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**envelope, "choices": [choice]}

    yield piece({"role": "assistant", "content": ""})
    for part in _parts(text, answer.piece_characters):
        yield piece({"content": part})
    if answer.refusal:
        yield piece({"refusal": answer.refusal})
    for index, call in enumerate(calls):
        yield piece({"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]})
        for part in _parts(call["function"]["arguments"], answer.piece_characters):
            yield piece({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    yield piece({}, _finish_reason(answer, calls))
    if request.include_usage and answer.usage:
        yield {**envelope, "choices": [], "usage": usage_of(request, answer, text, calls)}


def error(message: str, status: int, code: str | None = None) -> dict[str, Any]:
    """Return an error in the API's form."""
    kind = "rate_limit_error" if status == HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else kind
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def usage_of(request: ChatRequest, answer: Answer, text: str, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say what a reply used, at four bytes to a token: exact enough to be added up and compared."""
    given = tokens(json.dumps(request.messages))
    made = tokens(text + answer.refusal + "".join(call["function"]["arguments"] for call in calls))
    details = {"prompt_tokens_details": {"cached_tokens": answer.cached_tokens}}
    cost = {"cost": answer.cost} if answer.cost is not None else {}
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made, **details, **cost}


def tokens(text: str) -> int:
    """Count the tokens of a text, as this model does."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


def _words(request: ChatRequest, answer: Answer) -> tuple[str, list[dict[str, Any]]]:
    """Return the text and the tool calls of a reply, in the client's style."""
    calls = [(name, arguments) for name, arguments in answer.calls]
    if request.tools:
        calls += [("python", json.dumps({"code": source})) for source in answer.sources]
        blocks = []
    else:
        blocks = [f"```python\n{source.strip(chr(10))}\n```" for source in answer.sources]
    text = "\n\n".join(filter(None, (answer.text, *blocks)))
    return text, [_call(name, arguments, request.turn, index) for index, (name, arguments) in enumerate(calls)]


def _call(name: str, arguments: str, turn: int, index: int) -> dict[str, Any]:
    call_id = f"call_{turn}_{index}"
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _finish_reason(answer: Answer, calls: Sequence[object]) -> str:
    return answer.finish_reason or ("tool_calls" if calls else "stop")


def _envelope(request: ChatRequest, answer: Answer, number: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": answer.model or request.model}


def _parts(text: str, characters: int) -> Iterator[str]:
    for start in range(0, len(text), characters):
        yield text[start : start + characters]
