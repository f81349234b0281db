"""Who asks, as the guard found out, and what may be asked: JSON that means the same to everybody."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.responses import Response

from statek.api.http.problems import Problem, invalid
from statek.api.http.who import Who

_SCHEME: Final = HTTPBearer(auto_error=False, description="A token that `statek token create` made.")
"""For the description alone: the guard lets nobody come so far without a token."""
_DEPTH: Final = 64


async def who(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]) -> Who:
    """Return who asks."""
    return Who(request.state.token)


async def who_acts(
    asker: Annotated[Who, Depends(who)],
    idempotency_key: Annotated[str | None, Header(description="The same request again is the same act.")] = None,
) -> Who:
    """Return who asks for something that may be asked for again."""
    return replace(asker, key=idempotency_key)


Asker = Annotated[Who, Depends(who)]
KeyedAsker = Annotated[Who, Depends(who_acts)]


class StrictRequest(Request):
    """A request whose JSON is JSON: no NaN, no key twice, and not nested beyond all measure."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict_json"):
            self._strict_json = read_json(await self.body())
        return self._strict_json


class CheckedRoute(APIRoute):
    """A route that leaves nothing of a request unread: no parameter that it does not take, no body of another kind."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            self._check_query(request)
            strict = StrictRequest(request.scope, request.receive)
            if await strict.body():
                await self._check_body(strict)
            return await handle(strict)

        return checked

    async def _check_body(self, request: StrictRequest) -> None:
        if not _is_json(request.headers.get("content-type", "")):
            raise Problem(415, "media_type", "a body is JSON, with the header Content-Type: application/json")

    def _check_query(self, request: Request) -> None:
        seen: set[str] = set()
        for name, _ in request.query_params.multi_items():
            if not self.dependant.query_params:
                raise invalid([{"loc": (name,), "msg": "there are no parameters here"}])
            if name in seen:
                raise invalid([{"loc": (name,), "msg": "it is given more than once"}])
            seen.add(name)


class StrictRoute(CheckedRoute):
    """A route whose body is JSON that means the same to everybody, and says nothing where nothing is to be said."""

    async def _check_body(self, request: StrictRequest) -> None:
        await super()._check_body(request)
        told = await request.json()  # here, because FastAPI has but one reason for all that goes wrong with it there
        if self.body_field is None and told != {}:
            raise invalid([{"loc": ("body",), "msg": "nothing is to be said here"}])


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def read_json(body: bytes) -> Any:
    """Read the body of a request; raises `Problem` 400 where it is none that means the same to everybody."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError:
        raise Problem(400, "malformed", "the body is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, "malformed", f"the body is no JSON: {error}") from None
    if _deeper_than(value, _DEPTH):
        raise Problem(400, "malformed", f"the body is nested more than {_DEPTH} deep")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is beyond all numbers that can be kept")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _deeper_than(value: Any, layers: int) -> bool:
    here = [value]
    for _ in range(layers):
        here = [
            part
            for one in here
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not here:
            return False
    return True
