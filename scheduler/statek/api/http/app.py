"""The HTTP application: which faces there are, and what stands around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from statek.api.http import problems, rest, results, rpc
from statek.api.http.access import Asker, CheckedRoute
from statek.api.http.acts import Acts, OutOfReach
from statek.api.http.answers import Answer
from statek.api.http.guard import App, Guard, Scope
from statek.api.http.methods import form_of_requests
from statek.api.http.problems import Problem, problem_of
from statek.api.http.side import SchedulerSide
from statek.api.http.stream import Commits, form_of_events
from statek.api.http.threads import Threads
from statek.api.http.tokens import Tokens
from statek.inspection.store_view import StoreView
from statek.logs.redaction import redacted
from statek_protocol.version import RELEASE

DESCRIPTION: Final = (
    "Start jobs of agents, speak to them, look at them and follow them. Errors are problems (RFC 9457) whose `code` is "
    "for programs. A POST with an Idempotency-Key is the same act when it is sent again."
)
_FORMS: Final[dict[str, Callable[[], Any]]] = {
    rest.PROBLEM: lambda: results.ProblemBody,
    rest.EVENT: form_of_events,
    rpc.REQUEST: form_of_requests,
    rpc.ANSWER: lambda: results.RpcAnswer,
}
"""What the description has beside the forms of routes' bodies and results."""
_PATH: Final = 200
_METHOD: Final = 20
"""How much of either is told to the audit log."""


_description = APIRouter(route_class=CheckedRoute)
_ROUTERS: Final = (rest.router, rpc.router, _description)


@_description.get("/openapi.json", include_in_schema=False)
async def description(request: Request, asker: Asker) -> Response:
    app: FastAPI = request.app
    threads: Threads = app.state.threads
    return await threads.read(asker.token.name, lambda: Answer(app.openapi()))


def describe() -> FastAPI:
    """Make the application with its routes alone, as its description needs them."""
    app = _Described(
        title="STATEK",
        version=RELEASE,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        default_response_class=Answer,
    )
    for router in _ROUTERS:
        app.include_router(router)
    return app


class _Described(FastAPI):
    """Has forms in its description that no route names by a type."""

    _describing = threading.Lock()

    def openapi(self) -> dict[str, Any]:
        """Return the description, which takes a moment the first time; from any thread."""
        with self._describing:
            if self.openapi_schema is None:
                described = super().openapi()
                for name, form in _FORMS.items():
                    written = TypeAdapter(form()).json_schema(ref_template=results.component("{model}")["$ref"])
                    described["components"]["schemas"] |= {**written.pop("$defs"), name: written}
        assert self.openapi_schema is not None
        return self.openapi_schema


def make_app(
    store: Path,
    tokens: Tokens,
    commits: Commits,
    scheduler: SchedulerSide,
    *,
    hosts: Collection[str] | None,
    max_body_bytes: int,
) -> App:
    """Put together what serves one store."""

    def tell(error: Exception, scope: Scope) -> Problem:
        problem = problem_of(error)
        if problem.status in (401, 403):
            scheduler.refused(problem.code, _told(scope))
        elif isinstance(error, OutOfReach):
            scheduler.refused("agents", _told(scope))
        return problem

    app = describe()
    app.state.acts = Acts(store)
    app.state.view = StoreView(store)
    app.state.tokens = tokens
    app.state.commits = commits
    app.state.threads = Threads()
    app.state.scheduler = scheduler
    app.state.tell = tell
    problems.install(app, [route for router in _ROUTERS for route in router.routes], tell)
    return Guard(app, tokens, tell, hosts=hosts, max_body_bytes=max_body_bytes)


def _told(scope: Scope) -> dict[str, Any]:
    """Say for the audit log who was refused what: of a token the name, and nothing where one stands in the address."""
    token = scope.get("state", {}).get("token")
    name = "" if token is None else token.name
    return {"token": name, "method": scope["method"][:_METHOD], "path": redacted(scope["path"])[:_PATH]}
