"""The HTTP client of one provider, and what bounds what an endpoint may send through it.

A line, and all of a response, is bounded while it is read: the parsers behind it keep whole lines in memory.
Redirections are not followed: where prompts go is the operator's to say. Compression is neither asked for nor accepted,
for a bound on what comes in would be none on what it becomes.

To import this costs a second. Only the thread of `model` does it, when a model is asked for the first time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx2
import openai

from statek.agents.collecting import ReplyUnusable
from statek.agents.providers import Provider
from statek_protocol.messages.base import KIB, MIB

_ESCAPED: Final = 6
"""Bytes that JSON may need for one of a text."""
_WIRE_FACTOR: Final = 64
"""Bytes on the wire for one of a reply: a piece of a stream has some 250 bytes for a token of four."""


def client_of(provider: Provider) -> openai.AsyncOpenAI:
    """Make a client that takes nothing from the environment but proxies: other endpoints' keys are not sent to it."""
    http_client = openai.DefaultAsyncHttpxClient(
        event_hooks={"response": [lambda response: _bound(response, provider)]}, follow_redirects=False
    )
    return openai.AsyncOpenAI(
        base_url=provider.base_url,
        api_key=provider.key.reveal() if provider.key is not None else "",
        admin_api_key="",
        organization="",
        project="",
        http_client=http_client,
        max_retries=0,
        timeout=openai.Timeout(provider.idle_seconds, connect=provider.connect_seconds, pool=provider.total_seconds),
        _enforce_credentials=False,
    )


def headers_of(provider: Provider) -> dict[str, str | openai.Omit]:
    """Return what each request has, or leaves out, beside the client's own headers."""
    none = openai.Omit()
    key: dict[str, str | openai.Omit] = {"Authorization": none} if provider.key is None else {}
    return {"Accept-Encoding": "identity", "OpenAI-Organization": none, "OpenAI-Project": none, **key}


async def _bound(response: httpx2.Response, provider: Provider) -> None:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise ReplyUnusable(f"the endpoint compresses ({encoding[:20]!r}) what was asked for as it is", may_pass=False)
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream, provider.max_reply_bytes)


class _Bounded(httpx2.AsyncByteStream):
    """Passes on what a response brings until it is too much."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit_bytes: int) -> None:
        self._stream = stream
        self._line_limit = _ESCAPED * limit_bytes + 64 * KIB
        self._limit = _WIRE_FACTOR * limit_bytes + MIB

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = line = 0
        async for data in self._stream:
            total += len(data)
            end = data.rfind(b"\n")
            line = len(data) - end - 1 if end >= 0 else line + len(data)
            if total > self._limit or line > self._line_limit:
                raise ReplyUnusable("the endpoint sends more than any reply may have", may_pass=False)
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
