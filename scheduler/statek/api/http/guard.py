"""What every request goes through before anything reads it: the name it was sent to, who sent it, its size, its time.

A page in a browser of this machine can send requests here under a name of its own that it lets point to the loopback
address (DNS rebinding), so on the loopback only names of the loopback are answered. Of who has no token that is known
nothing is read but the head of the request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from contextlib import ExitStack
from typing import Any, Final

from statek.api.http.problems import Problem, respond
from statek.api.http.shares import Shares
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
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")
"""A name or an address, and a port or none."""
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
        self._shares = Shares()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served, not {scope['type']}")
        sending = _with_headers(send)
        with ExitStack() as in_hand:
            try:
                token = self._let_in(scope)
                in_hand.enter_context(self._shares.taken(token.name))
                body = await self._body(receive)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing of it but a problem goes out
                await respond(self._tell(error, scope))(scope, receive, sending)
                return
            scope["path"] = scope["raw_path"].decode("ascii")  # a name may have a slash in it, as %2F
            await self._app(scope, _replaying(body, receive), sending)

    def _let_in(self, scope: Scope) -> Token:
        """Return the token of a request that may come in, which is in its state then; raises `Problem`."""
        headers = scope["headers"]
        self._check_host(_only(headers, b"host"))
        token = scope.setdefault("state", {})["token"] = self._token(_only(headers, b"authorization"))
        self._check_length(_only(headers, b"content-length"), _only(headers, b"transfer-encoding"))
        return token

    def _check_host(self, host: str) -> None:
        found = _HOST.fullmatch(host)
        if self._hosts is not None and (found is None or found["name"].strip("[]").lower() not in self._hosts):
            raise Problem(421, "host", "this server is not known by the name in the Host header")

    def _token(self, authorization: str) -> Token:
        scheme, _, bearer = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not bearer.strip():
            reason = "a bearer token is needed, which `statek token create` makes: Authorization: Bearer statek_..."
            raise Problem(401, "no_token", reason, {"WWW-Authenticate": "Bearer"})
        token = self._tokens.find(bearer.strip())
        if token is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise Problem(401, "unknown_token", "this server does not know that token", challenge)
        return token

    def _check_length(self, length: str, encoding: str) -> None:
        if length and encoding:  # what stands between may believe the one, and take the rest for another request
            reason = "a body has Content-Length or Transfer-Encoding, and not both"
            raise Problem(400, "malformed", reason, {"Connection": "close"})
        if length.isdigit() and int(length[:20]) > self._max_body_bytes:
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


def _only(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Return the value of a header, "" where there is none; raises `Problem` where it stands there twice."""
    found = [value for known, value in headers if known == name]
    if len(found) > 1:
        raise Problem(400, "malformed", f"the header {name.decode()} stands there more than once")
    return found[0].decode("latin-1") if found else ""


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
