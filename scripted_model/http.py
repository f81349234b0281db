"""As much of HTTP/1.1 as a client of the API needs: requests with a length, responses with one or in chunks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

HEAD_LIMIT: Final = 64 * 1024
_BODY_LIMIT: Final = 64 * 1024 * 1024


class NotHTTP(Exception):
    """What came is no request that this server reads."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes


async def read(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request of a connection; None at its end. Raises NotHTTP."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise NotHTTP("the head is too long") from error
    first, *lines = head.rstrip("\r\n").split("\r\n")
    try:
        method, path, _ = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise NotHTTP("the head is malformed") from error
    if not 0 <= length <= _BODY_LIMIT:
        raise NotHTTP("the body is too long")
    return Request(method, path, headers, await reader.readexactly(length))


def response(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole response with a JSON body."""
    data = json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
    return _head(status, fields) + data


def stream_head() -> bytes:
    """Return the beginning of a response that goes on in chunks."""
    return _head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})


def event(data: str) -> bytes:
    """Return a server-sent event as one chunk."""
    payload = f"data: {data}\n\n".encode()
    return f"{len(payload):x}\r\n".encode() + payload + b"\r\n"


def stream_end() -> bytes:
    return b"0\r\n\r\n"


def _head(status: int, fields: Mapping[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")
