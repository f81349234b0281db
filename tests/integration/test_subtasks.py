"""Jobs that work for other jobs, and what is done to jobs from outside: messages, cancelling, trying again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.applications import Scripts, in_background, program
from integration.services import Command, wait_for
from scripted_model import Answer, ScriptedModel

from statek import (
    Agent,
    FutureResult,
    JobHandle,
    complete_future,
    create_sub_task,
    delegate_to,
    find_jobs,
    start_statek_async,
    submit_new_job,
    temporal,
)
from statek.application.job_handle import JobEndedBadly
from statek.inspection.chat_log import SteeringLogItem, SubTaskLogItem

scripts = Scripts()


@temporal()
def research(topic: str) -> FutureResult:
    """What somebody finds out about a topic."""
    return create_sub_task("worker", {"topic": topic})


@temporal()
def later(name: str) -> FutureResult:
    """A value that somebody brings."""
    return FutureResult(key=name)


worker = Agent("worker", tools=[later], warmup="exit(f'{topic}: {later(topic)}')")
failing = Agent("failing", warmup="raise ValueError('no luck')")
broken: list[bool] = []


@temporal()
def fail() -> FutureResult:
    """What an agent finds that finds nothing."""
    return create_sub_task("failing")


def check() -> str:
    """Works when it is not broken."""
    if broken:
        raise OSError("broken")
    return "it works"


delegate_task = delegate_to(worker, "echo")
parent = Agent("parent", "You delegate.", model="scripted", tools=[research, fail, later, check, delegate_task])
echo = Agent("echo", "You repeat.", model="scripted")


@pytest.fixture(scope="module", autouse=True)
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store = tmp_path_factory.mktemp("subtasks") / "store"
    with ScriptedModel(scripts) as model:
        options = {"settings": {"model_base_url": model.base_url}, "store": store, "workers": 2}
        with in_background(start_statek_async, [parent, worker, failing, echo], **options):
            yield


def began(agent: Agent, *codes: str) -> JobHandle:
    return submit_new_job(agent, message=scripts.add(*(Answer(code=code) for code in codes)))


def waits_for(job: JobHandle, key: str) -> None:
    wait_for(lambda: (found := job.awaited_result) and found.key == key, f"it waits for {key}")


# subtasks


def test_a_subtask_works_for_its_parent_and_its_result_is_a_future(tmp_path: Path) -> None:
    job = began(
        parent, "first, second = research('penguins'), research('weather')\nprint('begun')\nexit(first + second)"
    )
    (first, second) = wait_for(lambda: children if len(children := job.children) == 2 else None, "two subtasks")
    waits_for(job, f"job/{first}")
    assert job.py_env.console == ["begun"]
    assert [(item.job, item.outcome) for item in job.chat_log if isinstance(item, SubTaskLogItem)] == [
        *((first, None), (second, None))
    ]
    complete_future("weather", "mild; ")
    complete_future("penguins", "344; ")
    assert job.wait(30).exit_status == "penguins: 344; weather: mild; "
    assert [item.outcome for item in job.chat_log if isinstance(item, SubTaskLogItem)] == ["ok", "ok"]
    assert JobHandle(first).parent == job.name
    assert [view.name for view in find_jobs(parent=job.name).jobs] == [first, second]


def test_a_subtask_that_fails_is_an_error_that_its_parent_can_handle() -> None:
    code = """
try:
    found = fail()
    print(found)
except Exception as error:
    exit(f'{type(error).__name__}: {error}')
"""
    job = began(parent, code)
    said = job.wait(30).exit_status
    assert said is not None
    assert said.startswith("SubTaskFailed: ")
    assert "no luck" in said
    (item,) = (item for item in job.chat_log if isinstance(item, SubTaskLogItem))
    assert (item.outcome, item.error is not None) == ("error", True)


def test_a_cancelled_subtask_is_told_to_its_parent() -> None:
    job = began(
        parent, "try:\n    print(research('nothing'))\nexcept Exception as error:\n    exit(type(error).__name__)"
    )
    (child,) = wait_for(lambda: job.children, "a subtask")
    waits_for(JobHandle(child), "nothing")
    assert JobHandle(child).cancel("not needed")
    assert job.wait(30).exit_status == "JobCancelled"
    assert JobHandle(child).outcome == "cancelled"


def test_a_job_delegates_to_the_agents_that_it_may_delegate_to_and_to_no_others() -> None:
    marker = scripts.add(Answer(code="exit('repeated')"))
    job = began(parent, f"answer = delegate_task('echo', {marker!r})\nexit(f'it said {{answer}}')")
    assert job.wait(30).exit_status == "it said repeated"
    job = began(parent, "try:\n    delegate_task('failing', 'x')\nexcept Exception as error:\n    exit(str(error))")
    said = job.wait(30).exit_status
    assert said is not None
    assert "nothing can be delegated to 'failing'; there are: worker, echo" in said


KILLED = """
import os, sys, time
from pathlib import Path
from statek import Agent, FutureResult, create_sub_task, start_statek, temporal, tool

@tool(idempotent=True)
@temporal()
def hand_on() -> FutureResult:
    first, second = create_sub_task("worker", {"n": 1}), create_sub_task("worker", {"n": 2})
    if not Path(sys.argv[2]).exists():
        Path(sys.argv[2]).touch()
        time.sleep(3600)
    return second

parent = Agent("parent", tools=[hand_on], warmup="exit(hand_on())")
worker = Agent("worker", warmup="exit(f'worker {n}')")
start_statek([parent, worker], store=sys.argv[1], workers=1, on_started=lambda _: print("started", flush=True))
"""


def test_a_call_that_is_made_again_after_a_kill_has_the_same_subtasks(tmp_path: Path) -> None:
    store, begun = tmp_path / "store", tmp_path / "begun"
    commands: list[Command] = []

    def started() -> Command:
        commands.append(program(tmp_path, KILLED, str(store), str(begun)))
        said = len(commands)
        wait_for(lambda: commands[-1].log.read_text().count("started") == said, "the program has started")
        return commands[-1]

    try:
        first = started()
        job = submit_new_job("parent", store=store)
        wait_for(begun.exists, "the subtasks are started, and their call has no outcome")
        first.kill()
        first.wait()
        children = job.children
        assert len(children) == 2
        started()
        assert job.wait(30).exit_status == "worker 2"
        assert job.children == children
        assert [JobHandle(child, store=store).wait(30).exit_status for child in children] == ["worker 1", "worker 2"]
    finally:
        for command in commands:
            command.kill()
            command.wait()


# from outside


def test_a_job_is_cancelled_whatever_it_is_at() -> None:
    job = began(parent, "later('never')\nprint(later('never'))")
    waits_for(job, "never")
    assert job.cancel("changed my mind")
    assert (job.wait(30).outcome, job.cancel()) == ("cancelled", False)
    assert [(item.act, item.text) for item in job.chat_log if isinstance(item, SteeringLogItem)] == [
        ("cancelled", "changed my mind")
    ]
    with pytest.raises(JobEndedBadly, match="'cancelled'"):
        _ = job.result


def test_a_job_that_did_not_end_well_is_tried_again() -> None:
    broken.append(True)
    agent_job = submit_new_job(parent, message=scripts.add(Answer(code="print(check())"), Answer(text="I give up.")))
    assert agent_job.wait(30).exit_status == "I give up."
    assert not agent_job.retry()
    broken.clear()
    job = submit_new_job("failing")
    assert job.wait(30).outcome == "error"
    assert job.retry()
    wait_for(lambda: job.num_completions == 1 and job.status == "DONE", "it has failed again")
