"""One request answered: by the script's reply, or by what the script has go wrong in its place."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from scripted_model import completions, http
from scripted_model.requests import BadRequest, ChatRequest, read_request
from scripted_model.script import Answer, Author, Fault

OnSaid: TypeAlias = Callable[[ChatRequest], object]
"""Called in the server's thread when the whole reply to a request was given."""

_COMPLETIONS: Final = "/v1/chat/completions"
_MODELS: Final = "/v1/models"
_NO_JSON: Final = '{"choices": [{"delta": '


class ConnectionEnded(Exception):
    """The connection is to be closed as it is."""


class Narrator:
    """Knows what is to be said, and how often something went wrong in the place of it."""

    def __init__(self, author: Author, key: str | None, on_said: OnSaid | None) -> None:
        self._author = author
        self._key = key
        self._on_said = on_said
        self._faults: Counter[bytes] = Counter()

    def authorized(self, request: http.Request) -> bool:
        return self._key is None or request.headers.get("authorization") == f"Bearer {self._key}"

    def answer(self, request: ChatRequest) -> tuple[Answer, Fault | None]:
        """Return what is said, and what goes wrong instead; raises BadRequest where the author raises anything."""
        try:
            answer = self._author(request)
        except Exception as error:
            raise BadRequest(f"the script does not go on: {error}") from error
        fault = answer.fault
        if fault is None:
            return answer, None
        same = blake2b(json.dumps(request.messages).encode(), digest_size=16).digest()
        self._faults[same] += 1
        due = fault.times is None or self._faults[same] <= fault.times
        return answer, fault if due else None

    def said(self, request: ChatRequest) -> None:
        """Take notice that the whole reply was given."""
        if self._on_said is not None:
            self._on_said(request)


class Exchange:
    """Answers requests on one connection."""

    def __init__(self, narrator: Narrator, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._narrator = narrator
        self._reader = reader
        self._writer = writer

    async def refuse(self, status: int, message: str) -> None:
        """Answer with an error in the API's form."""
        self._writer.write(http.response(status, completions.error(message, status)))
        await self._writer.drain()

    async def chat_request(self, request: http.Request) -> ChatRequest | None:
        """Read a request for a completion; answers any other itself, and returns None."""
        if not self._narrator.authorized(request):
            await self.refuse(401, f"Incorrect API key provided: {request.headers.get('authorization')}")
        elif (request.method, request.path) == ("GET", _MODELS):
            self._writer.write(http.response(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]}))
        elif (request.method, request.path) != ("POST", _COMPLETIONS):
            await self.refuse(404, f"there is no {request.method} {request.path}")
        else:
            try:
                return read_request(request.body, request.headers)
            except BadRequest as error:
                await self.refuse(400, str(error))
        return None

    async def answer(self, request: ChatRequest, number: int) -> None:
        """Say what the script has; raises ConnectionEnded, and ConnectionError when the client goes away."""
        try:
            answer, fault = self._narrator.answer(request)
        except BadRequest as error:
            await self.refuse(400, str(error))
            return
        await asyncio.sleep(answer.pause_seconds)
        if fault is not None and fault.kind in ("status", "hang", "close", "raw"):
            await self._fail(fault)
        elif request.stream:
            await self._stream(request, answer, fault, number)
        else:
            self._writer.write(http.response(200, completions.whole(request, answer, number)))
            await self._writer.drain()
        if fault is None:
            self._narrator.said(request)

    async def _fail(self, fault: Fault) -> None:
        if fault.kind == "hang":
            await self._wait_for_end()
        if fault.kind in ("close", "raw"):
            self._writer.write(fault.raw.encode("latin-1"))
            await self._writer.drain()
            raise ConnectionEnded
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        error = completions.error(fault.message, fault.status, fault.code)
        self._writer.write(http.response(fault.status, error, headers))
        await self._writer.drain()

    async def _stream(self, request: ChatRequest, answer: Answer, fault: Fault | None, number: int) -> None:
        self._writer.write(http.stream_head())
        for position, piece in enumerate(completions.pieces(request, answer, number)):
            if fault is not None and position == fault.after:
                await self._break_off(fault)
            self._writer.write(http.event(_json(piece)))
            if answer.pause_seconds:
                await self._writer.drain()
                await asyncio.sleep(answer.pause_seconds)
        self._writer.write(http.event("[DONE]") + http.stream_end())
        await self._writer.drain()

    async def _break_off(self, fault: Fault) -> None:
        await self._writer.drain()
        match fault.kind:
            case "stall":
                await self._wait_for_end()
            case "malformed":
                self._writer.write(http.event(_NO_JSON))
            case "error":
                self._writer.write(http.event(_json(completions.error(fault.message, fault.status))))
            case _:
                raise ConnectionEnded

    async def _wait_for_end(self) -> None:
        """Say nothing until the client has enough of it."""
        await self._reader.read(1)
        raise ConnectionResetError


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
