"""The acts as REST under `/v1`; the OpenAPI description that programs read is made from these signatures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Annotated, Any, Concatenate, Final, TypeVar, get_type_hints

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from statek.api.http import results
from statek.api.http.access import Asker, KeyedAsker, StrictRoute
from statek.api.http.acts import Acts
from statek.api.http.answers import Answer
from statek.api.http.bodies import (
    CursorParameters,
    EventBody,
    FindParameters,
    MessageBody,
    OutcomeBody,
    PageParameters,
    Part,
    ReasonBody,
    RedriveBody,
    SinceParameters,
    SubmitBatchBody,
    SubmitBody,
)
from statek.api.http.problems import MEDIA_TYPE, Problem
from statek.api.http.side import SchedulerSide
from statek.api.http.stream import EventStream
from statek.api.http.threads import Threads
from statek.api.http.who import Who

T = TypeVar("T")
Act = Callable[Concatenate[Request, Who, ...], T]

Job = Annotated[Part, Path(description="The job's name, its uuid.")]
PartAsked = Annotated[PageParameters, Query()]

_CURSOR_DIGITS: Final = 18

PROBLEM: Final = "ProblemBody"
EVENT: Final = "JobEvent"
"""Forms among the components of the description, of what no route returns."""
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": results.component(PROBLEM)}}}
    for status, text in (
        (400, "The request is malformed."),
        (401, "A token is missing or unknown."),
        (403, "The token does not allow this."),
        (404, "What is named is not there."),
        (409, "The job's state does not allow this."),
        (413, "The body is too large."),
        (415, "The body is not said to be JSON."),
        (422, "What is asked cannot be; the fields are named."),
        (429, "The token has too many requests and streams in hand; try again."),
        (503, "Not now; try again."),
    )
}

router = APIRouter(prefix="/v1", route_class=StrictRoute, responses=_PROBLEMS)


def _route(method: str, path: str, summary: str, tag: str, status: int = 200) -> Callable[[Act[T]], Act[T]]:
    """Serve an act at a path; the type that it returns is the form of the answer in the description.

    The answer is written in the act's own thread: one of a megabyte takes its time.
    """

    def add(act: Act[T]) -> Act[T]:
        @wraps(act)
        async def answered(request: Request, asker: Who, **asked: Any) -> Answer:
            threads: Threads = request.app.state.threads
            work = partial(_answered, act, request, asker, asked, status)
            return await (threads.read if method == "GET" else threads.act)(asker.token.name, work)

        router.add_api_route(
            path, answered, methods=[method], summary=summary, tags=[tag], **_answering(status, _returned(act))
        )
        return act

    return add


def _answered(act: Act[T], request: Request, asker: Who, asked: dict[str, Any], status: int) -> Answer:
    return Answer(act(request, asker, **asked), status)


def _returned(act: Callable[..., Any]) -> Any:
    return get_type_hints(act, include_extras=True)["return"]


def _answering(status: int, form: Any) -> dict[str, Any]:
    """Return the options of a route that makes its answer itself, which has that form."""
    return {"status_code": status, "response_model": None, "responses": {status: {"model": form}}}


def _acts(request: Request) -> Acts:
    acts: Acts = request.app.state.acts
    return acts


@_route("POST", "/jobs", "Start a job of an agent", "jobs", 201)
def submit(request: Request, asker: KeyedAsker, body: SubmitBody) -> results.Started:
    return _acts(request).submit(asker, body)


@_route("POST", "/jobs/batch", "Start jobs, all of them or none", "jobs", 201)
def submit_batch(request: Request, asker: KeyedAsker, body: SubmitBatchBody) -> results.Started:
    return _acts(request).submit_batch(asker, body)


@_route("GET", "/jobs", "List jobs", "jobs")
def find(request: Request, asker: Asker, asked: Annotated[FindParameters, Query()]) -> results.JobPage:
    return _acts(request).find(asker, asked)


@_route("GET", "/jobs/{job}", "A job without its logs", "jobs")
def job(request: Request, asker: Asker, job: Job) -> results.Job:
    return _acts(request).job(asker, job)


@_route("GET", "/jobs/{job}/chat", "What was said to a job, by its model, and its batches", "logs")
def chat(request: Request, asker: Asker, job: Job, asked: PartAsked) -> results.ChatLog:
    return _acts(request).chat(asker, job, asked)


@_route("GET", "/jobs/{job}/calls", "The calls that a job's code made", "logs")
def calls(request: Request, asker: Asker, job: Job, asked: PartAsked) -> results.ToolLog:
    return _acts(request).calls(asker, job, asked)


@_route("GET", "/jobs/{job}/console", "What a job printed", "logs")
def console(request: Request, asker: Asker, job: Job, asked: PartAsked) -> results.Console:
    return _acts(request).console(asker, job, asked)


@_route("GET", "/jobs/{job}/violations", "What the policy refused to a job", "logs")
def violations(request: Request, asker: Asker, job: Job, asked: PartAsked) -> results.Violations:
    return _acts(request).violations(asker, job, asked)


@router.get(
    "/jobs/{job}/events",
    summary="A job's events as they happen",
    description="Server-Sent Events; the id of each is a cursor. Connect again with Last-Event-ID and miss nothing.",
    tags=["logs"],
    response_class=Response,
    responses={
        200: {
            "content": {"text/event-stream": {"schema": results.component(EVENT)}},
            "description": "Events until the client goes; the form is that of the data of each.",
        }
    },
)
async def stream(
    request: Request,
    asker: Asker,
    job: Job,
    asked: Annotated[CursorParameters, Query()],
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    state = request.app.state
    read = partial(state.threads.read, asker.token.name)
    await read(lambda: state.acts.state(asker, job))
    cursor = asked.after if last_event_id is None else _cursor(last_event_id)
    return EventStream(state.view, state.commits, read, job, cursor, lambda: state.tokens.has(asker.token))


@_route("POST", "/jobs/{job}/messages", "Say something to a job", "jobs", 202)
def push_message(request: Request, asker: KeyedAsker, job: Job, body: MessageBody) -> results.Pushed:
    return _acts(request).push_message(asker, job, body)


@_route("POST", "/jobs/{job}/cancel", "End a job", "jobs")
def cancel(request: Request, asker: Asker, job: Job, body: ReasonBody) -> results.Cancelled:
    return _acts(request).cancel(asker, job, body)


@_route("POST", "/jobs/{job}/retry", "Let a job that did not end well go on", "jobs")
def retry(request: Request, asker: Asker, job: Job) -> results.Retried:
    return _acts(request).retry(asker, job)


@_route("GET", "/agents", "The agents, as new jobs get them", "agents")
def agents(request: Request, asker: Asker) -> results.AgentList:
    return _acts(request).agents(asker)


@_route("POST", "/agents/{agent}/events", "Have an agent get an event", "agents", 202)
def push_event(request: Request, asker: KeyedAsker, agent: Part, body: EventBody) -> results.Pushed:
    return _acts(request).push_event(asker, agent, body)


@_route("GET", "/queues", "What waits and what is dead in the queues", "queues")
def queues(request: Request, asker: Asker) -> results.QueueList:
    return _acts(request).queues(asker)


@_route("GET", "/queues/{queue}/dead", "What could not be delivered", "queues")
def dead_letters(request: Request, asker: Asker, queue: Part, asked: PartAsked) -> results.DeadLetters:
    return _acts(request).dead_letters(asker, queue, asked)


@_route("POST", "/queues/{queue}/redrive", "Put dead letters back, or throw them away", "queues")
def redrive(request: Request, asker: Asker, queue: Part, body: RedriveBody) -> results.Moved:
    return _acts(request).redrive(asker, queue, body)


@_route("POST", "/futures/{key}/complete", "Give the futures of a key their outcome", "futures")
def complete_future(request: Request, asker: Asker, key: Part, body: OutcomeBody) -> results.Told:
    return _acts(request).complete_future(asker, key, body)


@_route("POST", "/futures/{key}/cancel", "Give up the open futures of a key", "futures")
def cancel_future(request: Request, asker: Asker, key: Part) -> results.Told:
    return _acts(request).cancel_future(asker, key)


@_route("GET", "/usage", "What all jobs used, by day, agent and model", "operations")
def usage(request: Request, asker: Asker, asked: Annotated[SinceParameters, Query()]) -> results.UsageTotals:
    return _acts(request).usage(asker, asked)


@router.get("/health", summary="How the scheduler is", tags=["operations"], **_answering(200, results.Vitals))
async def health(request: Request, asker: Asker) -> Answer:
    asker.may_all("read")
    scheduler: SchedulerSide = request.app.state.scheduler
    return Answer(await scheduler.health())


@router.get(
    "/executors",
    summary="The executors that are connected",
    tags=["operations"],
    **_answering(200, results.ExecutorList),
)
async def executors(request: Request, asker: Asker) -> Answer:
    asker.may_all("read")
    scheduler: SchedulerSide = request.app.state.scheduler
    return Answer(await scheduler.executors())


def _cursor(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _CURSOR_DIGITS:
        raise Problem(400, "malformed", "Last-Event-ID is the id of an event of this stream")
    return int(text)
