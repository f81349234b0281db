"""What can be asked of a server, for both clients: each function describes one request and what its answer means.

Pure. The parameters, annotations and docstrings here are those of the clients' methods.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from statek.http_client.answers import Page, Plain

T = TypeVar("T")

_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, whose answer means a `T`."""

    method: str
    path: str
    meaning: Callable[[Plain], T]
    """Makes the result of what the server told."""
    body: Plain | None = None
    query: Plain = field(default_factory=dict)
    key: str | None = None

    @property
    def is_repeatable(self) -> bool:
        """Tell whether sending it again, when nobody knows whether it was done, does it no second time."""
        return self.method == "GET" or self.key is not None

    def request(self) -> dict[str, Any]:
        """Return with what a client of httpx2 is asked for it."""
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        content = None
        if self.body is not None:
            content = json.dumps(self.body, allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        return {"method": self.method, "url": self.path, "params": self.query, "content": content, "headers": headers}


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is to begin with."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    name: str | None = None

    def to_plain(self) -> Plain:
        return {"variables": dict(self.variables), **_given(message=self.message, name=self.name)}


# starting jobs


def submit(
    agent: str,
    variables: Mapping[str, Any] | None = None,
    *,
    message: str | None = None,
    name: str | None = None,
    locale: str | None = None,
    parent: str | None = None,
    key: str | None = None,
) -> Call[str]:
    """Start a job of an agent and return its name; with the same `key` it is the same job."""
    new = NewJob(variables or {}, message, name)
    body = {"agent": agent, **new.to_plain(), **_given(locale=locale, parent=parent)}
    return Call("POST", "/v1/jobs", lambda told: str(told["jobs"][0]), body, key=_key(key))


def submit_batch(
    agent: str, jobs: Iterable[NewJob], *, parent: str | None = None, key: str | None = None
) -> Call[tuple[str, ...]]:
    """Start jobs of an agent, all of them or none, and return their names in order."""
    body = {"agent": agent, "jobs": [job.to_plain() for job in jobs], **_given(parent=parent)}
    return Call("POST", "/v1/jobs/batch", lambda told: tuple(told["jobs"]), body, key=_key(key))


# saying something


def push_message(job: str, message: str, *, queue: str = "main", key: str | None = None) -> Call[int]:
    """Say something to a job, also to one that has ended; return the number under which it is durable."""
    return Call("POST", _job(job, "/messages"), _number, {"message": message, "queue": queue}, key=_key(key))


def push_event(agent: str, event: Any, *, queue: str = "main", key: str | None = None) -> Call[int]:
    """Have an agent get an event, as a new job; return the number under which it is durable."""
    return Call("POST", f"/v1/agents/{_part(agent)}/events", _number, {"event": event, "queue": queue}, key=_key(key))


def complete_future(key: str, value: Any) -> Call[Plain]:
    """Give the futures of a key their value; return the outcome, and which futures got it."""
    return Call("POST", f"/v1/futures/{_part(key)}/complete", _whole, {"value": value})


def fail_future(key: str, error: str) -> Call[Plain]:
    """Let the futures of a key fail."""
    return Call("POST", f"/v1/futures/{_part(key)}/complete", _whole, {"error": error})


def cancel_future(key: str) -> Call[Plain]:
    """Give up the open futures of a key."""
    return Call("POST", f"/v1/futures/{_part(key)}/cancel", _whole)


# steering


def cancel(job: str, reason: str | None = None) -> Call[bool]:
    """End a job; tell whether there was something to end."""
    return Call("POST", _job(job, "/cancel"), lambda told: bool(told["cancelled"]), _given(reason=reason))


def retry(job: str) -> Call[bool]:
    """Let a job that did not end well go on; tell whether there was something to try again."""
    return Call("POST", _job(job, "/retry"), lambda told: bool(told["retried"]))


def redrive(queue: str = "main", number: int | None = None) -> Call[int]:
    """Put a dead letter back in line, or all of them; return how many that are."""
    return _decided(queue, number, "redrive")


def discard(queue: str = "main", number: int | None = None) -> Call[int]:
    """Throw a dead letter away, or all of them; return how many that are."""
    return _decided(queue, number, "discard")


# looking


def job(name: str) -> Call[Plain]:
    """Return a job without its logs."""
    return Call("GET", _job(name), _whole)


def find(
    *,
    status: str | None = None,
    agent: str | None = None,
    outcome: str | None = None,
    parent: str | None = None,
    newest: bool = False,
    after: int | None = None,
    limit: int = 100,
) -> Call[Page]:
    """Return a page of jobs without their logs."""
    wanted = _given(status=status, agent=agent, outcome=outcome, parent=parent, after=after, limit=limit)
    query = {**wanted, "newest": "true"} if newest else wanted
    return Call("GET", "/v1/jobs", lambda told: Page.of(told, "jobs"), query=query)


def chat(job: str, after: int = 0, limit: int = 100) -> Call[Page]:
    """Return what was said to a job, by its model, and its batches."""
    return _page(_job(job, "/chat"), after, limit)


def calls(job: str, after: int = 0, limit: int = 100) -> Call[Page]:
    """Return the calls that a job's code made."""
    return _page(_job(job, "/calls"), after, limit)


def console(job: str, after: int = 0, limit: int = 100) -> Call[Page]:
    """Return what a job printed."""
    return _page(_job(job, "/console"), after, limit)


def violations(job: str, after: int = 0, limit: int = 100) -> Call[Page]:
    """Return what the policy refused to a job."""
    return _page(_job(job, "/violations"), after, limit)


def queues() -> Call[list[Plain]]:
    """Return what waits and what is dead in the queues."""
    return Call("GET", "/v1/queues", itemgetter("queues"))


def dead_letters(queue: str = "main", after: int = 0, limit: int = 100) -> Call[Page]:
    """Return what could not be delivered, with the reasons."""
    return _page(f"/v1/queues/{_part(queue)}/dead", after, limit, "letters")


def agents() -> Call[list[Plain]]:
    """Return the agents, as new jobs get them."""
    return Call("GET", "/v1/agents", itemgetter("agents"))


def executors() -> Call[list[Plain]]:
    """Return the executors that are connected."""
    return Call("GET", "/v1/executors", itemgetter("executors"))


def usage(since: date | None = None) -> Call[list[Plain]]:
    """Return what all jobs used, by day, agent and model."""
    query = {} if since is None else {"since": since.isoformat()}
    return Call("GET", "/v1/usage", itemgetter("usage"), query=query)


def health() -> Call[Plain]:
    """Return how the scheduler is."""
    return Call("GET", "/v1/health", _whole)


def events(name: str) -> str:
    """Return the path of a job's stream."""
    return _job(name, "/events")


def _decided(queue: str, number: int | None, act: str) -> Call[int]:
    body = {"act": act, **_given(number=number)}
    return Call("POST", f"/v1/queues/{_part(queue)}/redrive", lambda told: int(told["items"]), body)


def _page(path: str, after: int, limit: int, items: str = "items") -> Call[Page]:
    return Call("GET", path, lambda told: Page.of(told, items), query={"after": after, "limit": limit})


def _whole(told: Plain) -> Plain:
    return told


def _number(told: Plain) -> int:
    return int(told["number"])


def _job(name: str, of_it: str = "") -> str:
    return f"/v1/jobs/{_part(name)}{of_it}"


def _part(name: str) -> str:
    return quote(name, safe="")


def _given(**fields: Any) -> Plain:
    return {name: value for name, value in fields.items() if value is not None}


def _key(key: str | None) -> str:
    """Return the key of an act, a new one where the program has none: then a request can be sent again."""
    return key or secrets.token_hex(_KEY_BYTES)
