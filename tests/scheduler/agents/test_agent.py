"""Agents: what is refused when one is made, what is kept of it, and what may be changed in that."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from statek import tool
from statek.agents.agent import Agent
from statek.agents.definitions import pack, revise, unpack
from statek.core.agents import Harness
from statek.errors import AgentRefused
from statek_policies import Policy


def search(text: str) -> str:
    return text


@tool(name="book", idempotent=True)
def _book(day: str) -> str:
    return day


def dispatcher() -> Agent:
    return Agent(
        "dispatcher",
        "Send each message to the right person.",
        model="small",
        tools=[search, _book],
        locals=["calendar"],
        warmup="user = event.user\n# -----\n# hidden\nopen_slots = calendar.find(user)",
        limits={"cpu_seconds": 2},
        max_turns=7,
        max_cost="0.25",
        options={"temperature": 0.5},
    )


def test_an_agent_is_kept_as_plain_values_and_read_back() -> None:
    definition = dispatcher().definition(exports=("calendar", "other"))
    assert unpack(pack(definition)) == definition
    assert definition.tools == ("search", "book")
    assert definition.variables == ("calendar",)
    assert definition.event_name == "event"
    assert [block.hidden for block in definition.warmup] == [False, True]
    policy = Policy.from_wire(definition.policy)
    assert (policy.tools, policy.limits.cpu_seconds) == (("search", "book"), 2)


def test_an_agent_says_of_its_harness_what_it_says_and_the_rest_comes_from_the_settings() -> None:
    definition = dispatcher().definition(harness=Harness(max_turns=3, max_exceptions=4), context_tokens=9_000)
    assert definition.harness == Harness(max_turns=7, max_exceptions=4, max_cost_micros=250_000)
    assert definition.context_tokens == 9_000
    whole = Agent("a", harness=Harness(max_tokens=None), context_tokens=100).definition(harness=Harness(max_turns=3))
    assert whole.harness == Harness(max_tokens=None)
    assert whole.context_tokens == 100


def test_all_faults_of_an_agent_are_told_at_once() -> None:
    with pytest.raises(AgentRefused) as refused:
        Agent(
            " padded",
            instructions=3,  # type: ignore[arg-type]
            tools=[search, "book", search],  # type: ignore[list-item]
            locals=["calender-1", "search"],
            warmup="import os",
            policy="unheard-of",
            style="prose",  # type: ignore[arg-type]
            on_push="wake",  # type: ignore[arg-type]
            context_tokens=-1,
            max_turns=-5,
            max_cost="much",
            modle="big",  # type: ignore[call-arg]
        )
    told = "\n".join(refused.value.faults)
    for part in (
        "role: a name of 1 to 200 printable characters",
        "instructions: ",
        "tools: 'book' is no tool",
        "tools: two tools are called 'search'",
        "locals: 'calender-1' is no name",
        "locals: 'search' is the name of a tool",
        "policy: no profile is called 'unheard-of'",
        "line 1: the module 'os' is not offered",
        "style: ",
        "on_push: a function is needed",
        "context_tokens: ",
        "max_turns: -5 is not between",
        "max_cost: 'much' is no amount of money",
        "there is no 'modle'; did you mean 'model'?",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("keywords", "fault"),
    [
        ({"limits": {"cpu_second": 1}}, "unknown limit 'cpu_second'; did you mean 'cpu_seconds'"),
        ({"policy": Policy().with_tools("other"), "tools": [search]}, "does not allow 'search'"),
        ({"locals": "calendar"}, "a list of names of the application's variables is needed"),
        ({"event_name": "print"}, "event_name: 'print' is a name that every guest has already"),
        ({"event_name": "search", "tools": [search]}, "event_name: 'search' is the name of a tool"),
        ({"on_message": "ask"}, "on_message: give the function that is asked as on_push="),
        ({"options": [1]}, "options: a map of names to plain values is needed"),
        ({"options": {"stop": object()}}, "options: a object is not a plain value"),
        ({"harness": 5}, "harness: a Harness is needed"),
        ({"instructions": "\ud800"}, "instructions: it cannot be written down"),
        ({"options": {"n": 2**70}}, "options: it cannot be written down"),
        ({"locals": [f"name_{number}" for number in range(1_001)]}, "variables"),
        ({"warmup": ["x = 1"] * 101}, "a warm-up has at most 100 blocks"),
        ({"warmup": 5}, "warmup: "),
        ({"limit_extension_per_completion": -1}, "limit_extension_per_completion: -1 is not between 0 and 1000"),
    ],
)
def test_an_agent_is_refused_for(keywords: dict[str, object], fault: str) -> None:
    with pytest.raises(AgentRefused, match=r"^agent 'a': ") as refused:
        Agent("a", **keywords)  # type: ignore[arg-type]
    assert fault in str(refused.value)


def test_an_agent_cannot_be_changed() -> None:
    agent = dispatcher()
    with pytest.raises(AttributeError):
        agent.role = "other"  # type: ignore[misc]


def test_an_event_fills_the_one_name_that_the_warm_up_expects() -> None:
    def filled(warmup: str, **keywords: object) -> str:
        return Agent("a", warmup=warmup, **keywords).definition(exports=("calendar",)).event_name  # type: ignore[arg-type]

    assert filled("task = message") == "message"
    assert filled("calendar.find(message)") == "message"
    assert filled("x = 1") == filled("") == "event"
    assert filled("print(user, message)") == ""
    assert filled("print(user, message)", event_name="user") == "user"
    assert filled("print(calendar)", locals=[]) == "calendar"


def test_an_agent_that_asks_the_application_about_messages_is_kept_as_such() -> None:
    assert Agent("a", on_push=lambda _job, _text: "wake").definition().on_message == "ask"


def test_an_operator_changes_fields_of_a_definition_but_no_functions() -> None:
    definition = dispatcher().definition()
    changed = revise(
        definition,
        {"model": "big", "max_turns": 2, "max_cost": None, "limits": {"cpu_seconds": 5}, "warmup": "job = task"},
    )
    assert (changed.model, changed.harness) == ("big", replace(definition.harness, max_turns=2, max_cost_micros=None))
    assert Policy.from_wire(changed.policy) == Policy.from_wire(definition.policy).with_limits(cpu_seconds=5)
    assert changed.event_name == "task"
    assert (changed.tools, changed.variables, changed.name) == (definition.tools, definition.variables, "dispatcher")


def test_all_faults_of_a_change_are_told_at_once_and_nothing_is_changed() -> None:
    definition = dispatcher().definition()
    with pytest.raises(AgentRefused) as refused:
        revise(definition, {"modle": "b", "tools": [], "max_turns": "x", "limits": {"nope": 1}, "warmup": "import os"})
    told = "\n".join(refused.value.faults)
    for part in (
        "'modle'; did you mean 'model'",
        "'tools'",
        "max_turns: ",
        "unknown limit 'nope'",
        "'os' is not offered",
    ):
        assert part in told


@pytest.mark.parametrize("amount", ["1e999999", "1e999990", "1e5000", "-1e5000", "NaN", "sNaN", "Infinity", 10**10, -1])
def test_an_amount_of_money_that_nobody_has_is_refused_in_no_time(amount: object) -> None:
    began = time.process_time()
    with pytest.raises(AgentRefused, match="max_cost: "):
        revise(dispatcher().definition(), {"max_cost": amount})
    assert time.process_time() - began < 1.0


def test_bytes_that_are_no_definition_are_refused() -> None:
    for data in (b"", b"\xc1", b"\x80", b"\x81\xa4name\x01"):
        with pytest.raises(ValueError, match="this is no agent's definition"):
            unpack(data)
