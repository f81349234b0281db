"""Clients over HTTP of real schedulers: what is started, said and steered, and streams that miss nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest
from integration.conftest import free_port
from integration.services import Command, Site, site, wait_for

from statek.api.http import tokens
from statek.application.push_queue import PushQueue
from statek.audit.query import Query
from statek.http_client import AsyncClient, Client, Event, NewJob, ServerRefused, ServerUnreachable
from statek.store.audit_reader import AuditReader
from statek.store.directory import StoreDirectory

APP = """
from statek import Agent, FutureResult, temporal

@temporal()
def approval(what):
    return FutureResult(key="approve/" + what)

agents = [
    Agent("greeter", instructions="greet", warmup="print('hello', name)\\nexit('done ' + name)"),
    Agent("waiter", instructions="wait", warmup="import time\\nfor _ in range(200):\\n    time.sleep(0.3)\\n"),
    Agent("taker", instructions="take", warmup="print(event['a'])\\nexit('taken')"),
    Agent("asker", instructions="ask", warmup="exit(approval('trip'))", tools=[approval]),
]
"""


@dataclass
class Served:
    """A scheduler that is served over HTTP, and clients of it."""

    place: Site
    command: Command
    base: str
    bearer: str
    clients: list[Client] = field(default_factory=list)

    def client(self, bearer: str | None = None) -> Client:
        made = Client(self.base, bearer or self.bearer)
        self.clients.append(made)
        return made


def admin(place: Site) -> str:
    """Make the store and a token for everything."""
    StoreDirectory.create_or_open(place.store)
    return tokens.create(place.store / "tokens.toml", "all", ["admin"])


def serve(place: Site, port: int = 0) -> tuple[Command, str]:
    command = place.embedded_scheduler("--app", str(place.write(APP, "app.py")), "--http", f"127.0.0.1:{port}")
    (line,) = [line for line in command.log.read_text().splitlines() if "clients connect to" in line]
    return command, line.rsplit(" ", 1)[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("http")
    with site(directory, f"ipc://{directory}/executors.ipc") as place:
        bearer = admin(place)
        here = Served(place, *serve(place), bearer)
        yield here
        for client in here.clients:
            client.close()


@pytest.fixture
def client(served: Served) -> Client:
    return served.clients[0] if served.clients else served.client()


def ended(client: Client, job: str) -> dict[str, object]:
    assert [event.kind for event in client.follow(job)][-1] == "job_ended"
    return client.job(job)


def test_a_job_is_started_runs_and_is_looked_at(client: Client) -> None:
    job = client.submit("greeter", {"name": "ann"})
    found = ended(client, job)
    assert (found["outcome"], found["exit_status"], found["agent"]) == ("ok", "done ann", "greeter")
    assert "".join(str(item["data"]) for item in client.console(job).items) == "hello ann\n"
    assert [item["kind"] for item in client.chat(job).items] == ["warmup"]
    assert client.find(agent="greeter", newest=True, limit=1).items[0]["name"] == job
    assert client.calls(job).items == client.violations(job).items == ()
    assert {"greeter", "waiter"} <= {agent["agent"] for agent in client.agents()}
    assert [used["agent"] for used in client.usage()] == ["greeter"]
    assert client.health()["executors"] == len(client.executors()) == 1


def test_an_act_with_a_key_is_done_once_and_a_batch_whole(client: Client) -> None:
    first = client.submit("greeter", {"name": "k"}, key="k-1")
    assert client.submit("greeter", {"name": "k"}, key="k-1") == first
    with pytest.raises(ServerRefused) as refused:
        client.submit("greeter", {"name": "other"}, key="k-1")
    assert (refused.value.status, refused.value.code) == (409, "key_reused")
    jobs = client.submit_batch("greeter", [NewJob({"name": "b"}), NewJob({"name": "c"})])
    assert [ended(client, job)["exit_status"] for job in jobs] == ["done b", "done c"]


def test_an_event_becomes_a_job_and_one_for_nobody_is_refused(client: Client) -> None:
    assert client.push_event("taker", {"a": 7}, key="e") == client.push_event("taker", {"a": 7}, key="e")
    (job,) = wait_for(lambda: client.find(agent="taker").items, "the event's job")
    assert ended(client, job["name"])["exit_status"] == "taken"
    with pytest.raises(ServerRefused) as refused:
        client.push_event("takers", 1)
    assert (refused.value.status, refused.value.code) == (404, "unknown_agent")
    assert "did you mean 'taker'" in str(refused.value)


def test_dead_letters_are_put_back_and_thrown_away(served: Served, client: Client) -> None:
    PushQueue(store=served.place.store).push_to_job_console("job-none", "hello")
    letters = wait_for(lambda: client.dead_letters().items, "the dead letter")
    assert letters[0]["job"] == "job-none"
    assert client.redrive() == 1
    wait_for(lambda: client.dead_letters().items, "the dead letter, which is one again")
    assert client.discard() == 1
    assert client.dead_letters().items == ()


def test_a_job_that_waits_gets_its_value(client: Client) -> None:
    job = client.submit("asker")
    wait_for(lambda: client.job(job)["status"] == "SUSPENDED", "the job that waits")
    assert client.complete_future("approve/trip", "granted")["outcome"] == "completed"
    assert ended(client, job)["exit_status"] == "granted"


def test_a_job_is_told_something_and_cancelled(client: Client) -> None:
    job = client.submit("waiter", message="slowly")
    wait_for(lambda: client.job(job)["status"] == "WARMING_UP", "the job at work")
    client.push_message(job, "faster")
    wait_for(lambda: [item["text"] for item in client.chat(job).items if item["kind"] == "user"][1:], "the message")
    assert client.cancel(job, "enough") is True
    assert ended(client, job)["outcome"] == "cancelled"
    assert client.cancel(job) is False
    assert client.retry(job) is True
    wait_for(lambda: client.job(job)["status"] == "WARMING_UP", "the job at work again")
    assert client.cancel(job) is True


def test_who_was_refused_is_on_the_audit_log_without_the_token(served: Served) -> None:
    file = served.place.store / "tokens.toml"
    bearer = tokens.create(file, "reader", ["read"], ["greeter"])
    reader = served.client(bearer)
    reader.find(agent="greeter")
    with pytest.raises(ServerRefused, match="scope 'submit'"):
        reader.submit("greeter")
    tokens.revoke(file, "reader")
    with pytest.raises(ServerRefused, match="401"):
        reader.find(agent="greeter")

    def told() -> str:
        with AuditReader.read(StoreDirectory(served.place.store).ledger) as audit:
            return str(list(audit.select(Query(None, frozenset({"http_refused"})))))

    log = wait_for(lambda: "unknown_token" in (text := told()) and text, "the refusals on record")
    assert '"scope"' in log
    assert bearer not in log


def test_a_stream_that_is_cut_off_at_every_event_tells_each_once(client: Client) -> None:
    job = client.submit("greeter", {"name": "cut"})
    whole = list(client.follow(job))
    assert [event.kind for event in whole][:2] == ["job_created", "batch_submitted"]
    pieces: list[Event] = []
    while not pieces or pieces[-1].kind != "job_ended":
        pieces += islice(client.follow(job, pieces[-1].cursor if pieces else 0), 1)
    assert pieces == whole


def test_a_stream_tells_what_happens_when_it_happens(served: Served) -> None:
    async def follow() -> list[str]:
        async with AsyncClient(served.base, served.bearer) as client:
            job = await client.submit("waiter")
            kinds = []
            async for event in client.follow(job):
                kinds.append(event.kind)
                if event.kind == "batch_started":
                    assert await client.cancel(job, "seen")
            return kinds

    kinds = asyncio.run(follow())
    assert kinds[-1] == "job_ended"
    assert "job_cancelled" in kinds


def test_nothing_is_missed_over_a_scheduler_that_is_killed(short_path: Path) -> None:
    with site(short_path, f"ipc://{short_path}/executors.ipc") as place:
        bearer = admin(place)
        command, base = serve(place, free_port())
        with Client(base, bearer) as client:
            job = client.submit("waiter")
            seen: list[Event] = []
            follower = threading.Thread(target=lambda: seen.extend(client.follow(job)))
            follower.start()
            wait_for(lambda: sum(event.kind == "call_requested" for event in seen) > 1, "the job well on its way")
            command.kill()
            command.wait()
            command, _ = serve(place, int(base.rsplit(":", 1)[1]))
            assert client.cancel(job) is True
            follower.join(60)
            assert seen == list(client.follow(job))
            assert [event.kind for event in seen].count("batch_started") == 2
            still = client.submit("waiter")
            with client._http.stream("GET", f"/v1/jobs/{still}/events") as response:
                reading = response.iter_lines()
                next(reading)
                command.kill(15)
                assert command.wait(30) == 0, "an open stream keeps no scheduler from stopping"
                assert list(reading), "it was brought to its end"


def test_a_scheduler_says_why_it_does_not_serve(short_path: Path) -> None:
    with site(short_path, f"ipc://{short_path}/executors.ipc") as place:
        command = place.embedded_scheduler("--http", "127.0.0.1:0")
        assert command.wait() == 1
        (line,) = command.log.read_text().splitlines()
        assert "statek token create" in line
        command = place.embedded_scheduler("--http", "127.0.0.1")
        assert command.wait() == 2
        assert "--http takes HOST:PORT" in command.log.read_text()


def test_a_server_that_is_not_there_is_told_when_patience_ends() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", "t", patience_seconds=0.2) as client:
        with pytest.raises(ServerUnreachable, match=r"for 0\.2 s"):
            client.agents()
        with pytest.raises(ServerUnreachable):
            list(client.follow("job"))
