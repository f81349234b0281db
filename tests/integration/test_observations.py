"""What comes of a reply's code is what the model is told next: output, errors, refusals and limits, in either style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from integration.services import Site, site, wait_for
from scripted_model import Answer, ChatRequest, Conversation, Script, ScriptedModel

from statek import get_job, submit_new_job
from statek.inspection.store_view import JobView

APP = """
from statek import Agent


def rate(currency: str) -> float:
    '''Give the rate of a currency to the euro.'''
    return {"USD": 1.25}[currency]


def agent(name, **more):
    return Agent(name, f"You are {name}.", model="m", tools=[rate], limits={"cpu_seconds": 0.3}, **more)


agents = [agent("Fenced", style="fenced"), agent("Tool", style="tool"), agent("Asked", plain_reply="asks")]
"""
COMMON = (
    Answer(text="I look first.", code="usd = rate('USD')\nprint(usd)\n"),
    Answer(code="print('before')\nprint(usd / 0)\n"),
    Answer(code="import os\n"),
    Answer(code="while True:\n    pass\n"),
)
FENCED = Conversation(
    "You are Fenced.",
    (
        *COMMON,
        Answer(text="```\nprint('which language?')\n```"),
        Answer(text="cut off", code="print(1)", finish_reason="length"),
        Answer(code="exit(f'usd is {usd}')"),
    ),
)
TOOL = Conversation(
    "You are Tool.",
    (
        *COMMON,
        Answer(code=("print('one')", "print(missing)", "print('three')")),
        Answer(calls=(("python", "{not json"), ("python", '{"code": "print(5)"}'))),
        Answer(code="exit(f'usd is {usd}')"),
    ),
)
ASKED = Conversation("You are Asked.", (Answer(text="Hello there."), Answer(code="exit('well')")))


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(Script((FENCED, TOOL, ASKED))) as server:
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("observations")
    with site(directory, f"ipc://{directory}/executors.ipc") as here:
        here.environment |= {"STATEK_MODEL_BASE_URL": model.base_url}
        here.scheduler("--app", str(here.write(APP, "app.py")))
        here.welcomed(here.executor())
        yield here


def ended(place: Site, agent: str) -> JobView:
    job = submit_new_job(agent, store=place.store)

    def done() -> JobView | None:
        found = get_job(job.name, store=place.store)
        return found if found.status == "DONE" else None

    found = wait_for(done, f"the end of a job of {agent}")
    assert isinstance(found, JobView)
    return found


def last_request(model: ScriptedModel, agent: str) -> ChatRequest:
    return next(request for request in reversed(model.requests) if request.mentions(f"You are {agent}."))


def told(message: dict[str, Any]) -> list[str]:
    return str(message["content"]).splitlines()


ERROR = ["<output>", "before", "</output>", "ZeroDivisionError: float division by zero", "  line 2: print(usd / 0)"]


def check_common(observations: list[list[str]]) -> None:
    """The observations of what both agents do in the same way."""
    looked, failed, refused, limited = observations
    assert looked == ["<output>", "1.25", "</output>"]
    assert failed == [*ERROR, "What was assigned before that is kept."]
    assert refused[0].startswith("Refused (import.not_offered): the module 'os' is not offered")
    assert refused[1:] == ["  line 1: import os", "Nothing of this code ran."]
    assert limited[0].startswith("Limit cpu_seconds reached (processor time of one batch): 0.3 s allowed, 0.3")
    assert limited[-1].startswith("Instead: do less in one batch")


def test_an_agent_that_writes_blocks_is_told_what_came_of_them(place: Site, model: ScriptedModel) -> None:
    job = ended(place, "Fenced")
    assert (job.outcome, job.exit_status) == ("ok", "usd is 1.25")
    messages = last_request(model, "Fenced").messages
    system, *rest = messages
    assert "- rate(currency: str) -> float\n    Give the rate of a currency to the euro." in system["content"]
    assert "begins with ```python" in system["content"]
    users = [dict(message) for message in rest if message["role"] == "user"]
    check_common([told(message) for message in users[1:5]])
    assert told(users[5]) == [
        "<runtime>",
        "No code was run: begin the block that is to be run with ```python.",
        "</runtime>",
    ]
    assert "cut off because it was too long" in users[6]["content"]


def test_an_agent_that_calls_a_tool_is_told_what_came_of_each_call(place: Site, model: ScriptedModel) -> None:
    job = ended(place, "Tool")
    assert (job.outcome, job.exit_status) == ("ok", "usd is 1.25")
    request = last_request(model, "Tool")
    assert [tool["function"]["name"] for tool in request.tools] == ["python"]
    answers = [dict(message) for message in request.messages if message["role"] == "tool"]
    check_common([told(message) for message in answers[:4]])
    one, missing, three, broken, five = answers[4:]
    assert told(one) == ["<output>", "one", "</output>"]
    assert told(missing)[:2] == ["NameError: name 'missing' is not defined", "  line 1: print(missing)"]
    assert told(three) == ["Not run: the code before it in the same reply did not end as it should."]
    assert told(broken) == told(five) == ["Not run."]
    assert 'are not a JSON object {"code": "..."}. None of the calls was run.' in request.messages[-1]["content"]


def test_an_agent_that_is_to_write_code_is_asked_for_it(place: Site, model: ScriptedModel) -> None:
    job = ended(place, "Asked")
    assert (job.outcome, job.exit_status) == ("ok", "well")
    assert "Your reply had no code in it." in last_request(model, "Asked").messages[-1]["content"]
