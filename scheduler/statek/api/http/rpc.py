"""The acts as JSON-RPC 2.0 under `/rpc`, under the names that the Python faces have; parameters go by name.

A request may be a batch. Each call of one is carried out by itself, in order. A call with `idempotency_key` among its
parameters is the same act when it is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from statek.api.http import bodies
from statek.api.http.access import Asker, StrictRoute, read_json
from statek.api.http.acts import Acts
from statek.api.http.answers import Answer
from statek.api.http.problems import Problem, problem_of
from statek.api.http.who import Who

CALLS_AT_ONCE: Final = 100

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
REFUSED: Final = -32000
"""What is asked was understood and not done; `data` is the problem that REST would have told."""

Run = Callable[[Acts, Who, Any], Mapping[str, object]]
Tell = Callable[[Exception], Problem]
"""Makes a problem of what went wrong with a call, and has it on record where somebody was refused."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method: the form of its parameters, and what it does with them."""

    parameters: type[BaseModel]
    run: Run


class _OfJob(bodies.Body):
    job: bodies.Name


class _PageOfJob(_OfJob, bodies.PageParameters):
    pass


class _MessageToJob(_OfJob, bodies.MessageBody):
    pass


class _CancelJob(_OfJob, bodies.ReasonBody):
    pass


class _EventForAgent(bodies.EventBody):
    agent: bodies.Name


class _OfQueue(bodies.PageParameters):
    queue: bodies.Name


class _Redrive(bodies.RedriveBody):
    queue: bodies.Name


class _OfKey(bodies.Body):
    key: bodies.Name


class _OutcomeOfKey(_OfKey, bodies.OutcomeBody):
    pass


METHODS: Final[dict[str, Method]] = {
    "submit_new_job": Method(bodies.SubmitBody, lambda acts, who, asked: acts.submit(who, asked)),
    "submit_new_jobs_batch": Method(bodies.SubmitBatchBody, lambda acts, who, asked: acts.submit_batch(who, asked)),
    "push_to_job_console": Method(_MessageToJob, lambda acts, who, asked: acts.push_message(who, asked.job, asked)),
    "push_to_agent_queue": Method(_EventForAgent, lambda acts, who, asked: acts.push_event(who, asked.agent, asked)),
    "find_jobs": Method(bodies.FindParameters, lambda acts, who, asked: acts.find(who, asked)),
    "get_job": Method(_OfJob, lambda acts, who, asked: acts.job(who, asked.job)),
    "chat_log": Method(_PageOfJob, lambda acts, who, asked: acts.chat(who, asked.job, asked)),
    "tool_log": Method(_PageOfJob, lambda acts, who, asked: acts.calls(who, asked.job, asked)),
    "console": Method(_PageOfJob, lambda acts, who, asked: acts.console(who, asked.job, asked)),
    "violations": Method(_PageOfJob, lambda acts, who, asked: acts.violations(who, asked.job, asked)),
    "cancel_job": Method(_CancelJob, lambda acts, who, asked: acts.cancel(who, asked.job, asked)),
    "retry_job": Method(_OfJob, lambda acts, who, asked: acts.retry(who, asked.job)),
    "queues": Method(bodies.Body, lambda acts, who, _: acts.queues(who)),
    "dead_letters": Method(_OfQueue, lambda acts, who, asked: acts.dead_letters(who, asked.queue, asked)),
    "redrive": Method(_Redrive, lambda acts, who, asked: acts.redrive(who, asked.queue, asked)),
    "agents": Method(bodies.Body, lambda acts, who, _: acts.agents(who)),
    "usage": Method(bodies.SinceParameters, lambda acts, who, asked: acts.usage(who, asked)),
    "complete_future": Method(_OutcomeOfKey, lambda acts, who, asked: acts.complete_future(who, asked.key, asked)),
    "cancel_future": Method(_OfKey, lambda acts, who, asked: acts.cancel_future(who, asked.key)),
}

_CALL: Final = {
    "type": "object",
    "required": ["jsonrpc", "method"],
    "additionalProperties": False,
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "method": {"enum": list(METHODS)},
        "params": {"type": "object"},
        "id": {"type": ["string", "number", "null"]},
    },
}
_BATCH: Final = {"type": "array", "items": _CALL, "minItems": 1, "maxItems": CALLS_AT_ONCE}
_BODY: Final = {"required": True, "content": {"application/json": {"schema": {"oneOf": [_CALL, _BATCH]}}}}

router = APIRouter(route_class=StrictRoute)


@router.post("/rpc", summary="The same acts as JSON-RPC 2.0", tags=["rpc"], openapi_extra={"requestBody": _BODY})
async def rpc(request: Request, asker: Asker) -> Response:
    try:
        asked = read_json(await request.body())
    except Problem as problem:
        return Answer(_failed(None, PARSE_ERROR, problem.detail))
    if isinstance(asked, list) and not 0 < len(asked) <= CALLS_AT_ONCE:
        return Answer(_failed(None, INVALID_REQUEST, f"a batch has 1 to {CALLS_AT_ONCE} calls"))
    acts: Acts = request.app.state.acts
    tell = partial(request.app.state.tell, scope=request.scope)
    calls = asked if isinstance(asked, list) else [asked]
    answers = [
        answer for call in calls if (answer := await run_in_threadpool(answer_to, acts, asker, call, tell)) is not None
    ]
    if not answers:
        return Response(status_code=204)
    return Answer(answers if isinstance(asked, list) else answers[0])


def answer_to(acts: Acts, who: Who, call: Any, tell: Tell) -> dict[str, Any] | None:
    """Carry out one call and return what is answered; None to a notification."""
    if not _is_call(call):
        return _failed(
            None, INVALID_REQUEST, "a call is an object with jsonrpc 2.0, method, and id unless it is told only"
        )
    number = call.get("id")
    answer = _carried_out(acts, who, call, tell)
    return None if "id" not in call else {"jsonrpc": "2.0", **answer, "id": number}


def _carried_out(acts: Acts, who: Who, call: dict[str, Any], tell: Tell) -> dict[str, Any]:
    method = METHODS.get(call["method"])
    if method is None:
        return {"error": _error(METHOD_NOT_FOUND, f"there is no such method; there are {', '.join(METHODS)}")}
    given = call.get("params", {})
    if not isinstance(given, dict):
        return {"error": _error(INVALID_PARAMS, "parameters go by name")}
    given = dict(given)
    key = given.pop("idempotency_key", None)
    if key is not None and not isinstance(key, str):
        return {"error": _error(INVALID_PARAMS, "idempotency_key is a text")}
    try:
        asked = method.parameters.model_validate(given)
    except ValidationError as error:
        problem = problem_of(error)
        return {"error": _error(INVALID_PARAMS, problem.detail, problem)}
    try:
        return {"result": method.run(acts, Who(who.token, key), asked)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the other calls of a batch have nothing to do with it
        problem = tell(error)
        return {"error": _error(REFUSED, problem.detail, problem)}


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
