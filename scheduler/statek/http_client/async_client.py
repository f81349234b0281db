"""The client whose methods are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx2

from statek.http_client import acts
from statek.http_client.acts import Call
from statek.http_client.answers import Event
from statek.http_client.connecting import Connected
from statek.http_client.following import Following
from statek.http_client.methods import described_by
from statek.http_client.retrying import Attempts, TryAgain, check_stream, result

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Make the method that does what is described, and is awaited."""

    @described_by(describe, "AsyncClient")
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._do(describe(*args, **kwargs))

    return method


class AsyncClient(Connected[httpx2.AsyncClient]):
    """Talks to the HTTP face of a scheduler; close it, or use it in an `async with` statement.

    Requests that can be sent again without being done twice are, while the server does not answer; acts get an
    idempotency key for that. Methods raise `ServerRefused` or `ServerUnreachable`.
    """

    def _connect(self, **options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**options)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # starting jobs

    submit = _awaited(acts.submit)
    submit_batch = _awaited(acts.submit_batch)

    # saying something

    push_message = _awaited(acts.push_message)
    push_event = _awaited(acts.push_event)
    complete_future = _awaited(acts.complete_future)
    fail_future = _awaited(acts.fail_future)
    cancel_future = _awaited(acts.cancel_future)

    # steering

    cancel = _awaited(acts.cancel)
    retry = _awaited(acts.retry)
    redrive = _awaited(acts.redrive)
    discard = _awaited(acts.discard)

    # looking

    job = _awaited(acts.job)
    find = _awaited(acts.find)
    chat = _awaited(acts.chat)
    calls = _awaited(acts.calls)
    console = _awaited(acts.console)
    violations = _awaited(acts.violations)
    queues = _awaited(acts.queues)
    dead_letters = _awaited(acts.dead_letters)
    agents = _awaited(acts.agents)
    executors = _awaited(acts.executors)
    usage = _awaited(acts.usage)
    health = _awaited(acts.health)

    # following

    async def follow(self, job: str, after: int = 0, *, until_end: bool = True) -> AsyncIterator[Event]:
        """Yield the events of a job after a cursor, as they happen, each once, however often the connection is cut.

        With `until_end` this ends when the job does; without, a message may let the job go on, and this too.
        """
        attempts = Attempts(self._address, self._patience_seconds)
        following = Following(job, after, until_end, attempts)
        while True:
            await asyncio.sleep(attempts.wait_seconds)
            with attempts.attempt():
                async with self._http.stream(**following.request()) as response:
                    check_stream(response, b"" if response.is_success else await response.aread())
                    async for line in response.aiter_lines():
                        event = following.take(line)
                        if event is not None:
                            yield event
                        if following.is_over:
                            return
                    raise TryAgain("it ended the stream")

    async def _do(self, call: Call[T]) -> T:
        """Send a request, again while that can help, and return what its answer means."""
        attempts = Attempts(self._address, self._patience_seconds, call.is_repeatable)
        while True:
            await asyncio.sleep(attempts.wait_seconds)
            with attempts.attempt():
                return result(call, await self._http.request(**call.request()))
