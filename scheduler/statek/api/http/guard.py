"""What every request goes through before anything reads it: the name it was sent to, who sent it, its size, its time.

A page in a browser of this machine can send requests here under a name of its own that it lets point to the loopback
address (DNS rebinding), so on the loopback only names of the loopback are answered. Of who has no token that is known
nothing is read but the head of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from statek.api.http.problems import Problem, respond
from statek.api.http.tokens import Token, Tokens

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Tell = Callable[[Exception, Scope], Problem]
"""Makes a problem of what went wrong with a request, and has it on record where somebody was refused."""

BODY_SECONDS: Final = 20.0
"""How long a request's body may take to come."""
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """An ASGI application around another one, which finds the token of who asks in `scope["state"]`."""

    def __init__(
        self,
        app: App,
        tokens: Tokens,
        tell: Tell,
        *,
        hosts: Collection[str] | None,
        max_body_bytes: int,
    ) -> None:
        """`hosts` are the names that a request may be sent to, None for any."""
        self._app = app
        self._tokens = tokens
        self._tell = tell
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served, not {scope['type']}")
        sending = _with_headers(send)
        try:
            body = await self._let_in(scope, receive)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing of it but a problem goes out
            await respond(self._tell(error, scope))(scope, receive, sending)
            return
        scope["path"] = scope["raw_path"].decode("ascii")  # a name may have a slash in it, as %2F
        await self._app(scope, _replaying(body, receive), sending)

    async def _let_in(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a request that may come in, whose token is in its state then; raises `Problem`."""
        headers = dict(reversed(scope["headers"]))
        self._check_host(headers.get(b"host", b""))
        scope.setdefault("state", {})["token"] = self._token(headers.get(b"authorization"))
        self._check_length(headers.get(b"content-length"))
        return await self._body(receive)

    def _check_host(self, host: bytes) -> None:
        name = host.decode("latin-1").rsplit(":", 1)[0] if not host.endswith(b"]") else host.decode("latin-1")
        if self._hosts is not None and name.strip("[]").lower() not in self._hosts:
            raise Problem(421, "host", "this server is not known by the name in the Host header")

    def _token(self, authorization: bytes | None) -> Token:
        scheme, _, bearer = (authorization or b"").decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer" or not bearer.strip():
            reason = "a bearer token is needed, which `statek token create` makes: Authorization: Bearer statek_..."
            raise Problem(401, "no_token", reason, {"WWW-Authenticate": "Bearer"})
        token = self._tokens.find(bearer.strip())
        if token is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem(401, "unknown_token", "this server does not know that token", challenge)
        return token

    def _check_length(self, length: bytes | None) -> None:
        if length is not None and length.isdigit() and int(length[:20]) > self._max_body_bytes:
            raise self._too_large()

    async def _body(self, receive: Receive) -> bytes:
        """Read the whole body, within its bounds."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "malformed", "the request ended before its body")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            reason = f"the body did not come within {BODY_SECONDS:g} s"
            raise Problem(408, "too_slow", reason, {"Connection": "close"}) from None

    def _too_large(self) -> Problem:
        reason = f"the body of a request may have {self._max_body_bytes} bytes (http_max_body_bytes)"
        return Problem(413, "too_large", reason)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read already, then whatever comes after it."""
    waiting = [body]

    async def give() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return give


def _with_headers(send: Send) -> Send:
    async def give(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return give
