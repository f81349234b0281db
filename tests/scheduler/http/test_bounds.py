"""What the HTTP server does not put up with: what is too large, too slow, too much, or sent under another name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Literal

import pytest
from http_stand import BODY_BYTES, DEADLINE_SECONDS, Here, problem
from integration.services import wait_for

from statek.api.http import acts, listening, shares, threads
from statek.api.http import guard as guarding
from statek.application.client_api import submit_new_job
from statek.application.push_queue import PushQueue
from statek.store.queue_table import QueueItem


def test_a_body_that_is_too_large_is_refused(here: Here) -> None:
    problem(here.ask("POST", "/v1/jobs", b" " * (BODY_BYTES + 1)), 413, "too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * (BODY_BYTES // 10)

    response = here.client.post("/v1/jobs", content=pieces(), headers=here.headers())
    problem(response, 413, "too_large")
    assert here.ask("GET", "/v1/jobs?limit=1").status_code == 200


def test_a_head_that_is_too_large_is_refused(here: Here) -> None:
    with here.connect() as verbose:
        verbose.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nMore: " + b"x" * 20_000)
        assert verbose.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example", "rebound.example:80", "127.0.0.1.rebound.example", "", ":80", "localhost.", "127.1"),
        *(
            "localhost:rebound.example",
            "localhost:80:80",
            "[::1]rebound.example",
            "[localhost]",
            "[::1]:x",
            "[127.0.0.1",
        ),
    ],
)
def test_only_names_of_the_loopback_are_answered(here: Here, host: str) -> None:
    problem(here.ask("GET", "/v1/jobs", Host=host), 421, "host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8700", "[::1]"])
def test_all_names_of_the_loopback_are_answered(here: Here, host: str) -> None:
    assert here.ask("GET", "/v1/jobs?limit=1", Host=host).status_code == 200


def test_responses_are_for_nobody_elses_eyes(here: Here) -> None:
    response = here.ask("GET", "/v1/jobs?limit=1", Origin="https://page.example")
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers


@pytest.mark.parametrize("sent", [b"", b"GET /v1/jobs HTTP/1.1\r\nHost: loc"])
def test_a_connection_on_which_nothing_is_asked_is_closed(
    here: Here, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(listening, "HEADER_SECONDS", 0.2)
    with here.connect() as idle:
        idle.sendall(sent)
        assert idle.recv(1) == b""


def test_a_connection_is_closed_when_its_next_request_does_not_come(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(listening, "KEEP_ALIVE_SECONDS", 0.2)
    with here.connect() as idle:
        idle.sendall(here.head(path="/v1/jobs?limit=1"))
        assert idle.recv(100).startswith(b"HTTP/1.1 200 ")
        idle.sendall(b"GET /v1/jobs HTTP/1.1\r\n")
        assert _rest_of(idle) is not None


def test_a_body_that_does_not_come_is_not_waited_for(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "BODY_SECONDS", 0.2)
    with here.connect() as slow:
        slow.sendall(here.head("POST", "/v1/jobs", "Content-Length: 10") + b"{")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert _rest_of(slow) is not None


def test_who_does_not_take_what_was_asked_for_is_cut_off(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "STALLED_SECONDS", 0.2)
    here.ask("POST", "/v1/jobs", {"agent": "greeter", "name": "talked-to", "message": "x" * 60_000})
    asked = here.head(path="/v1/jobs/talked-to/chat")

    def talk_on(deaf: socket.socket) -> None:
        while True:
            deaf.sendall(asked)

    with here.connect() as deaf, pytest.raises((ConnectionResetError, BrokenPipeError)):
        talk_on(deaf)


def test_beyond_so_many_connections_none_is_taken(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.ask("GET", "/v1/agents")  # it has one of its own
    monkeypatch.setattr(listening, "CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(here.connect()) for _ in range(2)]
        for one in taken:
            one.sendall(here.head(path="/v1/jobs?limit=1"))
            assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        beyond = stack.enter_context(here.connect())
        with contextlib.suppress(ConnectionResetError):
            assert beyond.recv(1) == b""
    assert here.ask("GET", "/v1/jobs?limit=1").status_code == 200


def test_whoever_has_no_token_makes_room_for_those_who_come(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.ask("GET", "/v1/agents")
    monkeypatch.setattr(listening, "CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        silent, refused = (stack.enter_context(here.connect()) for _ in range(2))
        refused.sendall(b"GET /v1/agents HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert refused.recv(100).startswith(b"HTTP/1.1 401 ")
        for stranger in (silent, refused):
            known = stack.enter_context(here.connect())
            known.sendall(here.head(path="/v1/agents"))
            assert known.recv(100).startswith(b"HTTP/1.1 200 ")
            _rest_of(stranger)
        assert here.ask("GET", "/v1/agents").status_code == 200, "who was there with a token stays"


def _rest_of(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(4096):
            parts.append(part)
    return b"".join(parts)


def test_one_token_has_so_many_requests_in_hand_and_leaves_room_for_others(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "REQUESTS", 2)
    job = submit_new_job("greeter", store=here.store).name
    asked = f"/v1/jobs/{job}/events"
    with here.client.stream("GET", asked, headers=here.headers("read")) as first:
        assert first.status_code == 200
        with here.client.stream("GET", asked, headers=here.headers("read")) as second:
            assert second.status_code == 200
            told = here.ask("GET", "/v1/agents", who="read")
            problem(told, 429, "too_many")
            assert told.headers["retry-after"] == "1"
            assert here.ask("GET", "/v1/agents").status_code == 200
    wait_for(lambda: here.ask("GET", "/v1/agents", who="read").status_code == 200, "the server to notice")


@pytest.mark.parametrize("twice", ["Host: localhost", "Authorization: Bearer x", "Content-Length: 3"])
def test_a_header_that_decides_stands_there_once(here: Here, twice: str) -> None:
    more = ("Content-Type: application/json", "Content-Length: 2", "Connection: close", twice)
    with here.connect() as asking:
        asking.sendall(here.head("POST", "/v1/jobs", *more) + b"{}")
        assert _rest_of(asking).startswith(b"HTTP/1.1 400 ")


def test_a_body_of_which_two_headers_say_where_it_ends_is_refused(here: Here) -> None:
    more = ("Content-Type: application/json", "Content-Length: 3", "Transfer-Encoding: chunked")
    with here.connect() as asking:
        asking.sendall(here.head("POST", "/v1/jobs", *more) + b'13\r\n{"agent":"greeter"}\r\n0\r\n\r\n')
        answered = _rest_of(asking)
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"not both" in answered


def test_dead_letters_are_read_in_steps_for_each_may_be_large(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "_STEP", 2)
    asked: list[int] = []

    def letters(queue: PushQueue, *, after: int, limit: int) -> list[QueueItem]:
        asked.append(limit)
        numbers = range(after + 1, min(after + limit, 5) + 1)
        return [QueueItem(number, queue.name, "greeter", "", b"12345", "k", "s", 0, 0, "why") for number in numbers]

    monkeypatch.setattr(PushQueue, "dead_letters", letters)
    first = here.ask("GET", "/v1/queues/main/dead?limit=3").json()
    assert [(letter["number"], letter["body"]) for letter in first["letters"]] == [(1, 5), (2, 5), (3, 5)]
    assert asked == [2, 1]
    second = here.ask("GET", f"/v1/queues/main/dead?limit=10&after={first['after']}").json()
    assert ([letter["number"] for letter in second["letters"]], second["after"]) == ([4, 5], None)


@pytest.mark.parametrize("kind", ["read", "act"])
def test_for_one_token_few_threads_are_at_work_and_for_all_some_more(
    monkeypatch: pytest.MonkeyPatch, kind: Literal["read", "act"]
) -> None:
    monkeypatch.setattr(threads, "ACTORS_OF_TOKEN", 1)
    monkeypatch.setattr(threads, "ACTORS", 2)
    at_once: list[tuple[str, ...]] = []
    reading: list[str] = []
    both = threading.Barrier(2, timeout=DEADLINE_SECONDS)

    def work(token: str) -> None:
        reading.append(token)
        at_once.append(tuple(reading))
        both.wait()
        reading.remove(token)

    async def ask() -> None:
        carrying_out = getattr(threads.Threads(), kind)
        tokens = ("one", "two") * 5
        await asyncio.gather(*(carrying_out(token, partial(work, token)) for token in tokens))

    asyncio.run(ask())
    assert len(at_once) == 10
    assert max(map(len, at_once)) == 2
    assert all(len(set(tokens)) == len(tokens) for tokens in at_once), "a token has one thread at a time"
