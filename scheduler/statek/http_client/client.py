"""The client whose methods wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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


def _waiting(describe: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """Make the method that does what is described, and waits until it is done."""

    @described_by(describe, "Client")
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._do(describe(*args, **kwargs))

    return method


class Client(Connected[httpx2.Client]):
    """Talks to the HTTP face of a scheduler; close it, or use it in a `with` statement.

    Requests that can be sent again without being done twice are, while the server does not answer; acts get an
    idempotency key for that. Methods raise `ServerRefused` or `ServerUnreachable`.
    """

    def _connect(self, **options: Any) -> httpx2.Client:
        return httpx2.Client(**options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # starting jobs

    submit = _waiting(acts.submit)
    submit_batch = _waiting(acts.submit_batch)

    # saying something

    push_message = _waiting(acts.push_message)
    push_event = _waiting(acts.push_event)
    complete_future = _waiting(acts.complete_future)
    fail_future = _waiting(acts.fail_future)
    cancel_future = _waiting(acts.cancel_future)

    # steering

    cancel = _waiting(acts.cancel)
    retry = _waiting(acts.retry)
    redrive = _waiting(acts.redrive)
    discard = _waiting(acts.discard)

    # looking

    job = _waiting(acts.job)
    find = _waiting(acts.find)
    chat = _waiting(acts.chat)
    calls = _waiting(acts.calls)
    console = _waiting(acts.console)
    violations = _waiting(acts.violations)
    queues = _waiting(acts.queues)
    dead_letters = _waiting(acts.dead_letters)
    agents = _waiting(acts.agents)
    executors = _waiting(acts.executors)
    usage = _waiting(acts.usage)
    health = _waiting(acts.health)

    # following

    def follow(self, job: str, after: int = 0, *, until_end: bool = True) -> Iterator[Event]:
        """Yield the events of a job after a cursor, as they happen, each once, however often the connection is cut.

        With `until_end` this ends when the job does; without, a message may let the job go on, and this too.
        """
        attempts = Attempts(self._address, self._patience_seconds)
        following = Following(job, after, until_end, attempts)
        while True:
            time.sleep(attempts.wait_seconds)
            with attempts.attempt(), self._http.stream(**following.request()) as response:
                check_stream(response, b"" if response.is_success else response.read())
                for line in response.iter_lines():
                    event = following.take(line)
                    if event is not None:
                        yield event
                    if following.is_over:
                        return
                raise TryAgain("it ended the stream")

    def _do(self, call: Call[T]) -> T:
        """Send a request, again while that can help, and return what its answer means."""
        attempts = Attempts(self._address, self._patience_seconds, call.is_repeatable)
        while True:
            time.sleep(attempts.wait_seconds)
            with attempts.attempt():
                return result(call, self._http.request(**call.request()))
