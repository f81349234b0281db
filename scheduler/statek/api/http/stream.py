"""A job's events as they become durable, as Server-Sent Events: the id of each is its cursor in the ledger.

A client that was cut off asks again from the last id that it has seen (`Last-Event-ID`, which browsers and clients send
by themselves) and misses nothing. Nothing is kept for it meanwhile: the ledger has it all. One that does not read is
cut off after a while, and can do the same; so is one whose token is good for nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from starlette.responses import Response

from statek.api.followers import FOLLOWED
from statek.api.http import forms
from statek.api.http.answers import as_json
from statek.api.http.guard import Receive, Scope, Send
from statek.api.http.problems import Problem
from statek.core import events
from statek.inspection.plain import plain
from statek.inspection.store_view import StoreView
from statek.store.records import Stored

STREAMS: Final = 200
"""At the same time, of all tokens."""
SILENCE_SECONDS: Final = 15.0
"""After so much of it a comment is sent, so that proxies and clients know that the stream is there."""
PAGE: Final = 200
"""Events that are read at once, where they are small."""
PAGE_BYTES: Final = 1 << 18
"""Where they are larger than that together, fewer are."""
_FIRST_PAGE: Final = 16
RETRY_MS: Final = 1_000
"""After which a client is to connect again."""

TOLD: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(
        (
            *FOLLOWED,
            *(
                event.kind
                for event in (
                    events.JobCreated,
                    events.BatchSubmitted,
                    events.CallRequested,
                    events.CallAnswered,
                    events.MessagePushed,
                    events.TurnRequested,
                    events.TurnAnswered,
                    events.TurnFailed,
                    events.HarnessReached,
                    events.JobCancelled,
                    events.JobRevived,
                )
            ),
        )
    )
)
"""What a stream tells of."""
_UNTOLD: Final[dict[type[events.Event], frozenset[str]]] = {
    events.JobCreated: frozenset({"policy", "definition", "given"}),
    events.BatchSubmitted: frozenset({"source", "policy"}),
    events.CallRequested: frozenset({"arguments"}),
    events.CallAnswered: frozenset({"value"}),
    events.TurnAnswered: frozenset({"reply"}),
}
"""Fields that are digests of blobs, or encoded values: the job's logs have them in words."""


class Commits:
    """Wakes the streams of jobs to which something has happened. In the HTTP server's loop but for `on_committed`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    def on_committed(self, jobs: Collection[str]) -> None:
        """Take the names of jobs that changed. In any thread."""
        if any(job in self._waiting for job in jobs):
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it every stream
                self._loop.call_soon_threadsafe(self._wake, frozenset(jobs))

    def close(self) -> None:
        """Let all streams end."""
        self._closed = True
        self._wake(frozenset(self._waiting))

    @property
    def closed(self) -> bool:
        return self._closed

    def watch(self, job: str) -> asyncio.Event:
        """Return what is set whenever something has happened to the job, until `leave`.

        Raises `Problem` where that is one stream too many.
        """
        if sum(map(len, self._waiting.values())) >= STREAMS:
            raise Problem(503, "streams", f"{STREAMS} streams are open, and no more are served", {"Retry-After": "5"})
        event = asyncio.Event()
        self._waiting.setdefault(job, set()).add(event)
        return event

    def leave(self, job: str, event: asyncio.Event) -> None:
        watching = self._waiting.get(job, set())
        watching.discard(event)
        if not watching:
            self._waiting.pop(job, None)

    def _wake(self, jobs: frozenset[str]) -> None:
        for job in jobs & self._waiting.keys():
            for event in self._waiting[job]:
                event.set()


Read = Callable[[Callable[[], str]], Awaitable[str]]


class EventStream(Response):
    """The events of one job after a cursor, for as long as the client stays."""

    media_type = "text/event-stream"

    def __init__(
        self, view: StoreView, commits: Commits, read: Read, job: str, after: int, allowed: Callable[[], bool]
    ) -> None:
        """`read` has something read in another thread; `allowed` tells whether the token is still good."""
        super().__init__(status_code=200, media_type=self.media_type)
        del self.headers["content-length"]
        self._view = view
        self._commits = commits
        self._read = read
        self._job = job
        self._cursor = after
        self._page = _FIRST_PAGE
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        happened = self._commits.watch(self._job)
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: happened.set())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._give(send, f"retry: {RETRY_MS}\n\n")
            while not self._is_over(gone):
                happened.clear()
                await self._tell_news(send, gone)
                await self._wait(happened, send)
            await self._give(send, "", more=False)
        finally:
            gone.cancel()
            self._commits.leave(self._job, happened)

    def _is_over(self, gone: asyncio.Future[None]) -> bool:
        return gone.done() or self._commits.closed or not self._allowed()

    async def _tell_news(self, send: Send, gone: asyncio.Future[None]) -> None:
        """Tell what there is, which may never come to an end: a job can print faster than it is told."""
        while not self._is_over(gone) and (text := await self._read(self._next_page)):
            self._page = min(PAGE, 2 * self._page) if len(text) < PAGE_BYTES else max(1, self._page // 2)
            await self._give(send, text)

    def _next_page(self) -> str:
        with self._view.reading() as ledger:
            page = ledger.events(self._job, self._cursor, self._page, TOLD)
        self._cursor = page[-1].cursor if page else self._cursor
        return "".join(map(_as_text, page))

    async def _wait(self, happened: asyncio.Event, send: Send) -> None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await happened.wait()
        except TimeoutError:
            await self._give(send, ": quiet\n\n")

    async def _give(self, send: Send, text: str, *, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": text.encode(), "more_body": more})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def told(stored: Stored) -> dict[str, Any]:
    """Say what has happened, in a form that JSON has."""
    untold = _UNTOLD.get(type(stored.event), ())
    fields = {name: value for name, value in plain(stored.event).items() if name not in untold}
    return {"cursor": stored.cursor, "job": stored.job, "kind": stored.event.kind, "at_us": stored.at_us, **fields}


@cache
def form_of_events() -> Any:
    """Return the form of what `told` says, for the description."""
    return Annotated[reduce(or_, map(_form, TOLD)), Field(discriminator="kind")]


def _form(kind: str) -> Any:
    cls = events.EVENTS[kind]
    about = {"cursor": int, "job": str, "kind": Literal[kind], "at_us": int}
    return forms.changed(forms.form(cls), cls.__name__, without=_UNTOLD.get(cls, ()), **about)


def _as_text(stored: Stored) -> str:
    data = as_json(told(stored))  # ASCII on one line: nothing of a guest's can end it
    return f"id: {stored.cursor}\nevent: {stored.event.kind}\ndata: {data}\n\n"
