"""The acts as REST under `/v1`; the OpenAPI description that programs read is made from these signatures."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from statek.api.http import results
from statek.api.http.access import Asker, KeyedAsker, StrictRoute
from statek.api.http.acts import Acts
from statek.api.http.bodies import (
    EventBody,
    FindParameters,
    MessageBody,
    Number,
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

Job = Annotated[Part, Path(description="The job's name, its uuid.")]

STREAMS: Final = 200
"""Streams of events at the same time."""
_CURSOR_DIGITS: Final = 18

PROBLEM: Final = "ProblemBody"
"""Its form, among the components of the description."""
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}}
    for status, text in (
        (400, "The request is malformed."),
        (401, "A token is missing or unknown."),
        (403, "The token does not allow this."),
        (404, "What is named is not there."),
        (409, "The job's state does not allow this."),
        (413, "The body is too large."),
        (415, "The body is not said to be JSON."),
        (422, "What is asked cannot be; the fields are named."),
        (503, "Not now; try again."),
    )
}

router = APIRouter(prefix="/v1", route_class=StrictRoute, responses=_PROBLEMS)


def _acts(request: Request) -> Acts:
    acts: Acts = request.app.state.acts
    return acts


@router.post("/jobs", status_code=201, summary="Start a job of an agent", tags=["jobs"])
def submit(request: Request, asker: KeyedAsker, body: SubmitBody) -> results.Started:
    return _acts(request).submit(asker, body)


@router.post("/jobs/batch", status_code=201, summary="Start jobs, all of them or none", tags=["jobs"])
def submit_batch(request: Request, asker: KeyedAsker, body: SubmitBatchBody) -> results.Started:
    return _acts(request).submit_batch(asker, body)


@router.get("/jobs", summary="List jobs", tags=["jobs"])
def find(request: Request, asker: Asker, asked: Annotated[FindParameters, Query()]) -> results.Jobs:
    return _acts(request).find(asker, asked)


@router.get("/jobs/{job}", summary="A job without its logs", tags=["jobs"])
def job(request: Request, asker: Asker, job: Job) -> results.Plain:
    return _acts(request).job(asker, job)


@router.get("/jobs/{job}/chat", summary="What was said to a job, by its model, and its batches", tags=["logs"])
def chat(request: Request, asker: Asker, job: Job, asked: Annotated[PageParameters, Query()]) -> results.Entries:
    return _acts(request).chat(asker, job, asked)


@router.get("/jobs/{job}/calls", summary="The calls that a job's code made", tags=["logs"])
def calls(request: Request, asker: Asker, job: Job, asked: Annotated[PageParameters, Query()]) -> results.Entries:
    return _acts(request).calls(asker, job, asked)


@router.get("/jobs/{job}/console", summary="What a job printed", tags=["logs"])
def console(request: Request, asker: Asker, job: Job, asked: Annotated[PageParameters, Query()]) -> results.Entries:
    return _acts(request).console(asker, job, asked)


@router.get("/jobs/{job}/violations", summary="What the policy refused to a job", tags=["logs"])
def violations(request: Request, asker: Asker, job: Job, asked: Annotated[PageParameters, Query()]) -> results.Entries:
    return _acts(request).violations(asker, job, asked)


@router.get(
    "/jobs/{job}/events",
    summary="A job's events as they happen",
    description="Server-Sent Events; the id of each is a cursor. Connect again with Last-Event-ID and miss nothing.",
    tags=["logs"],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events until the client goes."}},
)
async def stream(
    request: Request,
    asker: Asker,
    job: Job,
    after: Annotated[Number, Query(description="A cursor; 0 for all events.")] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    state = request.app.state
    await run_in_threadpool(state.acts.state, asker, job)
    if state.commits.streams >= STREAMS:
        raise Problem(503, "streams", f"{STREAMS} streams are open, and no more are served", {"Retry-After": "5"})
    cursor = after if last_event_id is None else _cursor(last_event_id)
    return EventStream(state.view, state.commits, job, cursor, lambda: state.tokens.has(asker.token))


@router.post("/jobs/{job}/messages", status_code=202, summary="Say something to a job", tags=["jobs"])
def push_message(request: Request, asker: KeyedAsker, job: Job, body: MessageBody) -> results.Pushed:
    return _acts(request).push_message(asker, job, body)


@router.post("/jobs/{job}/cancel", summary="End a job", tags=["jobs"])
def cancel(request: Request, asker: Asker, job: Job, body: ReasonBody) -> results.Cancelled:
    return _acts(request).cancel(asker, job, body)


@router.post("/jobs/{job}/retry", summary="Let a job that did not end well go on", tags=["jobs"])
def retry(request: Request, asker: Asker, job: Job) -> results.Retried:
    return _acts(request).retry(asker, job)


@router.get("/agents", summary="The agents, as new jobs get them", tags=["agents"])
def agents(request: Request, asker: Asker) -> results.Agents:
    return _acts(request).agents(asker)


@router.post("/agents/{agent}/events", status_code=202, summary="Have an agent get an event", tags=["agents"])
def push_event(request: Request, asker: KeyedAsker, agent: Part, body: EventBody) -> results.Pushed:
    return _acts(request).push_event(asker, agent, body)


@router.get("/queues", summary="What waits and what is dead in the queues", tags=["queues"])
def queues(request: Request, asker: Asker) -> results.Queues:
    return _acts(request).queues(asker)


@router.get("/queues/{queue}/dead", summary="What could not be delivered", tags=["queues"])
def dead_letters(
    request: Request, asker: Asker, queue: Part, asked: Annotated[PageParameters, Query()]
) -> results.Letters:
    return _acts(request).dead_letters(asker, queue, asked)


@router.post("/queues/{queue}/redrive", summary="Put dead letters back, or throw them away", tags=["queues"])
def redrive(request: Request, asker: Asker, queue: Part, body: RedriveBody) -> results.Moved:
    return _acts(request).redrive(asker, queue, body)


@router.post("/futures/{key}/complete", summary="Give the futures of a key their outcome", tags=["futures"])
def complete_future(request: Request, asker: Asker, key: Part, body: OutcomeBody) -> results.Told:
    return _acts(request).complete_future(asker, key, body)


@router.post("/futures/{key}/cancel", summary="Give up the open futures of a key", tags=["futures"])
def cancel_future(request: Request, asker: Asker, key: Part) -> results.Told:
    return _acts(request).cancel_future(asker, key)


@router.get("/usage", summary="What all jobs used, by day, agent and model", tags=["operations"])
def usage(request: Request, asker: Asker, asked: Annotated[SinceParameters, Query()]) -> results.Usage:
    return _acts(request).usage(asker, asked)


@router.get("/health", summary="How the scheduler is", tags=["operations"])
async def health(request: Request, asker: Asker) -> results.Plain:
    asker.may_all("read")
    scheduler: SchedulerSide = request.app.state.scheduler
    return await scheduler.health()


@router.get("/executors", summary="The executors that are connected", tags=["operations"])
async def executors(request: Request, asker: Asker) -> results.Executors:
    asker.may_all("read")
    scheduler: SchedulerSide = request.app.state.scheduler
    return await scheduler.executors()


def _cursor(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _CURSOR_DIGITS:
        raise Problem(400, "malformed", "Last-Event-ID is the id of an event of this stream")
    return int(text)
