"""The HTTP server by itself, on a store that nobody serves: who is let in, what is refused, and where it listens."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from http_stand import (
    Here,
    connected,
    healthy,
    problem,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from statek.api.http import acts, tokens
from statek.api.http.methods import METHODS
from statek.api.http.server import HttpOptions, HttpServer
from statek.api.http.side import SchedulerSide
from statek.application.client_api import submit_new_job
from statek.errors import EndpointUnusable

# who is let in


def test_nobody_comes_in_without_a_token_that_is_known(here: Here) -> None:
    here.refusals.clear()
    for who, code in ((None, "no_token"), ("wrong", "unknown_token")):
        for method, path in (("GET", "/v1/jobs"), ("POST", "/rpc"), ("GET", "/openapi.json"), ("GET", "/nowhere")):
            response = here.ask(method, path, who=who)
            problem(response, 401, code)
            assert response.headers["www-authenticate"].startswith("Bearer")
    problem(here.ask("GET", "/v1/jobs", who=None, Authorization="Basic YTpi"), 401, "no_token")
    assert [code for code, _ in here.refusals] == ["no_token"] * 4 + ["unknown_token"] * 4 + ["no_token"]
    assert here.refusals[0][1] == {"token": "", "method": "GET", "path": "/v1/jobs"}


def test_of_who_has_no_token_no_body_is_read(here: Here) -> None:
    with here.connect() as asking:
        asking.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        assert asking.recv(100).startswith(b"HTTP/1.1 401 ")


ACTS = {
    "read": [("GET", f"/v1/{what}") for what in ("jobs", "agents", "queues", "usage", "health", "executors")],
    "submit": [("POST", "/v1/jobs")],
    "push": [("POST", "/v1/agents/greeter/events"), ("POST", "/v1/futures/k/cancel")],
    "steer": [("POST", "/v1/queues/main/redrive")],
}
BODIES: dict[str, Any] = {
    "/v1/jobs": {"agent": "greeter"},
    "/v1/agents/greeter/events": {"event": 1},
    "/v1/queues/main/redrive": {},
}


@pytest.mark.parametrize("who", ["read", "submit", "push", "steer", "admin"])
def test_a_token_allows_what_its_scope_says_and_nothing_else(here: Here, who: str) -> None:
    for scope, requests in ACTS.items():
        for method, path in requests:
            here.refusals.clear()
            response = here.ask(method, path, None if method == "GET" else BODIES.get(path), who)
            if who in (scope, "admin"):
                assert response.status_code < 300, response.text
            else:
                problem(response, 403, "scope")
                assert f'scope="{scope}"' in response.headers["www-authenticate"]
                assert here.refusals == [("scope", {"token": who, "method": method, "path": path})]


def test_a_call_that_is_refused_within_rpc_is_told_to_the_scheduler_too(here: Here) -> None:
    here.refusals.clear()
    call = {"jsonrpc": "2.0", "id": 5, "method": "submit_new_job", "params": {"agent": "greeter"}}
    assert here.rpc(call, "read")["error"]["data"]["code"] == "scope"
    assert here.refusals == [("scope", {"token": "read", "method": "POST", "path": "/rpc"})]


def test_a_token_for_one_agent_cannot_tell_a_job_of_another_from_none(here: Here) -> None:
    other, own = (submit_new_job(agent, store=here.store).name for agent in ("waiter", "greeter"))
    here.refusals.clear()
    for method, path in (("GET", ""), ("GET", "/chat"), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        body = {} if path == "/cancel" else None
        told = problem(here.ask(method, f"/v1/jobs/{other}{path}", body, "greeters"), 404, "unknown_job")
        none = problem(here.ask(method, f"/v1/jobs/{other}x{path}", body, "greeters"), 404, "unknown_job")
        assert told["detail"].replace(other, "") == none["detail"].replace(f"{other}x", "")
    assert [code for code, _ in here.refusals] == ["agents"] * 5
    problem(here.ask("POST", "/v1/jobs", {"agent": "greeter", "parent": other}, "greeters"), 404, "unknown_job")
    problem(here.ask("POST", "/v1/jobs", {"agent": "waiter"}, "greeters"), 403, "agents")
    problem(here.ask("GET", "/v1/jobs", who="greeters"), 403, "agents")
    problem(here.ask("GET", "/v1/usage", who="greeters"), 403, "agents")
    problem(here.ask("GET", "/v1/health", who="greeters"), 403, "agents")
    problem(here.ask("GET", "/v1/queues/main/dead", who="greeters"), 403, "agents")
    problem(here.ask("POST", "/v1/futures/k/complete", {"value": 1}, "greeters"), 403, "agents")
    assert here.ask("GET", f"/v1/jobs/{own}", who="greeters").status_code == 200
    assert [agent["agent"] for agent in here.ask("GET", "/v1/agents", who="greeters").json()["agents"]] == ["greeter"]


def test_a_token_is_in_no_log_wherever_it_was_sent(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bearer, other = here.tokens["submit"], "statek_" + "x" * 43
    here.refusals.clear()
    problem(here.ask("GET", f"/v1/jobs/{bearer}?token={bearer}", who=None), 401, "no_token")
    problem(here.ask("GET", f"/v1/jobs/{bearer}/chat", who=bearer), 403, "scope")
    problem(here.ask("GET", "/v1/jobs", who=other), 401, "unknown_token")
    assert [said["path"] for _, said in here.refusals] == ["/v1/jobs/********", "/v1/jobs/********/chat", "/v1/jobs"]
    server = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not [line for line in server if bearer in line or other in line]


def test_a_cursor_of_one_job_shows_nothing_of_it_in_the_logs_of_another(here: Here) -> None:
    one, other = (submit_new_job("greeter", message=text, store=here.store).name for text in ("mine", "secret"))
    own = here.ask("GET", f"/v1/jobs/{one}/chat").json()["items"]
    for item in here.ask("GET", f"/v1/jobs/{other}/chat").json()["items"]:
        for before in (item["cursor"] - 1, item["cursor"]):
            told = here.ask("GET", f"/v1/jobs/{one}/chat?after={before}").json()["items"]
            assert told == [entry for entry in own if entry["cursor"] > before]


def test_while_the_file_of_tokens_cannot_be_used_nobody_is_let_in(here: Here) -> None:
    file = here.store / "tokens.toml"
    good = file.read_bytes()
    file.write_bytes(good + b"nonsense")
    try:
        told = problem(here.ask("GET", "/v1/jobs"), 503, "tokens")
        assert str(here.store) not in told["detail"]
    finally:
        file.write_bytes(good)
    assert here.ask("GET", "/v1/jobs").status_code == 200


# what is asked


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"agent": "greeter", "agnet": 1}, "agnet"),
        ({"variables": {}}, "agent"),
        ({"agent": "greeter", "variables": []}, "variables"),
        ({"agent": 7}, "agent"),
        ({"agent": "greeter", "message": 7}, "message"),
        ({"agent": ""}, "agent"),
    ],
)
def test_a_field_that_is_wrong_is_named(here: Here, body: Any, field: str) -> None:
    told = problem(here.ask("POST", "/v1/jobs", body), 422, "invalid")
    assert field in [one["field"] for one in told["fields"]]
    call = {"jsonrpc": "2.0", "id": 1, "method": "submit_new_job", "params": body}
    error = here.rpc(call)["error"]
    assert error["code"] == -32602
    assert field in [one["field"] for one in error["data"]["fields"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("limit=0", "limit"), ("limit=x", "limit"), ("limit=1_0", "limit"), ("limit=%205", "limit")),
        *(("after=-1", "after"), ("sort=1", "sort"), ("newest=maybe", "newest"), ("limit=1&limit=2", "limit")),
    ],
)
def test_a_parameter_that_is_wrong_is_named(here: Here, query: str, field: str) -> None:
    told = problem(here.ask("GET", f"/v1/jobs?{query}"), 422, "invalid")
    assert [one["field"] for one in told["fields"]] == [field]


@pytest.mark.parametrize(("field", "known"), [("status", "SUSPENDED"), ("outcome", "blocked")])
def test_a_status_that_no_job_can_have_is_refused_with_those_that_there_are(here: Here, field: str, known: str) -> None:
    (told,) = problem(here.ask("GET", f"/v1/jobs?{field}=FOO"), 422, "invalid")["fields"]
    assert told["field"] == field
    assert known in told["reason"]
    error = here.rpc({"jsonrpc": "2.0", "id": 1, "method": "find_jobs", "params": {field: "FOO"}})["error"]
    assert error["data"]["fields"] == [told]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"agent": NaN}',
        b'{"agent": "a", "agent": "b"}',
        b"[" * 20_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"agent": ' + b"9" * 5_000 + b"}",
        b'{"agent": "greeter", "variables": {"x": 1e400}}',
        b'{"agent": "\xed\xa0\x80"}',
        '{"agent": "greeter"}'.encode("utf-16"),
        '{"agent": "greeter"}'.encode("utf-8-sig"),
    ],
)
def test_what_is_no_json_that_means_the_same_to_everybody_is_refused(here: Here, body: bytes) -> None:
    response = here.ask("POST", "/v1/jobs", body)
    assert response.status_code in (400, 422)
    if body:
        assert "the body is" in problem(response, 400, "malformed")["detail"], "the reason is told"
    assert here.rpc(body)["error"]["code"] == -32700


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_body_that_is_not_said_to_be_json_is_refused(here: Here, kind: str) -> None:
    for path in ("/v1/jobs", "/rpc"):
        problem(here.ask("POST", path, {"agent": "greeter"}, Content_Type=kind), 415, "media_type")
    good = here.ask("POST", "/v1/jobs", {"agent": "greeter"}, Content_Type="application/json; charset=utf-8")
    assert good.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/jobs?dry_run=1", {"agent": "greeter"}, "dry_run"),
        ("GET", "/v1/agents?agent=greeter", None, "agent"),
        ("GET", "/v1/jobs/no/events?since=1", None, "since"),
        ("GET", "/v1/usage?since=1700000000", None, "since"),
        ("POST", "/v1/jobs/no/retry", {"force": True}, "body"),
        ("POST", "/v1/futures/k/cancel", [], "body"),
        ("GET", "/v1/agents", 1, "body"),
    ],
)
def test_what_nobody_would_read_is_refused(here: Here, method: str, path: str, body: Any, field: str) -> None:
    told = problem(here.ask(method, path, body), 422, "invalid")
    assert [one["field"] for one in told["fields"]] == [field]
    assert here.ask("POST", "/v1/futures/k/cancel", {}).status_code == 200, "nothing is said"


@pytest.mark.parametrize("path", ["/v1", "/v1/jobs/", "/", "/v2/jobs", "/docs", "/redoc"])
def test_a_place_that_is_not_there_is_not_found(here: Here, path: str) -> None:
    problem(here.ask("GET", path), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_a_place_does_not_have_is_refused(here: Here, method: str) -> None:
    response = here.ask(method, "/v1/jobs")
    problem(response, 405, "method")
    assert response.headers["allow"] == "GET, POST"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/jobs", {"agent": "nobody"}, 404, "unknown_agent"),
        ("POST", "/v1/jobs", {"agent": "greeter", "variables": {"print": 1}}, 422, "variables"),
        ("POST", "/v1/jobs", {"agent": "greeter", "name": "a\nb"}, 422, "job_name"),
        ("POST", "/v1/jobs", {"agent": "greeter", "parent": "no"}, 404, "unknown_job"),
        ("GET", "/v1/jobs/no", None, 404, "unknown_job"),
        ("POST", "/v1/jobs/no/messages", {"message": "x"}, 404, "unknown_job"),
        ("POST", "/v1/queues/main/redrive", {"number": 99}, 404, "no_dead_letter"),
        ("POST", "/v1/futures/k/complete", {}, 422, "invalid"),
        ("POST", "/v1/futures/k/complete", {"value": 1, "error": "x"}, 422, "invalid"),
    ],
)
def test_what_cannot_be_done_says_why(here: Here, method: str, path: str, body: Any, status: int, code: str) -> None:
    told = problem(here.ask(method, path, body), status, code)
    assert (status == 422) == bool(told.get("fields")), "what is wrong with the request is named"


def test_a_key_begins_one_job_and_is_good_for_nothing_else(here: Here) -> None:
    def start(who: str = "admin", key: str = "k", **body: Any) -> httpx2.Response:
        return here.ask("POST", "/v1/jobs", {"agent": "greeter", **body}, who, Idempotency_Key=key)

    first = start(message="a", variables={"x": 1})
    assert start(message="a", variables={"x": 1}).json() == first.json()
    other: list[dict[str, Any]] = [{}, {"message": "b", "variables": {"x": 1}}, {"message": "a", "variables": {"x": 2}}]
    for body in (*other, {"message": "a", "variables": {"x": 1}, "name": "mine"}):
        problem(start(**body), 409, "key_reused")
    problem(here.ask("POST", "/v1/jobs", {"agent": "waiter"}, Idempotency_Key="k"), 409, "key_reused")
    twice = {"agent": "greeter", "jobs": [{"message": "a", "variables": {"x": 1}}] * 2}
    problem(here.ask("POST", "/v1/jobs/batch", twice, Idempotency_Key="k"), 409, "key_reused")
    assert start("submit", message="b").json() != first.json(), "the key of another token is another key"
    problem(start(key="k" * 201), 400, "idempotency_key")
    problem(start(name=first.json()["jobs"][0], key="k2"), 409, "job_exists")


def test_a_key_pushes_one_thing_and_is_good_for_nothing_else(here: Here) -> None:
    job = submit_new_job("greeter", store=here.store).name

    def push(to: str = f"/v1/jobs/{job}/messages", who: str = "admin", key: str = "p", **body: Any) -> httpx2.Response:
        return here.ask("POST", to, body, who, Idempotency_Key=key)

    first = push(message="a")
    assert push(message="a").json() == first.json()
    problem(push(message="b"), 409, "key_reused")
    event = "/v1/agents/greeter/events"
    problem(push(event, event="a"), 409, "key_reused")
    assert push(message="b", who="push").json() != first.json(), "the key of another token is another key"
    assert push(message="b", queue="other").json() != first.json(), "each queue has its own"
    assert (
        push(event, key="e", event={"a": 1, "b": [2]}).json() == push(event, key="e", event={"b": [2], "a": 1}).json()
    )
    problem(push(event, key="e", event={"a": 1, "b": [True]}), 409, "key_reused")


def test_a_batch_is_started_whole_or_not_at_all(here: Here) -> None:
    def count() -> int:
        return len(here.ask("GET", "/v1/jobs?agent=greeter&limit=1000").json()["jobs"])

    before, good = count(), {"variables": {"name": "b"}}
    response = here.ask("POST", "/v1/jobs/batch", {"agent": "greeter", "jobs": [good, good]})
    assert response.status_code == 201
    assert len(set(response.json()["jobs"])) == 2
    refused = here.ask("POST", "/v1/jobs/batch", {"agent": "greeter", "jobs": [good, {"variables": {"print": 1}}]})
    problem(refused, 422, "variables")
    assert count() == before + 2


def test_jobs_are_listed_page_by_page(here: Here) -> None:
    here.ask("POST", "/v1/jobs/batch", {"agent": "greeter", "jobs": [{}] * 5})
    whole = [job["name"] for job in here.ask("GET", "/v1/jobs?limit=1000").json()["jobs"]]
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = here.ask("GET", f"/v1/jobs?limit=3&after={after}").json()
        found += [job["name"] for job in page["jobs"]]
        after = page["after"]
    assert found == whole


def test_a_page_of_jobs_ends_where_it_gets_too_large(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.ask("POST", "/v1/jobs/batch", {"agent": "greeter", "jobs": [{}] * 3})
    monkeypatch.setattr(acts, "PAGE_BYTES", 100)
    monkeypatch.setattr(acts, "_STEP", 2)
    newest = here.ask("GET", "/v1/jobs?newest=true&limit=1000").json()
    assert len(newest["jobs"]) == 2
    following = here.ask("GET", f"/v1/jobs?newest=true&limit=1000&after={newest['after']}").json()["jobs"]
    assert len({job["name"] for job in (*newest["jobs"], *following)}) == 4


def test_a_page_of_a_log_ends_where_it_gets_too_large(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit_new_job("greeter", message="x" * 1_000, store=here.store).name
    whole = here.ask("GET", f"/v1/jobs/{job}/chat").json()
    assert [item["kind"] for item in whole["items"]] == ["user", "warmup"]
    assert whole["after"] is None
    monkeypatch.setattr(acts, "PAGE_BYTES", 1_000)
    monkeypatch.setattr(acts, "_STEP", 1)
    first = here.ask("GET", f"/v1/jobs/{job}/chat").json()
    assert first["items"] == whole["items"][:1]
    assert here.ask("GET", f"/v1/jobs/{job}/chat?after={first['after']}").json()["items"] == whole["items"][1:]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(["agent", "job", "queue", "number", "variables", "event", "value", "message", "key", "jobs"])
_PATHS = ["/v1/jobs", "/v1/jobs/batch", "/rpc", "/v1/agents/greeter/events", "/v1/futures/k/complete"]


@settings(max_examples=150)
@given(
    path=st.sampled_from([*_PATHS, "/v1/jobs/x/messages", "/v1/queues/main/redrive"]),
    body=st.one_of(
        st.binary(max_size=200),
        _JSON.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(_NAMES, _JSON).map(lambda value: json.dumps({"agent": "greeter", **value}).encode()),
        st.fixed_dictionaries(
            {"jsonrpc": st.just("2.0"), "method": st.sampled_from([*METHODS, "x"])},
            optional={
                "id": st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
                "params": st.dictionaries(_NAMES, _JSON),
            },
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_body_at_all_is_the_servers_fault(here: Here, path: str, body: bytes) -> None:
    response = here.ask("POST", path, body)
    assert response.status_code < 500, (path, body, response.text)
    if path == "/rpc" and response.status_code == 200:
        answers = response.json()
        for answer in answers if isinstance(answers, list) else [answers]:
            assert answer.get("error", {}).get("data", {}).get("status", 0) < 500, (body, answer)


@settings(max_examples=60)
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), query=st.text(max_size=30))
def test_no_address_at_all_is_the_servers_fault(here: Here, name: str, query: str) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    asked = "".join(f"%{byte:02x}" for byte in query.encode("utf-8", "surrogatepass"))
    for path in (f"/v1/jobs/{quoted}", f"/v1/jobs?status={asked}", f"/v1/queues/{quoted}/dead?after={asked}"):
        assert here.ask("GET", path).status_code < 500, path


def test_a_name_may_have_anything_in_it(here: Here) -> None:
    for number, name in enumerate(("a/b", "a b?c#d", "%41", "jöb/chat")):
        assert here.ask("POST", "/v1/jobs", {"agent": "greeter", "name": name}).json() == {"jobs": [name]}
        quoted = quote(name, safe="")
        assert here.ask("GET", f"/v1/jobs/{quoted}").json()["name"] == name, number
        assert here.ask("GET", f"/v1/jobs/{quoted}/chat").status_code == 200
    assert here.ask("POST", "/v1/futures/approve%2Ftrip/complete", {"value": 1}).status_code == 200
    problem(here.ask("GET", "/v1/jobs/%ff"), 422, "invalid")
    problem(here.ask("GET", f"/v1/jobs/{'x' * 300}"), 422, "invalid")


# where it listens


def test_an_address_that_cannot_be_had_is_told(here: Here) -> None:
    port = int(here.server.address.rsplit(":", 1)[1])
    for options in (
        HttpOptions(here.store / "tokens.toml", port=port),
        HttpOptions(here.store / "tokens.toml", "no.such.host.invalid", 0),
    ):
        with pytest.raises(EndpointUnusable):
            HttpServer(options, here.store, SchedulerSide(healthy, connected, print, print)).start()


def test_beyond_the_loopback_any_name_is_answered_and_the_log_says_that_there_is_no_tls(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    options = HttpOptions(here.store / "tokens.toml", "0.0.0.0", 0)
    server = HttpServer(options, here.store, SchedulerSide(healthy, connected, print, print))
    server.start()
    try:
        port = server.address.rsplit(":", 1)[1]
        headers = {**here.headers(), "Host": "statek.example"}
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/health", headers=headers).json() == {"ready": True}
        assert "no TLS" in caplog.text
    finally:
        server.stop()


def test_without_a_file_of_tokens_it_does_not_start(here: Here) -> None:
    with pytest.raises(tokens.TokensUnusable, match="statek token create"):
        HttpServer(
            HttpOptions(here.store / "none.toml"), here.store, SchedulerSide(healthy, connected, print, print)
        ).start()


def test_a_scheduler_without_http_loads_nothing_that_serves_it() -> None:
    program = (
        "import sys, statek.service.service, statek.cli.exec_command;"
        "print(*sorted({'fastapi', 'pydantic', 'starlette', 'uvicorn', 'anyio', 'httpx2'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
