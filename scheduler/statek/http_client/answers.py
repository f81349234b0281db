"""What does a server answer: to a request, and on a stream?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from statek.http_client.errors import ServerRefused

Plain = dict[str, Any]

_TEXT: Final = 500
"""How much of an answer that is no problem of ours is told."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a list, in order."""

    items: tuple[Plain, ...]
    after: int | None
    """What to pass to go on; None where there are no more for now."""

    @classmethod
    def of(cls, told: Plain, items: str) -> Page:
        """Read a page whose entries stand under that name."""
        return cls(tuple(told[items]), told["after"])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job."""

    cursor: int
    kind: str
    job: str
    data: Plain
    """All of it, as the server told it."""


def read(status: int, body: bytes) -> Plain:
    """Return what a server answered; raises `ServerRefused`."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if 200 <= status < 300 and isinstance(told, dict):
        return told
    if isinstance(told, dict) and isinstance(told.get("code"), str):
        raise ServerRefused(status, told["code"], str(told.get("detail", "")), told.get("fields", ()))
    raise misunderstood(status, body)


def misunderstood(status: int, body: bytes) -> ServerRefused:
    """Return what says that something else than a scheduler has answered."""
    return ServerRefused(status, "http", f"this is no answer of a scheduler: {body[:_TEXT]!r}")


def event_in(line: str) -> Event | None:
    """Read one line of a stream; a scheduler has each event on one line, with its cursor. Raises `ServerRefused`."""
    if not line.startswith("data: "):
        return None
    try:
        told = json.loads(line.removeprefix("data: "))
    except ValueError:
        return None  # the connection was cut within the line, and the next one has it whole
    match told:
        case {"cursor": int(cursor), "kind": str(kind), "job": str(job)}:
            return Event(cursor, kind, job, told)
    raise misunderstood(200, line.encode())
