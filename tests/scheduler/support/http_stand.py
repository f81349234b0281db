"""An HTTP server of this process on a store that nobody serves, what it told its scheduler, and a client of it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from statek.agents.agent import Agent
from statek.api.http import results, tokens
from statek.api.http.server import HttpOptions, HttpServer
from statek.api.http.side import SchedulerSide
from statek.application import asking
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.store.directory import StoreDirectory

BODY_BYTES = 64 * 1024
DEADLINE_SECONDS = 30.0


@dataclass
class Here:
    """A server of this process, what it told its scheduler, and a client of it."""

    server: HttpServer
    store: Path
    tokens: dict[str, str]
    client: httpx2.Client
    refusals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    committed: list[Any] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, who: str | None = "admin", **more: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self.client.request(method, path, content=content, headers={**self.headers(who), **as_headers(more)})

    def headers(self, who: str | None = "admin") -> dict[str, str]:
        known = {} if who is None else {"Authorization": f"Bearer {self.tokens.get(who, who)}"}
        return {"Content-Type": "application/json", **known}

    def rpc(self, body: Any, who: str = "admin") -> Any:
        response = self.ask("POST", "/rpc", body, who)
        assert response.status_code == 200, response.text
        return response.json()

    def connect(self) -> socket.socket:
        host, port = self.server.address.removeprefix("http://").split(":")
        made = socket.create_connection((host, int(port)))
        made.settimeout(DEADLINE_SECONDS)
        return made

    def head(self, method: str = "GET", path: str = "/v1/jobs", *more: str) -> bytes:
        lines = (f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.tokens['admin']}", *more)
        return "\r\n".join((*lines, "", "")).encode()


def as_headers(given: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


async def healthy() -> dict[str, Any]:
    return {"ready": True}


async def connected() -> results.ExecutorList:
    return {"executors": []}


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Here]:
    """Serve a store in which two agents are known and nothing runs."""
    store = StoreDirectory.create_or_open(directory / "store")
    definitions = [Agent(name, instructions="wait", warmup="print(1)").definition() for name in ("greeter", "waiter")]

    def define(loop: Loop, tick: Tick) -> None:
        loop.roster.define(tick, definitions)

    asking.decided(store.path, define, lambda client: pytest.fail("a scheduler runs"))
    file = store.path / "tokens.toml"
    known = {scope: tokens.create(file, scope, [scope]) for scope in tokens.SCOPES}
    known["greeters"] = tokens.create(file, "greeters", ["read", "submit", "push", "steer"], ["greeter"])
    refusals: list[tuple[str, dict[str, Any]]] = []
    committed: list[Any] = []
    side = SchedulerSide(healthy, connected, lambda code, said: refusals.append((code, said)), committed.append)
    server = HttpServer(HttpOptions(file, port=0, max_body_bytes=BODY_BYTES), store.path, side)
    server.start()
    try:
        with httpx2.Client(base_url=server.address, timeout=DEADLINE_SECONDS) as client:
            yield Here(server, store.path, known, client, refusals, committed)
    finally:
        server.stop()
        assert not server.is_serving


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    told = response.json()
    assert (response.status_code, told["status"], told["code"]) == (status, status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in response.text
    assert isinstance(told, dict)
    return told
