"""What jobs of agents find: their own tools and variables, and what they start with, given once, whatever happens."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

import pytest
from agents_stand import AgentStand, agents_stand

from statek.agents.agent import Agent
from statek.calls.offered import Offered
from statek.calls.outcomes import Variables
from statek.core.events import CallAnswered, CallRequested, PolicyViolated, VariablesOffered
from statek.loop.roster import JobStart
from statek.store import given
from statek.store.given import GivenGone, decode_given, encode_given
from statek_policies import Policy
from statek_protocol.messages.executor import Grant
from statek_protocol.messages.interpreter import Call, GuestError, Load
from statek_protocol.values import MalformedValue


def search(text: str) -> str:
    return text


def wait_for_export() -> None: ...


DISPATCHER = Agent("dispatcher", tools=[search], locals=["calendar"], warmup="print(user)")
RESEARCHER = Agent("researcher", tools=[wait_for_export], warmup="print(1)")
OFFERED = Offered(
    ("help", "search", "wait_for_export"),
    ("wait_for_export",),
    ("calendar", "today"),
    frozenset({"search", "wait_for_export"}),
    frozenset({"dispatcher", "researcher"}),
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[AgentStand]:
    with agents_stand(tmp_path / "ledger") as stand:
        stand.tools.offered = OFFERED
        stand.define(DISPATCHER, RESEARCHER)
        yield stand


def give(here: AgentStand, **changes: object) -> None:
    """Answer what was asked for last, as dbzero's thread does."""
    job, names, asked = here.tools.given.pop()
    own = () if asked is None else given.names_of(asked)
    found = {"names": (*names, *own), "values": b"values", "given": asked is not None, **changes}
    here.tools.on_given(job, Variables(**found))  # type: ignore[arg-type]
    here.stand.turn()


def test_jobs_find_the_tools_and_variables_of_their_agent_and_no_others(here: AgentStand) -> None:
    executor = here.executor(workers=3)
    here.start("dispatcher")
    give(here)
    here.start("researcher")
    give(here)
    here.stand.submitted(b"1")
    give(here)
    dispatcher, researcher, plain = executor.all(Load)
    assert (dispatcher.tools, dispatcher.temporals, dispatcher.exports) == (("search",), (), ("calendar",))
    assert (researcher.tools, researcher.temporals) == (("wait_for_export",), ("wait_for_export",))
    assert researcher.exports == ("calendar", "today")
    assert plain.tools == ("help",)
    assert [Policy.from_wire(load.policy).tools for load in (dispatcher, researcher)] == [
        ("search",),
        ("wait_for_export",),
    ]


def test_a_call_of_another_agents_tool_is_denied_and_on_record(here: AgentStand) -> None:
    executor = here.executor()
    (job,) = here.start("dispatcher")
    give(here)
    executor.send(executor.lease, Call(1, 0, "wait_for_export", b""))
    here.stand.turn()
    requested, violated, answered = here.stand.events(job)[-3:]
    assert isinstance(requested, CallRequested)
    assert requested.refused == "tool.denied"
    assert isinstance(violated, PolicyViolated)
    assert isinstance(answered, CallAnswered)
    assert here.tools.started == []
    (denied,) = here.notes("call_denied")
    assert (denied["tool"], denied["rule"]) == ("wait_for_export", "tool.denied")


def test_what_a_job_starts_with_crosses_once_before_its_first_batch(here: AgentStand) -> None:
    executor = here.executor()
    variables = encode_given({"user": "Alex"})
    (job,) = here.start("dispatcher", JobStart(variables))
    assert here.tools.given == [(job, ("calendar",), variables)]
    assert executor.all(Grant) == []
    give(here)
    assert executor.all(Load)[-1].variables == (b"values",)
    (offered,) = [event for event in here.stand.events(job) if isinstance(event, VariablesOffered)]
    assert (offered.names, offered.given) == (("calendar", "user"), True)
    assert here.stand.job(job).given == ""


def test_a_job_is_given_its_variables_after_a_restart_that_came_before_them(tmp_path: Path) -> None:
    variables = encode_given({"user": "Alex"})
    with agents_stand(tmp_path / "ledger") as before:
        before.tools.offered = OFFERED
        before.define(DISPATCHER)
        before.executor()
        (job,) = before.start("dispatcher", JobStart(variables))
        assert len(before.tools.given) == 1
    with agents_stand(tmp_path / "ledger") as after:
        after.tools.offered = OFFERED
        executor = after.executor()
        assert after.tools.given == [(job, ("calendar",), variables)]
        give(after)
        assert executor.all(Grant) == [Grant(job)]
    with agents_stand(tmp_path / "ledger") as last:
        last.tools.offered = OFFERED
        last.executor()
        assert last.tools.given == []


def test_a_job_whose_variables_are_gone_has_failed_and_says_which(here: AgentStand) -> None:
    here.executor()
    (job,) = here.start("dispatcher", JobStart(encode_given({"user": "Alex"})))
    give(here, error=GuestError("ObjectGone", "the variable 'user' cannot be given", None))
    ended = here.stand.job(job)
    assert (ended.status, ended.outcome) == ("DONE", "failed")
    assert ended.error is not None
    assert "'user'" in ended.error.message


def test_a_job_gets_its_variables_later_where_dbzero_has_failed(here: AgentStand) -> None:
    executor = here.executor()
    here.start("dispatcher", JobStart(encode_given({"user": "Alex"})))
    give(here, names=(), values=None, given=False)
    assert executor.all(Grant) == []
    give(here)
    assert len(executor.all(Grant)) == 1


def test_a_job_waits_for_a_scheduler_that_has_its_agents_tools(here: AgentStand) -> None:
    here.tools.offered = Offered()
    executor = here.executor()
    here.start("dispatcher")
    assert (executor.all(Grant), here.tools.given) == ([], [])


def test_a_retired_tool_is_missing_to_guests_and_holds_up_no_job_of_an_agent_that_is_here(here: AgentStand) -> None:
    here.tools.offered = Offered(agents=frozenset({"dispatcher"}))
    executor = here.executor()
    here.start("dispatcher")
    assert len(executor.all(Grant)) == 1


# as bytes


class Calendar:
    """Something of an application's that is no plain value."""


class Exports:
    def __init__(self, **objects: object) -> None:
        self.objects = objects

    def name_of(self, value: object) -> str | None:
        return next((name for name, found in self.objects.items() if found is value), None)


def test_exported_objects_are_found_again_by_their_places() -> None:
    calendar = Calendar()
    data = encode_given({"mine": [calendar, 1], "n": 2}, Exports(calendar=calendar))
    other = Calendar()
    assert decode_given(data, Exports(calendar=other)) == {"mine": [other, 1], "n": 2}
    assert given.outline(data) == {"mine": "list", "n": "int"}
    assert given.names_of(data) == ("mine", "n")
    assert given.has_objects(data)
    assert not given.has_objects(encode_given({"n": 2}))


def test_an_object_that_is_gone_is_told_with_its_variable() -> None:
    calendar = Calendar()
    data = encode_given({"n": 1, "mine": {"here": calendar}}, Exports(calendar=calendar))
    with pytest.raises(GivenGone, match=r"the variable 'mine' cannot be given: .* does not export 'calendar' any more"):
        decode_given(data, Exports())
    assert given.why_gone(data, Exports()) == "the application does not export 'calendar' any more"
    assert given.why_gone(data, Exports(calendar=1)) is None
    assert given.why_gone(b"junk", Exports()) is not None


def test_kinds_of_plain_values_are_given_as_what_they_are_a_kind_of() -> None:
    class Name(str):
        """A text of the application's."""

    class Level(IntEnum):
        HIGH = 3

    value = {"c": Counter("aab"), "o": OrderedDict(x=[Name("n")]), "d": deque([Level.HIGH]), "k": {"z": 1}.keys()}
    found = decode_given(encode_given(value), Exports())
    assert found == {"c": {"a": 2, "b": 1}, "o": {"x": ["n"]}, "d": [3], "k": ["z"]}
    assert [type(part) for part in (found["c"], found["o"]["x"][0], found["d"][0])] == [dict, str, int]


def test_two_jobs_never_share_what_they_are_given() -> None:
    shared = [1]
    first, second = (decode_given(encode_given({"items": shared}), Exports()) for _ in range(2))
    first["items"].append(2)
    assert (second["items"], shared) == ([1], [1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"c": Calendar()}, r'value\["c"\]: a Calendar cannot cross.*what can be given besides are dbzero objects'),
        ({"f": print}, "cannot cross"),
        ({"big": b"x" * (1 << 20)}, "larger than"),
    ],
)
def test_what_cannot_be_found_again_is_refused_with_its_place(value: object, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        encode_given(value)


def test_bytes_that_are_no_variables_are_refused() -> None:
    for data in (b"", b"\xc1", encode_given([1]), encode_given(1)):
        with pytest.raises(MalformedValue):
            decode_given(data, Exports())


def test_an_event_becomes_one_variable_without_being_read() -> None:
    calendar = Calendar()
    body = encode_given({"to": calendar}, Exports(calendar=calendar))
    variables = given.as_event("task", body)
    assert decode_given(variables, Exports(calendar=calendar)) == {"task": {"to": calendar}}
