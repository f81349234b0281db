"""What does each act look like on the wire, and what do its answer and a job's events say?"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from statek.http_client.errors import ServerRefused

Plain = dict[str, Any]

_KEY_BYTES: Final = 16
_TEXT: Final = 500
"""How much of an answer that is no problem of ours is told."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    body: Plain | None = None
    query: Plain = field(default_factory=dict)
    key: str | None = None

    @property
    def is_repeatable(self) -> bool:
        """Tell whether sending it again, when nobody knows whether it was done, does it no second time."""
        return self.method == "GET" or self.key is not None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is to begin with."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a list, in order."""

    items: tuple[Plain, ...]
    after: int | None
    """What to pass to go on; None where there are no more for now."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job."""

    cursor: int
    kind: str
    job: str
    data: Plain
    """All of it, as the server told it."""


# acts


def submit(agent: str, job: NewJob, locale: str | None, parent: str | None, key: str | None) -> Call:
    body = {"agent": agent, **_job(job), **_given(locale=locale, parent=parent)}
    return Call("POST", "/v1/jobs", body, key=_key(key))


def submit_batch(agent: str, jobs: Iterable[NewJob], parent: str | None, key: str | None) -> Call:
    body = {"agent": agent, "jobs": [_job(job) for job in jobs], **_given(parent=parent)}
    return Call("POST", "/v1/jobs/batch", body, key=_key(key))


def push_message(job: str, message: str, queue: str, key: str | None) -> Call:
    return Call("POST", f"/v1/jobs/{_part(job)}/messages", {"message": message, "queue": queue}, key=_key(key))


def push_event(agent: str, event: Any, queue: str, key: str | None) -> Call:
    return Call("POST", f"/v1/agents/{_part(agent)}/events", {"event": event, "queue": queue}, key=_key(key))


def complete_future(key: str, outcome: Plain) -> Call:
    return Call("POST", f"/v1/futures/{_part(key)}/complete", outcome)


def cancel_future(key: str) -> Call:
    return Call("POST", f"/v1/futures/{_part(key)}/cancel")


def cancel(job: str, reason: str | None) -> Call:
    return Call("POST", f"/v1/jobs/{_part(job)}/cancel", _given(reason=reason))


def retry(job: str) -> Call:
    return Call("POST", f"/v1/jobs/{_part(job)}/retry")


def redrive(queue: str, number: int | None, act: str) -> Call:
    return Call("POST", f"/v1/queues/{_part(queue)}/redrive", {"act": act, **_given(number=number)})


def find(**asked: Any) -> Call:
    if asked.pop("newest", False):
        asked["newest"] = "true"
    return Call("GET", "/v1/jobs", query=_given(**asked))


def job(name: str) -> Call:
    return Call("GET", f"/v1/jobs/{_part(name)}")


def log(name: str, which: str, after: int, limit: int) -> Call:
    return Call("GET", f"/v1/jobs/{_part(name)}/{which}", query={"after": after, "limit": limit})


def dead_letters(queue: str, after: int, limit: int) -> Call:
    return Call("GET", f"/v1/queues/{_part(queue)}/dead", query={"after": after, "limit": limit})


def look(what: str, **asked: Any) -> Call:
    return Call("GET", f"/v1/{what}", query=_given(**asked))


def events(name: str) -> str:
    return f"/v1/jobs/{_part(name)}/events"


def content(call: Call) -> tuple[bytes | None, dict[str, str]]:
    """Return the body of a request and its headers."""
    headers = {} if call.key is None else {"Idempotency-Key": call.key}
    if call.body is None:
        return None, headers
    return json.dumps(call.body, allow_nan=False).encode(), {"Content-Type": "application/json", **headers}


# answers


def read(status: int, body: bytes) -> Plain:
    """Return what a server answered; raises `ServerRefused`."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if status < 400 and isinstance(told, dict):
        return told
    if isinstance(told, dict) and isinstance(told.get("code"), str):
        raise ServerRefused(status, told["code"], str(told.get("detail", "")), told.get("fields", ()))
    raise ServerRefused(status, "http", f"this is no answer of a scheduler: {body[:_TEXT]!r}")


def page(told: Plain, items: str = "items") -> Page:
    return Page(tuple(told[items]), told["after"])


def event_in(line: str) -> Event | None:
    """Read one line of a stream; a scheduler has each event on one line, with its cursor."""
    if not line.startswith("data: "):
        return None
    try:
        told = json.loads(line.removeprefix("data: "))
    except ValueError:
        return None
    return Event(told["cursor"], told["kind"], told["job"], told)


def _job(job: NewJob) -> Plain:
    return {"variables": dict(job.variables), **_given(message=job.message, name=job.name)}


def _given(**fields: Any) -> Plain:
    return {name: value for name, value in fields.items() if value is not None}


def _part(name: str) -> str:
    return quote(name, safe="")


def _key(key: str | None) -> str:
    """Return the key of an act, a new one where the program has none: then a request can be sent again."""
    return key or secrets.token_hex(_KEY_BYTES)
