"""The clients that follow jobs, and what each is told next of the events in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    ConsolePrinted,
    FutureTroubled,
    HarnessReached,
    HoldDecided,
    JobCancelled,
    JobEnded,
    JobHeld,
    JobResumed,
    JobRevived,
    JobSuspended,
    LeaseEnded,
    LeaseGranted,
    MessagePushed,
    PolicyViolated,
    ReplyLost,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    UsageMetered,
)
from statek.errors import SubmissionRefused
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.store.ledger import Stored
from statek.store.records import pack
from statek_protocol import schema
from statek_protocol.messages.base import MIB, Message
from statek_protocol.messages.client import Events, Follow, JobEvent

FOLLOWED: Final[Collection[str]] = tuple(
    event.kind
    for event in (
        LeaseGranted,
        LeaseEnded,
        JobSuspended,
        FutureTroubled,
        JobResumed,
        BatchStarted,
        ConsolePrinted,
        PolicyViolated,
        UsageMetered,
        BatchEnded,
        BatchSkipped,
        JobHeld,
        HoldDecided,
        MessagePushed,
        TurnRequested,
        TurnAnswered,
        ReplyLost,
        TurnFailed,
        HarnessReached,
        JobCancelled,
        JobRevived,
        JobEnded,
    )
)
"""What a client is told of; calls and workspaces are not among it."""
PAGE_EVENTS: Final = 200
PAGE_BYTES: Final = 1 * MIB
FOLLOWING_SECONDS: Final = 60.0
"""A follower that has not asked for so long is forgotten; one that still listens asks again after a second's quiet."""


@dataclass(slots=True)
class Follower:
    """A client that follows a job, and how far it was told."""

    identity: bytes
    request: str
    job: str
    cursor: int
    asked: float
    is_current: bool = False
    """It was told everything up to the last turn that had to do with its job."""


class Followers:
    """All of one scheduler."""

    def __init__(self, loop: Loop, send: Callable[[bytes, Message], bool]) -> None:
        """`send` gives a message to a client, and tells whether that took it."""
        self._loop = loop
        self._send = send
        self._followers: dict[tuple[bytes, str], Follower] = {}

    def follow(self, identity: bytes, message: Follow, tick: Tick) -> None:
        """Tell a client of a job from now on, once this turn is durable; raises `SubmissionRefused`."""
        job = self._loop.job_in_turn(tick, message.job)
        if job is None:
            raise SubmissionRefused("unknown_job", f"there is no job {message.job!r} in this store")
        if job.status == "FORGOTTEN":
            raise SubmissionRefused("forgotten", f"the record of the job {message.job!r} was deleted")
        now = time.monotonic()
        self._forget(now - FOLLOWING_SECONDS)
        follower = Follower(identity, message.request, message.job, message.after, now)
        self._followers[identity, message.request] = follower
        tick.then(partial(self._tell, follower))
        # Whoever asks is answered, also when there is nothing new: so a client tells quiet from dead.
        tick.then(partial(self._send, identity, Events(message.request, message.job, ())))

    def on_committed(self, jobs: set[str]) -> None:
        """Tell followers what has happened to these jobs in the turn that became durable last."""
        concerned = [follower for follower in self._followers.values() if follower.job in jobs]
        news = self._news({follower.job for follower in concerned if follower.is_current})
        for follower in concerned:
            self._tell(follower, news.get(follower.job) if follower.is_current else None)

    def _news(self, jobs: set[str]) -> dict[str, list[Stored]]:
        """Return what the last turn has for followers of these jobs: it need not be read from the ledger again."""
        news: dict[str, list[Stored]] = {job: [] for job in jobs}
        turn = self._loop.committed
        if news and turn is not None:
            for cursor, record in enumerate(turn.records, turn.after + 1):
                if record.job in news and record.event.kind in FOLLOWED:
                    news[record.job].append(Stored(cursor, record.job, record.at_us, record.event))
        return news

    def _forget(self, before: float) -> None:
        for key, follower in list(self._followers.items()):
            if follower.asked < before:
                del self._followers[key]

    def _tell(self, follower: Follower, news: list[Stored] | None = None) -> None:
        """Send what the follower does not know, which is among the news if there are any, and in the ledger otherwise.

        One that does not take it asks again from its own cursor.
        """
        is_last = follower.is_current = False
        while not is_last:
            page, is_last = self._next_page(follower, news)
            if not page:
                break
            events = tuple(JobEvent(stored.cursor, stored.event.kind, schema.dump(stored.event)) for stored in page)
            if not self._send(follower.identity, Events(follower.request, follower.job, events)):
                self._followers.pop((follower.identity, follower.request), None)
                return
            follower.cursor = page[-1].cursor
        follower.is_current = True

    def _next_page(self, follower: Follower, news: list[Stored] | None) -> tuple[list[Stored], bool]:
        """Return what the follower is told next, and whether that is all there is."""
        if news is None:
            found = self._loop.ledger.events(follower.job, follower.cursor, PAGE_EVENTS, FOLLOWED)
        else:
            found = [stored for stored in news if stored.cursor > follower.cursor][:PAGE_EVENTS]
        page: list[Stored] = []
        size = 0
        for stored in found:
            size += len(stored.event.data) if isinstance(stored.event, ConsolePrinted) else len(pack(stored.event))
            if page and size > PAGE_BYTES:
                break
            page.append(stored)
        return page, len(page) == len(found) < PAGE_EVENTS
