"""Whether what is answered over HTTP has the form that is described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from http_stand import Here
from jsonschema import Draft202012Validator, ValidationError

from statek.api.http import forms, stream
from statek.api.http.methods import METHODS
from statek.application.client_api import submit_new_job
from statek.core.events import EVENTS
from statek.inspection.console import Printed
from statek.inspection.plain import KINDS, plain
from statek.inspection.shapes import AwaitedResult, JobUsage, Violation
from statek.inspection.tool_log import ToolLogItem
from statek.store.queue_table import QueueDepth
from statek.store.records import Stored
from statek.store.totals import UsageTotal
from statek_protocol.messages.client import ConnectedExecutor

DOCUMENTS = Path(__file__).parents[3] / "docs"
ENTRIES = (*KINDS, Printed, Violation, ToolLogItem, AwaitedResult, JobUsage, QueueDepth, UsageTotal, ConnectedExecutor)


@cache
def described() -> dict[str, Any]:
    """Return the description, in which nothing but what it names is allowed."""
    document = json.loads((DOCUMENTS / "openapi.json").read_text())
    for form in document["components"]["schemas"].values():
        if "properties" in form:
            form["additionalProperties"] = False
    assert isinstance(document, dict)
    return document


@cache
def validator(form: str) -> Draft202012Validator:
    return Draft202012Validator({**described(), "$ref": f"#/components/schemas/{form}"})


def check(told: Any, form: str) -> None:
    """Raise ValidationError where that is not of that form of the description."""
    validator(form).validate(told)


def examples(kind: Any) -> Iterator[Any]:
    """Give a value of a type that has everything, and one that has as little as there can be."""
    for full in (True, False):
        yield example(kind, full=full)


def example(kind: Any, *, full: bool) -> Any:
    parts = get_args(kind)
    simple = {int: 7, float: 0.5, bool: True, str: "a\udc80", bytes: b"\xff\n", date: date(2024, 2, 29), NoneType: None}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{field.name: example(hints[field.name], full=full) for field in fields(kind)})
    match get_origin(kind):
        case origin if origin is Annotated:
            return example(parts[0], full=full)
        case origin if origin is Literal:
            return parts[-1 if full else 0]
        case origin if origin in (Union, UnionType):
            return None if NoneType in parts and not full else example(parts[0], full=full)
        case origin if origin is tuple:
            return (example(parts[0], full=True),) if full else ()
        case origin if origin is dict:
            return {example(parts[0], full=True): example(parts[1], full=True)} if full else {}
    return simple[kind]


@pytest.mark.parametrize("kind", ENTRIES, ids=lambda kind: kind.__name__)
def test_what_is_written_of_an_entry_is_what_is_described(kind: type) -> None:
    for one in examples(kind):
        told = json.loads(json.dumps(plain(one)))
        check(told, kind.__name__)
        for field in told:
            with pytest.raises(ValidationError):
                check({**told, field: {"another": "form"}}, kind.__name__)


@pytest.mark.parametrize("kind", stream.TOLD)
def test_what_is_told_of_an_event_is_what_is_described(kind: str) -> None:
    for one in examples(EVENTS[kind]):
        told = json.loads(json.dumps(stream.told(Stored(1, "j", 2, one))))
        check(told, "JobEvent")
        check(told, EVENTS[kind].__name__)
        for field in told:
            with pytest.raises(ValidationError):
                check({name: value for name, value in told.items() if name != field}, EVENTS[kind].__name__)


def test_what_the_server_answers_is_what_is_described(here: Here) -> None:
    job = submit_new_job("greeter", message="hello", store=here.store).name
    failed = here.ask("POST", f"/v1/jobs/{job}/messages", {"message": "more"}).json()
    check(failed, "Pushed")
    check(here.ask("GET", f"/v1/jobs/{job}").json(), "Job")
    pages = {"chat": "ChatLog", "calls": "ToolLog", "console": "Console", "violations": "Violations"}
    for page, form in pages.items():
        check(here.ask("GET", f"/v1/jobs/{job}/{page}").json(), form)
    check(here.ask("GET", "/v1/jobs").json(), "JobPage")
    check(here.ask("GET", "/v1/agents").json(), "AgentList")
    check(here.ask("GET", "/v1/queues").json(), "QueueList")
    check(here.ask("GET", "/v1/queues/main/dead").json(), "DeadLetters")
    check(here.ask("GET", "/v1/usage").json(), "UsageTotals")
    check(here.ask("POST", "/v1/futures/k/complete", {"value": 1}).json(), "Told")
    check(here.ask("GET", "/v1/jobs?status=FOO").json(), "ProblemBody")


def test_each_call_of_rpc_and_its_answer_are_what_is_described(here: Here) -> None:
    given = {"agent": "greeter", "job": "no", "queue": "main", "key": "k", "value": 1, "message": "m", "event": 1}
    for name, method in METHODS.items():
        params = {field: value for field, value in given.items() if field in method.parameters.model_fields}
        params |= {"jobs": [{}]} if "jobs" in method.parameters.model_fields else {}
        call = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
        check(call, "RpcRequest")
        check([call], "RpcRequest")
        check(here.rpc(call), "RpcAnswer")
        with pytest.raises(ValidationError):
            check({**call, "params": {**params, "mesage": 1}}, "RpcRequest")


def test_nothing_of_the_description_is_any_object_at_all() -> None:
    """But what may be anything: the variables of a job, the values that it is given."""
    loose = {"JobStartBody.variables", "SubmitBody.variables", "SubmitParams.variables"}
    found = {
        f"{name}.{field}"
        for name, form in described()["components"]["schemas"].items()
        for field, what in form.get("properties", {}).items()
        if what.get("type") == "object" and what.get("additionalProperties") in (True, None)
    }
    assert found == loose
    for path, operations in described()["paths"].items():
        for operation in operations.values():
            answers = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
            forms_of = [kind["schema"] for answer in answers for kind in answer.get("content", {}).values()]
            assert forms_of, path
            assert all("$ref" in form for form in forms_of), path


def test_a_type_of_which_nothing_says_how_it_is_written_has_no_form() -> None:
    with pytest.raises(TypeError, match="nothing says how"):
        forms.form(set[str])


def test_the_description_is_the_one_in_the_documents(here: Here) -> None:
    document = json.loads((DOCUMENTS / "openapi.json").read_text())
    assert here.ask("GET", "/openapi.json").json() == document, "run scripts/openapi"


def test_the_document_names_every_act() -> None:
    text = (DOCUMENTS / "http.md").read_text()
    for path in described()["paths"]:
        assert f"{path}`" in text or f"`/{path.rsplit('/', 1)[1]}`" in text, path
    for method in METHODS:
        assert f"`{method}`" in text, method
