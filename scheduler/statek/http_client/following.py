"""Where does one stand who follows a job: what is asked next, which events are new, and is it over?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx2

from statek.http_client.acts import events
from statek.http_client.answers import Event, event_in
from statek.http_client.connecting import CONNECT_SECONDS
from statek.http_client.retrying import Attempts

STREAM_SECONDS: Final = 45.0
"""Of silence on a stream; a server says three times as often that it is there."""


@dataclass(slots=True)
class Following:
    """What was heard of a job so far, over any number of connections."""

    job: str
    after: int
    """The cursor of the last event that was given."""
    until_end: bool
    """Whether it is over when the job has ended."""
    attempts: Attempts
    is_over: bool = False

    def request(self) -> dict[str, Any]:
        """Return with what a client of httpx2 is asked for the stream from here on."""
        headers = {"Last-Event-ID": str(self.after)}
        timeout = httpx2.Timeout(CONNECT_SECONDS, read=STREAM_SECONDS)
        return {"method": "GET", "url": events(self.job), "headers": headers, "timeout": timeout}

    def take(self, line: str) -> Event | None:
        """Take one line of the stream, and return the event that is new with it; raises `ServerRefused`."""
        if line.startswith((":", "data:")):
            self.attempts.succeeded()
        event = event_in(line)
        if event is None or event.cursor <= self.after:
            return None
        self.after = event.cursor
        self.is_over = self.until_end and event.kind == "job_ended"
        return event
