"""The acts as JSON-RPC 2.0 under `/rpc`, under the names that the Python faces have; parameters go by name.

A request may be a batch. Each call of one is carried out by itself, in order, until the answers have some size. A call
with `idempotency_key` among its parameters, where its method takes one, is the same act when it is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from statek.api.http.access import Asker, CheckedRoute, read_json
from statek.api.http.acts import Acts
from statek.api.http.answers import Answer, as_json
from statek.api.http.methods import CALLS_AT_ONCE, METHODS
from statek.api.http.problems import Problem, problem_of
from statek.api.http.results import component
from statek.api.http.threads import Threads
from statek.api.http.who import Who

ANSWER_BYTES: Final = 4 << 20
"""After so much of answers no further call of a batch is answered; those that are told only are carried out."""
KEY: Final = "idempotency_key"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
TOO_LARGE: Final = -32001
"""A call was not carried out, for the answers to those before it take enough room."""
REFUSED: Final = -32000
"""What is asked was understood and not done; `data` is the problem that REST would have told."""

REQUEST: Final = "RpcRequest"
ANSWER: Final = "RpcAnswer"
"""Forms among the components of the description."""


def _json(form: str) -> dict[str, Any]:
    return {"application/json": {"schema": component(form)}}


_DESCRIBED: Final[dict[str, Any]] = {
    "openapi_extra": {
        "requestBody": {"required": True, "content": {Answer.media_type: {"schema": component(REQUEST)}}}
    },
    "responses": {
        200: {"content": {Answer.media_type: {"schema": component(ANSWER)}}},
        204: {"description": "There was nothing to answer."},
    },
    "response_class": Answer,
}

Tell = Callable[[Exception], Problem]
"""Makes a problem of what went wrong with a call, and has it on record where somebody was refused."""

router = APIRouter(route_class=CheckedRoute)


@router.post("/rpc", summary="The same acts as JSON-RPC 2.0", tags=["rpc"], **_DESCRIBED)
async def rpc(request: Request, asker: Asker) -> Response:
    try:
        asked = read_json(await request.body())
    except Problem as problem:
        return Answer(_failed(None, PARSE_ERROR, problem.detail))
    if isinstance(asked, list) and not 0 < len(asked) <= CALLS_AT_ONCE:
        return Answer(_failed(None, INVALID_REQUEST, f"a batch has 1 to {CALLS_AT_ONCE} calls"))
    answering = Answering(request.app.state.acts, asker, partial(request.app.state.tell, scope=request.scope))
    threads: Threads = request.app.state.threads
    for call in asked if isinstance(asked, list) else [asked]:
        work = partial(answering.take, call)
        await (threads.read if _reads(call) else threads.act)(asker.token.name, work)
    if not answering.answers:
        return Response(status_code=204)
    told = ",".join(answering.answers)
    return Response(f"[{told}]" if isinstance(asked, list) else told, media_type=Answer.media_type)


class Answering:
    """Carries out the calls of one request, and keeps what is answered as text: so it is known how much that is."""

    def __init__(self, acts: Acts, who: Who, tell: Tell) -> None:
        self._acts = acts
        self._who = who
        self._tell = tell
        self._size = 0
        self.answers: list[str] = []

    def take(self, call: Any) -> None:
        """Carry out the next call; one that is told only is not answered."""
        answer = self._answer_to(call)
        if answer is not None:
            self.answers.append(as_json(answer))
            self._size += len(self.answers[-1])

    def _answer_to(self, call: Any) -> dict[str, Any] | None:
        if not _is_call(call):
            reason = "a call is an object with jsonrpc 2.0, method, and id unless it is told only"
            return _failed(None, INVALID_REQUEST, reason)
        if "id" not in call:
            self._carried_out(call)
            return None
        if self._size >= ANSWER_BYTES:
            reason = f"the answers to the calls before have {self._size} bytes; nothing was done, ask for it by itself"
            return _failed(call["id"], TOO_LARGE, reason)
        return {"jsonrpc": "2.0", **self._carried_out(call), "id": call["id"]}

    def _carried_out(self, call: dict[str, Any]) -> dict[str, Any]:
        method = METHODS.get(call["method"])
        if method is None:
            return {"error": _error(METHOD_NOT_FOUND, f"there is no such method; there are {', '.join(METHODS)}")}
        given = call.get("params", {})
        if not isinstance(given, dict):
            return {"error": _error(INVALID_PARAMS, "parameters go by name")}
        try:
            asked = method.parameters.model_validate(given)
        except ValidationError as error:
            problem = problem_of(error)
            return {"error": _error(INVALID_PARAMS, problem.detail, problem)}
        try:
            return {"result": method.run(self._acts, Who(self._who.token, getattr(asked, KEY, None)), asked)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the other calls of a batch have nothing to do with it
            problem = self._tell(error)
            return {"error": _error(REFUSED, problem.detail, problem)}


def _reads(call: Any) -> bool:
    return _is_call(call) and call["method"] in METHODS and METHODS[call["method"]].reads


def _is_call(call: Any) -> bool:
    return (
        isinstance(call, dict)
        and call.get("jsonrpc") == "2.0"
        and isinstance(call.get("method"), str)
        and type(call.get("id")) in (str, int, float, type(None))
        and not call.keys() - {"jsonrpc", "method", "params", "id"}
    )


def _failed(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": _error(code, message), "id": number}


def _error(code: int, message: str, problem: Problem | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    return error if problem is None else {**error, "data": problem.to_plain()}
