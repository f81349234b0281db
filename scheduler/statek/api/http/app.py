"""The HTTP application: which faces there are, and what stands around them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from statek.api.http import problems, rest, rpc
from statek.api.http.acts import Acts
from statek.api.http.guard import App, Guard
from statek.api.http.problems import Problem, problem_of
from statek.api.http.server import Health, Refused
from statek.api.http.stream import Commits
from statek.api.http.tokens import Tokens
from statek.inspecting import StoreView
from statek_protocol.version import RELEASE

DESCRIPTION: Final = (
    "Start jobs of agents, speak to them, look at them and follow them. Errors are problems (RFC 9457) whose `code` is "
    "for programs. A POST with an Idempotency-Key is the same act when it is sent again."
)


def describe() -> FastAPI:
    """Make the application with its routes alone, as its description needs them."""
    app = FastAPI(
        title="STATEK",
        version=RELEASE,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.include_router(rest.router)
    app.include_router(rpc.router)
    return app


def make_app(
    store: Path,
    tokens: Tokens,
    commits: Commits,
    *,
    health: Health,
    refused: Refused,
    hosts: Collection[str] | None,
    max_body_bytes: int,
) -> App:
    """Put together what serves one store."""
    app = describe()
    app.state.acts = Acts(store)
    app.state.view = StoreView(store)
    app.state.tokens = tokens
    app.state.commits = commits
    app.state.health = health
    problems.install(app)

    async def told(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if problem.status in (401, 403):
            refused(problem.code, _told(request))
        return problems.respond(problem)

    app.add_exception_handler(Problem, told)
    return Guard(app, hosts=hosts, max_body_bytes=max_body_bytes)


def _told(request: Request) -> dict[str, Any]:
    """Say for the audit log who was refused what; nothing of a token but the name of one that is known."""
    return {"token": getattr(request.state, "token", ""), "method": request.method, "path": request.url.path[:200]}
