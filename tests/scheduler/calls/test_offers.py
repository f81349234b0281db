"""What an application offers has to fit together; what does not is refused by name when it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from statek import tool
from statek.agents.agent import Agent
from statek.calls.application import Application
from statek.calls.offers import offer_of
from statek.errors import AppUnusable


def search(text: str) -> str:
    return text


def other_search(text: str) -> str:
    return text


other = tool(name="search")(other_search)


class Queue:
    name = "main"


def offered(**parts: Any) -> Any:
    return offer_of(place="app.py", **parts)


def test_tools_of_agents_are_found_by_name_and_are_for_their_jobs_only() -> None:
    def shared() -> None: ...

    offer = offered(tools=[shared], agents=[Agent("one", tools=[search, shared]), Agent("two", tools=[search])])
    assert set(offer.tools.names) == {"shared", "search"}
    assert offer.reserved == {"search"}
    assert offer.tool_for("", "search") is None
    assert offer.tool_for("one", "search").function is search
    assert offer.tool_for("", "shared").function is shared
    assert list(offer.agents) == ["one", "two"]


def test_bound_methods_of_one_object_are_the_same_tool() -> None:
    class Desk:
        def search(self) -> None: ...

    desk = Desk()
    assert set(offered(agents=[Agent("a", tools=[desk.search]), Agent("b", tools=[desk.search])]).agents) == {"a", "b"}
    with pytest.raises(AppUnusable, match="different tools 'search'"):
        offered(agents=[Agent("a", tools=[desk.search]), Agent("b", tools=[Desk().search])])


def test_an_agent_that_is_given_twice_is_one_agent() -> None:
    agent = Agent("a")
    assert dict(offered(agents=[agent, agent]).agents) == {"a": agent}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"agents": [Agent("a"), Agent("a")]}, "two agents are called 'a'"),
        ({"agents": [Agent("a", tools=[search]), Agent("b", tools=[other])]}, "'b' and another part .* 'search'"),
        (
            {"tools": [other], "agents": [Agent("a", tools=[search])]},
            "'a' and another part .* different tools 'search'",
        ),
        ({"agents": [Agent("a", locals=["calender"])], "variables": {"calendar": 1}}, "did you mean 'calendar'"),
        ({"agents": [Agent("a", locals=["calender"])]}, "names 'calender' in its locals.* it exports none"),
        (
            {"agents": [Agent("a", tools=[search])], "variables": {"search": 1}},
            "'search' is the name of a tool and of a",
        ),
        ({"agents": ["a"]}, "`agents` must be a list of agents"),
        ({"agents": Agent("a")}, "`agents` must be a list of agents"),
        ({"push_queues": "main"}, "`push_queues` must be a list of queues"),
        ({"push_queues": [1]}, "1 in `push_queues` is no queue"),
        ({"variables": {"class": 1}}, "'class' in `locals` is no name"),
        ({"variables": [1]}, "`locals` must be a dict"),
    ],
)
def test_what_does_not_fit_together_is_refused(parts: dict[str, Any], text: str) -> None:
    with pytest.raises(AppUnusable, match=rf"^app\.py: .*{text}"):
        offered(**parts)


def test_queues_are_named_by_name_or_by_themselves() -> None:
    assert offered(push_queues=["a", Queue(), "a"]).push_queues == ("a", "main")
    assert offered().push_queues is None
    assert offered(push_queues=[]).push_queues == ()


def test_a_program_sets_its_variables_up_where_dbzero_is_open(tmp_path: Path) -> None:
    made: list[int] = []

    def setup() -> dict[str, object]:
        made.append(1)
        return {"today": len(made)}

    application = Application(setup=setup, agents=[Agent("a", locals=["today"])])
    assert not application.is_known
    for times in (1, 2):
        application.load()
        assert application.offer.variables == {"today": times}
    assert not application.all_agents


def test_what_is_wrong_before_anything_runs_is_told_when_the_application_is_made() -> None:
    with pytest.raises(AppUnusable, match="two agents are called 'a'"):
        Application(agents=[Agent("a"), Agent("a")])
    assert Application(agents=None).all_agents


def test_a_setup_that_raises_is_told_as_the_applications_mistake() -> None:
    def setup() -> dict[str, object]:
        raise ValueError("no such calendar")

    with pytest.raises(AppUnusable, match="ValueError: no such calendar"):
        Application(setup=setup).load()


def test_a_file_exports_agents_and_queues(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(
        "from statek.agents.agent import Agent\n"
        "agents = [Agent('dispatcher', warmup='print(event)')]\n"
        "push_queues = ['main']\n"
    )
    application = Application(file)
    application.load()
    assert list(application.offer.agents) == ["dispatcher"]
    assert application.offer.push_queues == ("main",)
