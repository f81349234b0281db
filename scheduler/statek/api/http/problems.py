"""What went wrong, as HTTP says it: an RFC 9457 problem with a status, a code for programs, and the way out.

Nothing of the host is in one: a bug of ours is logged, and told as that alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from statek.api.http.answers import Answer
from statek.api.http.tokens import TokensUnusable
from statek.errors import AgentRefused, SchedulerSilent, StatekError, SubmissionRefused
from statek.inspection.store_view import UnknownJob
from statek.loop.waiting import TooManyCompletions
from statek.store.errors import StoreError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
FIELDS_TOLD: Final = 20
_TEXT: Final = 2_000
_REASON: Final = 200
_BY_CODE: Final = {
    "unknown_job": 404,
    "unknown_agent": 404,
    "no_dead_letter": 404,
    "job_exists": 409,
    "job_held": 409,
    "job_ended": 409,
    "agent_job": 409,
    "forgotten": 409,
    "queue_full": 503,
}
"""Of a `SubmissionRefused`; any other code is a request that cannot be carried out as it is, 422."""
_FIELDS: Final = {
    "agent": "agent",
    "completion": "value",
    "event_name": "event",
    "job_name": "name",
    "key": "idempotency_key",
    "message": "message",
    "queue": "queue",
    "subtask_depth": "parent",
    "variables": "variables",
}
"""What is wrong with the request where one is refused for that."""
_BY_STATUS: Final = {400: "malformed", 404: "not_found", 405: "method", 413: "too_large", 415: "media_type"}


class Problem(Exception):
    """Why a request was not carried out; nothing was changed."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        fields: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """`fields` say what is wrong with which field of the request."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.fields = fields

    def to_plain(self) -> dict[str, Any]:
        title = HTTPStatus(self.status).phrase
        told = {"type": "about:blank", "title": title, "status": self.status, "code": self.code}
        told["detail"] = self.detail[:_TEXT]
        return {**told, "fields": list(self.fields)} if self.fields else told


def problem_of(error: Exception) -> Problem:
    """Say what an error of ours means to whoever asked; one of our own making is logged."""
    match error:
        case Problem():
            return error
        case UnknownJob():
            return Problem(404, "unknown_job", str(error))
        case SubmissionRefused():
            if error.code in _BY_CODE:
                return Problem(_BY_CODE[error.code], error.code, str(error))
            return unfit(error.code, _FIELDS.get(error.code, "body"), str(error))
        case AgentRefused():
            return unfit("agent", "agent", str(error))
        case TooManyCompletions():
            return Problem(503, "too_many_completions", str(error))
        case TokensUnusable():
            log.error("%s", error)
            return Problem(503, "tokens", "nobody is let in: the server's file of tokens cannot be used")
        case SchedulerSilent():
            return Problem(503, "scheduler_silent", str(error), {"Retry-After": "1"})
        case StoreError():
            log.error("%s", error)
            return Problem(503, "store", "the store cannot be read; its operator finds the reason in the log")
        case RequestValidationError():
            return invalid(error.errors(), within=1)
        case ValidationError():
            return invalid(error.errors(include_url=False, include_context=False, include_input=False))
        case HTTPException():
            code = _BY_STATUS.get(error.status_code, "refused")
            return Problem(error.status_code, code, str(error.detail), error.headers or {})
    log.error("a request over HTTP met a bug", exc_info=error)
    return Problem(500, "bug", "this is a bug of the server; its log has the details")


def unfit(code: str, field: str, reason: str) -> Problem:
    """Say of one field that what stands there cannot be, by itself or as things are."""
    return Problem(422, code, reason, fields=[{"field": field, "reason": reason[:_REASON]}])


def invalid(faults: Iterable[Mapping[str, Any]], within: int = 0) -> Problem:
    """Name the fields that are wrong; `within` is how many leading parts of their places say nothing."""
    fields = []
    for fault in faults:
        place = ".".join(str(part) for part in fault["loc"][within:]) or "body"
        fields.append({"field": place[:_REASON], "reason": str(fault["msg"])[:_REASON]})
    said = "; ".join(f"{one['field']}: {one['reason']}" for one in fields[:3])
    return Problem(422, "invalid", f"what is asked cannot be understood: {said}", fields=fields[:FIELDS_TOLD])


def install(
    app: FastAPI, routes: Iterable[BaseRoute], tell: Callable[[Exception, MutableMapping[str, Any]], Problem]
) -> None:
    """Have all errors of an application with these routes told as problems."""
    known = [route for route in routes if isinstance(route, APIRoute)]

    async def told(request: Request, error: Exception) -> Answer:
        problem = tell(error, request.scope)
        here = [route for route in known if route.path_regex.fullmatch(request.scope["path"])]
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED and here:  # each route knows of its own method alone
            problem.headers = {"Allow": ", ".join(sorted(method for route in here for method in route.methods or ()))}
        return respond(problem)

    for kind in (Problem, StatekError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, told)


def respond(problem: Problem) -> Answer:
    return Answer(problem.to_plain(), problem.status, dict(problem.headers), MEDIA_TYPE)
