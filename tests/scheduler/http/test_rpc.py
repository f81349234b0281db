"""JSON-RPC: what its specification says, and what it is told and refused beyond that."""

from __future__ import annotations

from typing import Any

import pytest
from http_stand import Here, problem

from statek.api.http import rpc


def test_json_rpc_answers_as_its_specification_says(here: Here) -> None:
    def call(**fields: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "method": "find_jobs", "params": {"agent": "greeter", "limit": 1}, **fields}

    assert here.rpc(call(id=1)).keys() == {"jsonrpc", "result", "id"}
    assert here.ask("POST", "/rpc", call()).status_code == 204
    assert here.ask("POST", "/rpc", [call(), call()]).status_code == 204
    assert here.rpc(call(id=2, method="nothing"))["error"]["code"] == -32601
    assert here.rpc(call(id=3, params=[1]))["error"]["code"] == -32602
    assert here.rpc(call(id=4, params={"limit": 0}))["error"]["data"]["fields"][0]["field"] == "limit"
    odd: list[Any] = [[], 1, b"null", "x", {"jsonrpc": "1.0"}, [call()] * 101]
    for wrong in (*odd, call(id=True), call(id=[1]), call(id=1, more=1)):
        answer = here.rpc(wrong)
        assert (answer["error"]["code"], answer["id"]) == (-32600, None)
    batch = here.rpc(
        [call(id="a"), call(), {"method": "find_jobs"}, call(id="b", method="get_job", params={"job": "no"})]
    )
    assert [answer["id"] for answer in batch] == ["a", None, "b"]
    assert [answer.get("error", {}).get("code") for answer in batch] == [None, -32600, -32000]
    assert batch[2]["error"]["data"]["status"] == 404


def test_a_call_of_rpc_with_a_key_is_the_same_act(here: Here) -> None:
    params = {"agent": "greeter", "idempotency_key": "r-1"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "submit_new_job", "params": params}
    assert here.rpc(call) == here.rpc(call)
    assert here.rpc({**call, "params": {**params, "idempotency_key": 1}})["error"]["code"] == -32602


def test_a_key_is_taken_where_it_means_something_and_nothing_is_converted(here: Here) -> None:
    wrong = [
        ("cancel_job", {"job": "no", "idempotency_key": "k"}, "idempotency_key"),
        ("find_jobs", {"idempotency_key": "k"}, "idempotency_key"),
        ("find_jobs", {"limit": "5"}, "limit"),
        ("find_jobs", {"newest": "yes"}, "newest"),
        ("console", {"job": "no", "after": 1.0}, "after"),
        ("usage", {"since": 1_700_000_000}, "since"),
        ("usage", {"since": "20240101"}, "since"),
    ]
    for method, params, field in wrong:
        error = here.rpc({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})["error"]
        assert (error["code"], error["data"]["fields"][0]["field"]) == (-32602, field), method
    told = here.rpc({"jsonrpc": "2.0", "id": 1, "method": "usage", "params": {"since": "2024-01-31"}})
    assert "result" in told


def test_when_a_batch_is_answered_enough_its_other_calls_are_not_carried_out(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(method: str, **more: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "method": method, **more}

    def begin(name: str) -> dict[str, Any]:
        return {"params": {"agent": "greeter", "name": name}}

    monkeypatch.setattr(rpc, "ANSWER_BYTES", 100)
    batch = [
        call("agents", id=1),
        call("submit_new_job", id=2, **begin("not-begun")),
        call("submit_new_job", **begin("told-only")),
        call("agents", id="three"),
    ]
    done, *refused = here.rpc(batch)
    assert "result" in done
    assert [(one["id"], one["error"]["code"]) for one in refused] == [(2, -32001), ("three", -32001)]
    assert "nothing was done" in refused[0]["error"]["message"]
    problem(here.ask("GET", "/v1/jobs/not-begun"), 404, "unknown_job")
    assert here.ask("GET", "/v1/jobs/told-only").status_code == 200
