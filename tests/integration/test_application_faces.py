"""What an application does with jobs and queues from Python: in the scheduler's process, in others, and without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.applications import in_background
from integration.services import wait_for

from statek import (
    Agent,
    FutureResult,
    PushQueue,
    StatekClientAPI,
    find_jobs,
    get_job,
    start_statek_async,
    submit_new_job,
    temporal,
    tool,
)
from statek.application.asking import decided
from statek.application.following import NotEnded
from statek.application.job_handle import JobEndedBadly, JobNotEnded
from statek.application.subtasks import NoJobToWorkFor, create_sub_task
from statek.calls.current import current_call
from statek.errors import SubmissionRefused
from statek.inspection.store_view import UnknownJob
from statek.loop.roster import JOB_NAME_LIMIT
from statek.store.directory import StoreDirectory
from statek_protocol.messages.base import MIB

ECHO = Agent("echo", warmup="exit(f'{sorted(given.items())}')", event_name="given")
GREETING = Agent("greeting", warmup="exit(f'{greeting}, {name}')")
FAILING = Agent("failing", warmup="1 / 0")


@temporal()
def wait_for_it(key: str) -> FutureResult:
    """Wait for whatever that key is completed with."""
    return FutureResult(key=key)


WAITING = Agent("waiting", tools=[wait_for_it], warmup="exit(wait_for_it(key))")


@tool(idempotent=True)
def hand_on(names: list[str]) -> list[int]:
    """Push events from a tool, which runs in dbzero's thread."""
    return [PushQueue().push_to_agent_queue("echo", {"name": name}) for name in names]


def wait_in_dbzeros_thread() -> str:
    """Wait for a job where that could never end."""
    try:
        submit_new_job("failing").wait()
    except RuntimeError as error:
        return str(error)
    return "it did not"


IMPATIENT = Agent("impatient", tools=[wait_in_dbzeros_thread], warmup="exit(wait_in_dbzeros_thread())")
HANDING_ON = Agent("handing on", tools=[hand_on], warmup="exit(str(hand_on(names)))")
ALL = [ECHO, GREETING, FAILING, WAITING, HANDING_ON, IMPATIENT]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faces") / "store"


@pytest.fixture(scope="module", autouse=True)
def scheduler(store: Path) -> Iterator[None]:
    """One scheduler in this process, for all tests here: each looks at jobs and queues of its own."""
    with in_background(start_statek_async, ALL, store=store, workers=2, max_concurrency=20):
        yield


def elsewhere(store: Path, code: str) -> str:
    """Run some lines in a process of their own, in which no scheduler runs."""
    lines = f"from statek import *\nfrom pathlib import Path\nstore = {str(store)!r}\n{code}"
    done = subprocess.run([sys.executable, "-P", "-c", lines], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# jobs


def test_a_job_starts_with_the_variables_that_it_is_given(store: Path) -> None:
    job = submit_new_job("greeting", {"greeting": "Hello", "name": "Alex"})
    assert job.wait(30).exit_status == "Hello, Alex"
    assert (job.status, job.outcome, job.result, job.agent) == ("DONE", "ok", "Hello, Alex", "greeting")
    assert get_job(job.uuid).exit_status == job.exit_status


def test_a_locale_is_one_more_variable() -> None:
    agent = Agent("greeting", warmup="exit(f'{greeting}, {name}')")
    job = StatekClientAPI().submit_new_job(agent, {"greeting": "Cześć", "name": "Ola"}, "pl-PL")
    assert job.wait(30).exit_status == "Cześć, Ola"
    with pytest.raises(TypeError, match="locale is given twice"):
        submit_new_job("greeting", {"locale": "pl-PL"}, "pl-PL")


def test_jobs_of_a_batch_start_all_or_none(store: Path) -> None:
    api = StatekClientAPI()
    people = [{"greeting": "Hi", "name": name} for name in ("Alex", "Jordan", "Sam")]
    jobs = api.submit_new_jobs_batch("greeting", people)
    assert [job.wait(30).exit_status for job in jobs] == ["Hi, Alex", "Hi, Jordan", "Hi, Sam"]
    before = len(find_jobs(agent="greeting", limit=1_000).jobs)
    with pytest.raises(SubmissionRefused, match="lambda"):
        api.submit_new_jobs_batch("greeting", [*people, {"lambda": 1}])
    assert len(find_jobs(agent="greeting", limit=1_000).jobs) == before
    assert api.submit_new_jobs_batch("greeting", []) == []
    with pytest.raises(ValueError, match="1001 jobs in one batch; at most 1000"):
        api.submit_new_jobs_batch("greeting", [{}] * 1_001)


def test_what_is_submitted_twice_under_one_key_is_one_job() -> None:
    first = submit_new_job("greeting", {"greeting": "Hi", "name": "one"}, key="monday")
    again = submit_new_job("greeting", {"greeting": "Hi", "name": "two"}, key="monday")
    assert again.name == first.name
    for wrong in ("", "x" * 161, "new\nline"):
        with pytest.raises(SubmissionRefused, match="key has 1 to 160 printable characters"):
            submit_new_job("greeting", {}, key=wrong)


def test_what_a_job_with_the_longest_name_brings_about_has_a_key_all_the_same() -> None:
    job = submit_new_job("handing on", {"names": ["green"]}, name="n" * JOB_NAME_LIMIT)
    assert job.wait(30).outcome == "ok", job.error
    wait_for(lambda: "[('name', 'green')]" in ended("echo"), "the event was worked on")
    with pytest.raises(SubmissionRefused, match="up to 128 printable characters"):
        submit_new_job("echo", {"given": 1}, name="n" * (JOB_NAME_LIMIT + 1))


def test_a_value_that_cannot_be_given_is_named_with_its_place() -> None:
    with pytest.raises(TypeError, match=r'variables\["people"\]\[1\]: a object cannot cross'):
        submit_new_job("greeting", {"people": ["Alex", object()]})


def test_another_process_submits_waits_and_reads(store: Path) -> None:
    said = elsewhere(
        store,
        """
job = submit_new_job("greeting", {"greeting": "Hello", "name": "there"}, store=store)
print(job.wait(30).exit_status, job.usage.calls, get_job(job.uuid, store=store).status)
try:
    submit_new_job("greeting", {"greeting": object()}, store=store)
except TypeError as error:
    print(error)
""",
    )
    assert said.splitlines()[0] == "Hello, there 0 DONE"
    assert 'variables["greeting"]' in said.splitlines()[1]


def test_waiting_ends_with_the_time_or_with_the_job(store: Path) -> None:
    job = submit_new_job("waiting", {"key": "late"})
    with pytest.raises(JobNotEnded):
        _ = job.result
    with pytest.raises(NotEnded, match=r"has not ended within 0\.05 s"):
        job.wait(0.05)
    wait_for(lambda: job.status == "SUSPENDED", "it waits")
    assert job.awaited_result is not None
    assert job.awaited_result.key == "late"
    elsewhere(store, "complete_future('late', 'at last', store=store)")
    assert job.wait(30).exit_status == "at last"
    assert job.awaited_result is None


def test_nobody_waits_for_a_job_in_the_thread_that_it_needs() -> None:
    said = submit_new_job("impatient").wait(30).exit_status
    assert said is not None
    assert "create_sub_task" in said


def test_a_job_that_ended_badly_has_its_error_instead_of_a_result() -> None:
    job = submit_new_job("failing")
    job.wait(30)
    with pytest.raises(JobEndedBadly, match="ZeroDivisionError: division by zero") as raised:
        _ = job.result
    assert raised.value.outcome == "error"


def test_a_job_that_is_not_there_is_told_so() -> None:
    with pytest.raises(UnknownJob):
        StatekClientAPI().job("job-none")


def test_an_agent_that_nobody_defined_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SubmissionRefused, match=r"no agent 'ekho'.*'echo'"):
        submit_new_job("ekho")


# queues


def ended(agent: str) -> list[str | None]:
    """What the jobs of an agent that have ended have ended with, in the order of their starts."""
    return [job.exit_status for job in find_jobs(agent=agent, status="DONE", limit=1_000).jobs]


def test_events_become_jobs_in_their_order_whoever_pushes_them(store: Path) -> None:
    queue = PushQueue()
    queue.push_to_agent_queue(ECHO, {"n": 1, "from": "here"})
    elsewhere(store, "PushQueue(store=store).push_to_agent_queue('echo', {'n': 2, 'from': 'elsewhere'})")
    queue.push_to_agent_queue("echo", {"n": 3, "from": "here"})
    expected = [f"[('from', '{place}'), ('n', {n})]" for n, place in enumerate(("here", "elsewhere", "here"), 1)]

    wait_for(lambda: set(expected) <= set(ended("echo")), "all three events were worked on")
    in_order = [job.exit_status for job in find_jobs(agent="echo").jobs if job.exit_status in expected]
    assert in_order == expected
    assert queue.is_empty()
    assert not queue.has_agent_events("echo")


def test_an_event_that_is_pushed_twice_under_one_key_is_one_event(store: Path) -> None:
    queue = PushQueue("twice")
    first = queue.push_to_agent_queue("echo", {"invoice": 7}, key="invoice-7")
    again = queue.push_to_agent_queue("echo", {"invoice": 7}, key="invoice-7")
    assert again == first


def test_what_cannot_be_delivered_is_kept_with_the_reason_until_somebody_decides(store: Path) -> None:
    queue = PushQueue("dead")
    with pytest.raises(SubmissionRefused, match="there is no agent 'nobody'"):
        queue.push_to_agent_queue("nobody", {"n": 1})
    first = queue.push_to_job_console("job-never", "hello")
    second = queue.push_to_job_console("job-none", "hello")
    dead = wait_for(lambda: letters if len(letters := queue.dead_letters()) == 2 else None, "both are dead letters")
    assert [letter.number for letter in dead] == [first, second]
    assert "no job 'job-never'" in dead[0].dead_reason
    assert "no job 'job-none'" in dead[1].dead_reason
    assert (queue.depth(), queue.is_empty()) == (0, True)
    assert queue.redrive(first) == 1
    wait_for(lambda: [letter.attempts for letter in queue.dead_letters()] == [1, 0], "it was tried again")
    assert queue.discard() == 2
    assert queue.dead_letters() == []
    with pytest.raises(SubmissionRefused, match="dead letter"):
        queue.redrive(first)


def test_a_tool_pushes_events_each_of_them_once() -> None:
    job = submit_new_job("handing on", {"names": ["red", "blue"]})
    assert job.wait(30).outcome == "ok"
    expected = {"[('name', 'red')]", "[('name', 'blue')]"}
    wait_for(lambda: expected <= set(ended("echo")), "both events were worked on")
    assert sum(told in expected for told in ended("echo")) == 2


def test_a_message_that_is_too_long_is_refused_and_harms_nothing() -> None:
    with pytest.raises(SubmissionRefused, match="1048577 bytes; 1048576 are allowed"):
        submit_new_job("echo", message="x" * (MIB + 1))
    with pytest.raises(SubmissionRefused, match="what is pushed may have"):
        PushQueue().push_to_job_console("job-none", "x" * (2 * MIB + 1))


def test_a_message_is_text_and_an_agent_is_an_agent() -> None:
    with pytest.raises(TypeError, match="an event goes to an agent"):
        PushQueue().push_to_job_console("job", {"n": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an agent or the name of one"):
        PushQueue().push_to_agent_queue(7, {})  # type: ignore[arg-type]


def test_a_subtask_is_for_code_that_a_job_calls() -> None:
    assert current_call() is None
    with pytest.raises(NoJobToWorkFor, match="submit_new_job"):
        create_sub_task("echo")


# no scheduler


def test_without_a_scheduler_what_is_submitted_and_pushed_waits_in_the_store(tmp_path: Path) -> None:
    store = tmp_path / "quiet"
    StoreDirectory.create_or_open(store)
    decided(store, lambda loop, tick: loop.roster.define(tick, [ECHO.definition()]), lambda _: None)
    job = submit_new_job("echo", {"given": {"n": 1}}, store=store)
    queue = PushQueue(store=store)
    queue.push_to_agent_queue("echo", {"n": 2})
    queue.push_to_job_console(job.name, "hello")
    assert job.status == "READY"
    assert (queue.depth(), queue.depth("echo")) == (2, 1)
    assert queue.has_job(job.name)
    assert queue.has_agent_events("echo")
    with pytest.raises(NotEnded):
        job.wait(0.1)
