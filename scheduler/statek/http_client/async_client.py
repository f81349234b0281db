"""The client whose methods are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import date
from typing import Any

import httpx2

from statek.http_client import wire
from statek.http_client.connecting import checked_address, options, stream_options
from statek.http_client.retrying import BUSY, Attempts
from statek.http_client.wire import Call, Event, NewJob, Page, Plain


class AsyncClient:
    """Talks to the HTTP face of a scheduler; close it, or use it in a `async with` statement.

    Requests that can be sent again without being done twice are, while the server does not answer; acts get an
    idempotency key for that. Methods raise `ServerRefused` or `ServerUnreachable`.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout_seconds: float = 60.0,
        patience_seconds: float = 60.0,
        plain_http: bool = False,
    ) -> None:
        """`timeout_seconds` is for one request, `patience_seconds` for how long one that fails is sent again.

        Raises ValueError for what is no address, or one to which the token would go unencrypted over a network.
        """
        self._address = checked_address(base_url, plain_http=plain_http)
        self._patience_seconds = patience_seconds
        self._http = httpx2.AsyncClient(**options(self._address, token, timeout_seconds))

    def __repr__(self) -> str:
        return f"AsyncClient({self._address!r})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # starting jobs

    async def submit(
        self,
        agent: str,
        variables: Mapping[str, Any] | None = None,
        *,
        message: str | None = None,
        name: str | None = None,
        locale: str | None = None,
        parent: str | None = None,
        key: str | None = None,
    ) -> str:
        """Start a job of an agent and return its name; with the same `key` it is the same job."""
        new = NewJob(variables or {}, message, name)
        told = await self._do(wire.submit(agent, new, locale, parent, key))
        return str(told["jobs"][0])

    async def submit_batch(
        self, agent: str, jobs: Iterable[NewJob], *, parent: str | None = None, key: str | None = None
    ) -> tuple[str, ...]:
        """Start jobs of an agent, all of them or none, and return their names in order."""
        return tuple((await self._do(wire.submit_batch(agent, jobs, parent, key)))["jobs"])

    # saying something

    async def push_message(self, job: str, message: str, *, queue: str = "main", key: str | None = None) -> int:
        """Say something to a job, also to one that has ended; return the number under which it is durable."""
        return int((await self._do(wire.push_message(job, message, queue, key)))["number"])

    async def push_event(self, agent: str, event: Any, *, queue: str = "main", key: str | None = None) -> int:
        """Have an agent get an event, as a new job; return the number under which it is durable."""
        return int((await self._do(wire.push_event(agent, event, queue, key)))["number"])

    async def complete_future(self, key: str, value: Any) -> Plain:
        """Give the futures of a key their value; return the outcome, and which futures got it."""
        return await self._do(wire.complete_future(key, {"value": value}))

    async def fail_future(self, key: str, error: str) -> Plain:
        """Let the futures of a key fail."""
        return await self._do(wire.complete_future(key, {"error": error}))

    async def cancel_future(self, key: str) -> Plain:
        """Give up the open futures of a key."""
        return await self._do(wire.cancel_future(key))

    # steering

    async def cancel(self, job: str, reason: str | None = None) -> bool:
        """End a job; tell whether there was something to end."""
        return bool((await self._do(wire.cancel(job, reason)))["cancelled"])

    async def retry(self, job: str) -> bool:
        """Let a job that did not end well go on; tell whether there was something to try again."""
        return bool((await self._do(wire.retry(job)))["retried"])

    async def redrive(self, queue: str = "main", number: int | None = None) -> int:
        """Put a dead letter back in line, or all of them; return how many that are."""
        return int((await self._do(wire.redrive(queue, number, "redrive")))["items"])

    async def discard(self, queue: str = "main", number: int | None = None) -> int:
        """Throw a dead letter away, or all of them; return how many that are."""
        return int((await self._do(wire.redrive(queue, number, "discard")))["items"])

    # looking

    async def job(self, name: str) -> Plain:
        """Return a job without its logs."""
        return await self._do(wire.job(name))

    async def find(
        self,
        *,
        status: str | None = None,
        agent: str | None = None,
        outcome: str | None = None,
        parent: str | None = None,
        newest: bool = False,
        after: int | None = None,
        limit: int = 100,
    ) -> Page:
        """Return a page of jobs without their logs."""
        asked = wire.find(
            status=status, agent=agent, outcome=outcome, parent=parent, newest=newest, after=after, limit=limit
        )
        return wire.page(await self._do(asked), "jobs")

    async def chat(self, job: str, after: int = 0, limit: int = 100) -> Page:
        """Return what was said to a job, by its model, and its batches."""
        return wire.page(await self._do(wire.log(job, "chat", after, limit)))

    async def calls(self, job: str, after: int = 0, limit: int = 100) -> Page:
        """Return the calls that a job's code made."""
        return wire.page(await self._do(wire.log(job, "calls", after, limit)))

    async def console(self, job: str, after: int = 0, limit: int = 100) -> Page:
        """Return what a job printed."""
        return wire.page(await self._do(wire.log(job, "console", after, limit)))

    async def violations(self, job: str, after: int = 0, limit: int = 100) -> Page:
        """Return what the policy refused to a job."""
        return wire.page(await self._do(wire.log(job, "violations", after, limit)))

    async def queues(self) -> list[Plain]:
        """Return what waits and what is dead in the queues."""
        return list((await self._do(wire.look("queues")))["queues"])

    async def dead_letters(self, queue: str = "main", after: int = 0, limit: int = 100) -> Page:
        """Return what could not be delivered, with the reasons."""
        return wire.page(await self._do(wire.dead_letters(queue, after, limit)), "letters")

    async def agents(self) -> list[Plain]:
        """Return the agents, as new jobs get them."""
        return list((await self._do(wire.look("agents")))["agents"])

    async def executors(self) -> list[Plain]:
        """Return the executors that are connected."""
        return list((await self._do(wire.look("executors")))["executors"])

    async def usage(self, since: date | None = None) -> list[Plain]:
        """Return what all jobs used, by day, agent and model."""
        asked = wire.look("usage", since=None if since is None else since.isoformat())
        return list((await self._do(asked))["usage"])

    async def health(self) -> Plain:
        """Return how the scheduler is."""
        return await self._do(wire.look("health"))

    # following

    async def follow(self, job: str, after: int = 0, *, until_end: bool = True) -> AsyncIterator[Event]:
        """Yield the events of a job after a cursor, as they happen, each once, however often the connection is cut.

        With `until_end` this ends when the job does; without, a message may let the job go on, and this too.
        """
        attempts = Attempts(self._address, self._patience_seconds)
        while True:
            try:
                async with self._http.stream("GET", wire.events(job), **stream_options(after)) as response:
                    if response.status_code != 200 and response.status_code not in BUSY:
                        wire.read(response.status_code, await response.aread())
                    async for line in response.aiter_lines():
                        if line.startswith((":", "data:")):
                            attempts.succeeded()
                        event = wire.event_in(line)
                        if event is None or event.cursor <= after:
                            continue
                        after = event.cursor
                        yield event
                        if until_end and event.kind == "job_ended":
                            return
                    wait = attempts.wait_for(response)
            except httpx2.TransportError as error:
                wait = attempts.wait_after(error, repeatable=True)
            await asyncio.sleep(wait)

    async def _do(self, call: Call) -> Plain:
        """Send a request, again while that can help, and return the answer."""
        body, headers = wire.content(call)
        attempts = Attempts(self._address, self._patience_seconds)
        while True:
            try:
                response = await self._http.request(
                    call.method, call.path, content=body, params=call.query, headers=headers
                )
            except httpx2.TransportError as error:
                wait = attempts.wait_after(error, repeatable=call.is_repeatable)
            else:
                if response.status_code not in BUSY or not call.is_repeatable:
                    return wire.read(response.status_code, response.content)
                wait = attempts.wait_for(response)
            await asyncio.sleep(wait)
