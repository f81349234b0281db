"""Events of a job as the HTTP server streams them: from where on, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from http_stand import (
    DEADLINE_SECONDS,
    Here,
    as_headers,
    problem,
    serving,
)

from statek.api.http import stream, tokens
from statek.application.client_api import submit_new_job
from statek.inspection.store_view import StoreView


def lines(reading: Iterator[str], until: str) -> list[str]:
    """Read so far; a stream of which the iterator is dropped is closed."""
    found = []
    for line in reading:
        found.append(line)
        if until in line:
            return found
    raise AssertionError(f"the stream ended before {until!r}: {found}")


def test_a_quiet_stream_says_that_it_is_there(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.1)
    job = submit_new_job("greeter", store=here.store).name
    with here.client.stream("GET", f"/v1/jobs/{job}/events", headers=here.headers()) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert lines(response.iter_lines(), ": quiet")[0].startswith("retry: ")


def test_a_stream_begins_after_the_cursor_that_is_named(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.1)
    job = submit_new_job("greeter", store=here.store).name

    def cursors(path: str = "", **headers: str) -> list[int]:
        given = {**here.headers(), **as_headers(headers)}
        with here.client.stream("GET", f"/v1/jobs/{job}/events{path}", headers=given) as response:
            return [int(line[4:]) for line in lines(response.iter_lines(), ": quiet") if line.startswith("id: ")]

    monkeypatch.setattr(stream, "_FIRST_PAGE", 1)
    monkeypatch.setattr(stream, "PAGE_BYTES", 100)
    whole = cursors()
    assert len(whole) == 2
    assert cursors(f"?after={whole[0]}") == whole[1:]
    assert cursors(Last_Event_ID=str(whole[0])) == whole[1:]
    assert cursors("?after=0", Last_Event_ID=str(whole[1])) == []
    for wrong in ("x", "-1", "9" * 30):
        problem(here.ask("GET", f"/v1/jobs/{job}/events", Last_Event_ID=wrong), 400, "malformed")
    problem(here.ask("GET", f"/v1/jobs/{job}/events?after={1 << 70}"), 422, "invalid")


def test_a_stream_of_a_job_that_never_rests_ends_when_its_token_is_revoked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stream.EventStream, "_next_page", lambda self: "data: more\n\n")
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.01)
    good = iter([True] * 4)
    given: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        given.append(message)

    async def follow() -> None:
        told = stream.EventStream(
            StoreView(tmp_path), stream.Commits(), to_thread.run_sync, "job", 0, lambda: next(good, False)
        )
        async with asyncio.timeout(DEADLINE_SECONDS):
            await told({}, receive, send)

    asyncio.run(follow())
    assert [message.get("body") for message in given].count(b"data: more\n\n") == 3
    assert given[-1]["more_body"] is False


def test_a_stream_ends_when_its_token_is_revoked(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.1)
    bearer = tokens.create(here.store / "tokens.toml", "passing", ["read"])
    job = submit_new_job("greeter", store=here.store).name
    headers = {"Authorization": f"Bearer {bearer}"}
    with here.client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as response:
        lines(reading := response.iter_lines(), "data:")
        tokens.revoke(here.store / "tokens.toml", "passing")
        for _ in reading:
            pass  # until it ends; if it did not, the test would not
    problem(here.ask("GET", f"/v1/jobs/{job}/events", who=bearer), 401, "unknown_token")


def test_there_are_no_more_streams_than_a_server_can_carry(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STREAMS", 1)
    job = submit_new_job("greeter", store=here.store).name
    with here.client.stream("GET", f"/v1/jobs/{job}/events", headers=here.headers()) as response:
        lines(reading := response.iter_lines(), "data:")
        told = here.ask("GET", f"/v1/jobs/{job}/events")
        problem(told, 503, "streams")
        assert told.headers["retry-after"]
        assert reading is not None


def test_a_server_with_open_streams_stops(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        job = submit_new_job("greeter", store=served.store).name
        with served.client.stream("GET", f"/v1/jobs/{job}/events", headers=served.headers()) as response:
            reading = response.iter_lines()
            next(reading)
            served.server.stop()
            assert list(reading)[-1] == "", "it was brought to its end"
        served.server.stop()
