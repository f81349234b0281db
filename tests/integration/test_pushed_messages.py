"""What a message does to a job that waits for a future: real services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.services import Site, wait_for
from scripted_model import Answer, ScriptedModel

from statek import JobHandle, complete_future, get_job, push_message, submit_new_job
from statek.inspection.store_view import JobView

APP = """
import pathlib
import time

from statek import Agent, FutureResult, temporal


@temporal()
def approval(what: str) -> FutureResult:
    return FutureResult(key=f"approval-{what}")


asked = pathlib.Path(__file__).with_name("asked.txt")


def decide(job: str, text: str) -> str:
    if text == "think":
        if not asked.exists():
            asked.touch()
            time.sleep(600)
        return "wake"
    if text == "raise":
        raise RuntimeError("no")
    return text


WAIT = '''
try:
    print(approval("trip"))
except WaitCancelled as error:
    print("woken:", error)
'''

waits = {"tools": [approval], "warmup": WAIT, "model": "small"}
agents = [
    Agent("keeps", "KEEPS", on_message="keep", **waits),
    Agent("wakes", "WAKES", on_message="wake", **waits),
    Agent("cancels", "CANCELS", on_message="cancel", **waits),
    Agent("asks", "ASKS", on_push=decide, **waits),
]
"""


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(lambda _: Answer(text="done")) as server:
        yield server


@pytest.fixture
def site(local: Site, model: ScriptedModel) -> Site:
    local.environment |= {"STATEK_MODEL_BASE_URL": model.base_url, "STATEK_MODEL_API_KEY": "sk-test"}
    app = local.write(APP, "app.py")
    local.embedded_scheduler("--app", str(app))
    return local


def view(site: Site, job: JobHandle) -> JobView:
    return get_job(job.name, store=site.store)


def waiting(site: Site, agent: str) -> JobHandle:
    job = submit_new_job(agent, store=site.store)
    wait_for(lambda: view(site, job).status == "SUSPENDED", "a wait")
    return job


def done(site: Site, job: JobHandle) -> JobView:
    wait_for(lambda: view(site, job).status == "DONE", "the end")
    return view(site, job)


def test_a_message_does_to_a_waiting_job_what_its_agent_says(site: Site, model: ScriptedModel) -> None:
    kept, woken, cancelled = (waiting(site, agent) for agent in ("keeps", "wakes", "cancels"))
    asked = [waiting(site, "asks") for _ in range(4)]
    for job in (kept, woken, cancelled):
        push_message(job.name, "the trip is off", store=site.store)
    for job, text in zip(asked, ("keep", "wake", "cancel", "raise"), strict=True):
        push_message(job.name, text, store=site.store)

    said = done(site, woken).py_env.console
    assert said[0].startswith("woken: a message came: ")
    assert said[0].endswith("said: the trip is off")
    end = done(site, cancelled)
    assert end.outcome == "cancelled"
    assert end.error is not None
    assert "the trip is off" in end.error.message
    assert done(site, asked[1]).outcome == "ok"
    assert done(site, asked[2]).outcome == "cancelled"
    for job in (kept, asked[0], asked[3]):
        assert view(site, job).status == "SUSPENDED"
        assert view(site, job).py_env.push_log
    complete_future("approval-trip", "yes", store=site.store)
    assert done(site, kept).outcome == "ok"
    texts = [str(message["content"]) for request in model.requests for message in request.messages]
    assert any("KEEPS" in text for text in texts)


def test_an_application_that_was_killed_while_it_thought_about_a_message_is_asked_again(site: Site) -> None:
    job = waiting(site, "asks")
    push_message(job.name, "think", store=site.store)
    wait_for(lambda: (site.directory / "asked.txt").exists(), "a thought")
    assert site.serving is not None
    site.serving.kill()
    site.serving.wait()
    site.embedded_scheduler("--app", str(site.directory / "app.py"))
    assert done(site, job).py_env.console[0].startswith("woken: ")
