"""The client for HTTP, against servers that fail: what it sends again, what it does not, and when it gives up."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, assert_type

import pytest

from statek.http_client import AsyncClient, Client, Event, Page, ServerRefused, ServerUnreachable, acts
from statek.http_client.retrying import Attempts


@dataclass
class Server:
    """Answers each connection with the next of some texts and closes it; one that is empty is no answer."""

    base: str
    heads: list[str] = field(default_factory=list)

    @property
    def keys(self) -> list[str | None]:
        return [_header(head, "idempotency-key") for head in self.heads]


@contextmanager
def server(*answers: bytes) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Server(f"http://127.0.0.1:{listening.getsockname()[1]}")

        def run() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    data = b""
                    while b"\r\n\r\n" not in data or not _is_whole(data):
                        data += connection.recv(65536)
                    made.heads.append(data.decode())
                    connection.sendall(answer)

        thread = threading.Thread(target=run)
        thread.start()
        yield made
        thread.join(30)
        assert not thread.is_alive(), "fewer requests came than were to come"


def _is_whole(data: bytes) -> bool:
    head, _, body = data.partition(b"\r\n\r\n")
    length = _header(head.decode(), "content-length")
    return len(body) >= int(length or 0)


def _header(head: str, name: str) -> str | None:
    found = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith(name + ":")]
    return found[0] if found else None


def answer(status: int, told: Any, *headers: str) -> bytes:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    lines = (f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def streamed(*texts: str) -> bytes:
    """A stream that is cut off after these."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(f"{len(text.encode()):x}\r\n{text}\r\n".encode() for text in texts)


def event(cursor: int, kind: str = "turn_requested") -> str:
    return f"id: {cursor}\nevent: {kind}\ndata: {json.dumps({'cursor': cursor, 'kind': kind, 'job': 'j'})}\n\n"


BUSY = answer(503, {"status": 503, "code": "scheduler_silent", "detail": "x"})
STARTED = answer(201, {"jobs": ["j"]})


def test_an_act_is_sent_again_under_the_same_key_until_it_is_answered() -> None:
    with server(BUSY, b"", STARTED[:60], STARTED) as busy, Client(busy.base, "t") as client:
        assert client.submit("greeter") == "j"
    assert len(set(busy.keys)) == 1
    assert busy.keys[0]


def test_the_key_of_the_program_is_the_one_that_is_sent() -> None:
    with server(STARTED, STARTED) as plain, Client(plain.base, "t") as client:
        client.submit("greeter", key="mine")
        client.submit("greeter")
    assert plain.keys[0] == "mine"
    assert plain.keys[1] not in (None, "mine")


def test_what_could_be_done_twice_is_not_sent_twice() -> None:
    with server(b"", BUSY) as busy, Client(busy.base, "t") as client:
        with pytest.raises(ServerUnreachable):
            client.retry("j")
        with pytest.raises(ServerRefused, match="scheduler_silent"):
            client.redrive()
    assert len(busy.heads) == 2


def test_a_refusal_says_what_the_server_said_and_is_not_sent_again() -> None:
    told = {"status": 422, "code": "invalid", "detail": "no", "fields": [{"field": "agent", "reason": "missing"}]}
    with (
        server(answer(422, told)) as refusing,
        Client(refusing.base, "t") as client,
        pytest.raises(ServerRefused) as refused,
    ):
        client.submit("greeter")
    error = refused.value
    assert (error.status, error.code, error.detail, error.fields[0]["field"]) == (422, "invalid", "no", "agent")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff", b'{"code": 1}'])
def test_what_no_scheduler_says_is_told_as_that(body: bytes) -> None:
    reason = "no answer of a scheduler"
    with server(answer(500, body)) as odd, Client(odd.base, "t") as client, pytest.raises(ServerRefused, match=reason):
        client.agents()


def test_a_stream_goes_on_where_it_was_cut_off_and_tells_nothing_twice() -> None:
    answers = (
        streamed("retry: 1000\n\n", event(1), event(2)[:20]),
        b"",
        BUSY,
        streamed(event(1), event(2), ": quiet\n\n"),
        streamed(event(3), event(4, "job_ended"), event(5)),
    )
    with server(*answers) as cutting, Client(cutting.base, "t") as client:
        assert [event.cursor for event in client.follow("j")] == [1, 2, 3, 4]
    assert [_header(head, "last-event-id") for head in cutting.heads] == ["0", "1", "1", "1", "2"]


def test_a_stream_that_goes_beyond_the_end_is_followed_where_that_is_wanted() -> None:
    with server(streamed(event(1, "job_ended"), event(2))) as longer, Client(longer.base, "t") as client:
        found = client.follow("j", until_end=False)
        assert [event.cursor for event in itertools.islice(found, 2)] == [1, 2]


def test_a_stream_that_is_refused_is_told() -> None:
    told = answer(404, {"status": 404, "code": "unknown_job", "detail": "there is no job"})
    with (
        server(told) as refusing,
        Client(refusing.base, "t") as client,
        pytest.raises(ServerRefused, match="unknown_job"),
    ):
        list(client.follow("j"))


def test_the_asynchronous_client_does_the_same() -> None:
    async def run(base: str) -> tuple[str, list[Event]]:
        async with AsyncClient(base, "t") as client:
            job = await client.submit("greeter")
            return job, [event async for event in client.follow(job)]

    with server(b"", STARTED, streamed(event(1)), streamed(event(2, "job_ended"))) as cutting:
        job, events = asyncio.run(run(cutting.base))
    assert job == "j"
    assert [event.cursor for event in events] == [1, 2]


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, inspect.Signature]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: inspect.signature(one) for name, one in found if not name.startswith("_")}

    plain, other = methods(Client), methods(AsyncClient)
    assert plain.keys() - {"close"} == other.keys() - {"aclose"}
    for name in plain.keys() & other.keys():
        assert plain[name].parameters == other[name].parameters, name


def test_methods_say_what_they_take_and_give_to_people_and_to_type_checkers() -> None:
    async def awaited(client: AsyncClient) -> None:
        assert_type(await client.submit("greeter"), str)
        assert_type(await client.submit_batch("greeter", []), tuple[str, ...])
        assert_type(await client.find(limit=1), Page)
        assert_type(await client.cancel("j"), bool)

    def waited_for(client: Client) -> None:
        assert_type(client.submit("greeter"), str)
        assert_type(client.find(limit=1), Page)
        assert_type(client.cancel("j"), bool)
        client.submit("greeter", mesage="x")  # type: ignore[call-arg]

    assert inspect.iscoroutinefunction(awaited)
    assert callable(waited_for)
    for kind in (Client, AsyncClient):
        assert str(inspect.signature(kind.cancel)) == "(self, job: str, reason: str | None = None) -> bool"
        assert str(kind.cancel.__doc__).startswith("End a job;")
        assert kind.cancel.__qualname__ == f"{kind.__name__}.cancel"
    assert inspect.iscoroutinefunction(AsyncClient.cancel)
    assert not inspect.iscoroutinefunction(Client.cancel)


def test_every_act_is_a_method_of_both_clients() -> None:
    described = {
        name
        for name, one in inspect.getmembers(acts, inspect.isfunction)
        if not name.startswith("_")
        and one.__module__ == acts.__name__
        and "Call[" in str(one.__annotations__["return"])
    }
    for kind in (Client, AsyncClient):
        assert {name for name in vars(kind) if name in described} == described


@pytest.mark.parametrize("told", [{}, {"jobs": []}, {"jobs": 7}])
def test_an_answer_of_another_form_is_no_answer_of_a_scheduler(told: Any) -> None:
    reason = "no answer of a scheduler"
    with server(answer(200, told)) as odd, Client(odd.base, "t") as client, pytest.raises(ServerRefused, match=reason):
        client.submit("greeter")


@pytest.mark.parametrize("answered", [answer(204, b""), streamed("data: {}\n\n"), streamed('data: "x"\n\n')])
def test_a_stream_of_another_form_is_no_stream_of_a_scheduler(answered: bytes) -> None:
    reason = "no answer of a scheduler"
    with server(answered) as odd, Client(odd.base, "t") as client, pytest.raises(ServerRefused, match=reason):
        list(client.follow("j"))


def test_waits_grow_are_as_long_as_the_server_asks_and_come_to_an_end() -> None:
    attempts = Attempts("http://127.0.0.1", 60)

    def wait(asked: str | None = None) -> float:
        attempts.failed("busy", asked)
        return attempts.wait_seconds

    waits = [wait() for _ in range(10)]
    assert waits[0] <= 0.1
    assert 2.5 <= waits[-1] <= 5
    assert wait("7") >= 7
    with pytest.raises(ServerUnreachable, match="for 60 s: busy"):
        wait("61")
    attempts.succeeded()
    assert wait("²") <= 0.1


def test_no_proxy_of_the_environment_gets_the_token_of_a_server_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, server(STARTED, STARTED) as here:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        for address in (here.base, here.base.replace("127.0.0.1", "localhost")):
            with Client(address, "t", timeout_seconds=5, patience_seconds=0) as client:
                assert client.submit("greeter") == "j"


@pytest.mark.parametrize("address", ["", "127.0.0.1:8700", "ftp://localhost", "http://", "http://localhost?x=1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no address of a server"):
        Client(address, "t")


@pytest.mark.parametrize("address", ["http://example.org", "http://127.0.0.1.example.org:80", "http://10.0.0.1"])
def test_a_token_is_sent_unencrypted_over_a_network_only_where_that_is_said(address: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Client(address, "secret-token")
    with Client(address, "secret-token", plain_http=True) as client:
        assert "secret-token" not in repr(client)
