"""What goes wrong where agents' code runs inside of the application's own process, and must not here.

What has no test below is held elsewhere (`ELSEWHERE`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.applications import Scripts, in_background
from integration.services import wait_for
from scripted_model import Answer, ScriptedModel
from scripted_model.script import Fault

from statek import (
    Agent,
    FutureResult,
    JobHandle,
    PushQueue,
    complete_future,
    find_jobs,
    start_statek_async,
    submit_new_job,
    temporal,
)
from statek.inspection.chat_log import BatchLogItem
from statek.inspection.views import JobView

ELSEWHERE = {
    "one endless loop freezes every job, and again after a restart": (
        "test_hostile_guests.py::test_neighbours_of_hostile_jobs_get_their_right_results"
    ),
    "a job that takes its process along is tried for ever": (
        "test_killed.py::test_an_interpreter_is_killed_and_the_batch_goes_on_in_another"
    ),
    "after a kill a block begins again": "test_killed.py::test_the_scheduler_is_killed_and_started_again",
    "any waits for the first of its futures, all fails when they are there": (
        "test_seed_snippets.py::test_the_first_of_several_results_or_all_of_them"
    ),
    "a failing warm-up ends the loop, and so does queue logic that raises": (
        "test_starting.py::test_an_agent_whose_warm_up_fails_and_one_whose_queue_fails_leave_the_others_alone"
    ),
    "a raising condition ends the loop": (
        "../scheduler/futures/test_waiting.py::test_a_condition_that_raises_harms_its_own_job_only_and_is_reported"
    ),
    "a message for an unknown job disappears": (
        "test_application_faces.py::test_what_cannot_be_delivered_is_kept_with_the_reason_until_somebody_decides"
    ),
    "a message does not reach a job that waits": (
        "test_pushed_messages.py::test_a_message_does_to_a_waiting_job_what_its_agent_says"
    ),
    "functions that start jobs are told of more room than there is": (
        "test_starting.py::test_queue_logic_is_asked_for_no_more_jobs_than_there_is_room_for_until_nothing_is_left"
    ),
}
"""What goes wrong, and the test that shows that it does not."""
HERE = Path(__file__).parent
effects: list[Any] = []
scripts = Scripts()


@temporal()
def later(name: str) -> FutureResult:
    """A value that somebody brings."""
    return FutureResult(key=name)


def note(what: Any) -> int:
    """Have an effect; returns how many there were."""
    effects.append(what)
    return len(effects)


def decline(what: str, kind: str) -> None:
    """Have an effect and refuse."""
    effects.append(what)
    raise {"ValueError": ValueError, "TypeError": TypeError}[kind]("card declined")


coder = Agent("coder", "You write code.", model="scripted", tools=[later, note, decline], max_consecutive_exceptions=9)
reader = Agent("reader", warmup="event = incoming_event\nexit('read ' + event['text'])")


@pytest.fixture(scope="module", autouse=True)
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store = tmp_path_factory.mktemp("weaknesses") / "store"
    with ScriptedModel(scripts) as model:
        options = {"settings": {"model_base_url": model.base_url}, "store": store, "workers": 2}
        with in_background(start_statek_async, [coder, reader], **options):
            yield


def began(*codes: str | Answer) -> JobHandle:
    """Begin a job whose model replies with these pieces of code, one after the other."""
    answers = (code if isinstance(code, Answer) else Answer(code=code) for code in codes)
    return submit_new_job(coder, message=scripts.add(*answers))


def ran(*codes: str | Answer) -> JobView:
    return began(*codes).wait(60)


def waits_for(job: JobHandle, key: str) -> None:
    wait_for(lambda: (found := job.awaited_result) and found.key == key, f"it waits for {key}")


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_what_is_held_elsewhere_is_there(test: str) -> None:
    file, name = test.split("::")
    assert f"def {name}(" in (HERE / file).read_text()


def test_a_wait_inside_of_a_loop_repeats_nothing() -> None:
    effects.clear()
    code = """
seen, total = [], 0
for n in range(3):
    note(n)
    seen.append(n)
    total += 10
    if n == 1:
        seen.append(later('in the loop'))
        print(seen[-1])
exit(f'{seen} {total}')
"""
    job = began(code)
    waits_for(job, "in the loop")
    complete_future("in the loop", 7)
    assert job.wait(60).exit_status == "[0, 1, 7, 2] 30"
    assert effects == [0, 1, 2]


@pytest.mark.parametrize("kind", ["ValueError", "TypeError"])
def test_a_tool_that_raises_is_called_once(kind: str) -> None:
    effects.clear()
    code = f"try:\n    decline('charge', {kind!r})\nexcept Exception as error:\n    exit(str(error))"
    said = ran(code).exit_status
    assert said is not None
    assert "card declined" in said
    assert effects == ["charge"]


def test_the_result_of_a_call_is_waited_for_where_it_is_used() -> None:
    job = began("exit(str(later('a number') + 1))")
    waits_for(job, "a number")
    complete_future("a number", 41)
    assert job.wait(60).exit_status == "42"


def test_an_except_clause_swallows_no_wait() -> None:
    job = began("try:\n    z = later('awaited') + 0\nexcept Exception:\n    z = -1\nexit(str(z))")
    waits_for(job, "awaited")
    complete_future("awaited", 5)
    assert job.wait(60).exit_status == "5"


def test_after_a_resumed_block_failed_the_next_one_runs_from_its_beginning() -> None:
    job = began("b = later('before it fails')\nprint(b)\n1 / 0", "x1 = 1\nx2 = 2\nx3 = 3\nexit(f'{x1} {x2} {x3}')")
    waits_for(job, "before it fails")
    assert job.next_instr_num == 1
    complete_future("before it fails", 7)
    assert job.wait(60).exit_status == "1 2 3"
    assert job.next_instr_num == 0
    assert [item.outcome for item in job.chat_log if isinstance(item, BatchLogItem)] == ["error", "ok"]


def test_what_cannot_be_kept_is_named_and_takes_nothing_along() -> None:
    job = ran(
        "import datetime\nfirst, g = 1, (n for n in range(3))\nspan = datetime.timedelta(1)\nlast = 'text'",
        "exit(f'{first} {span.days} {last}')",
    )
    assert job.exit_status == "1 1 text"
    marked = began("g = (n for n in range(3))", "try:\n    next(g)\nexcept Exception as error:\n    exit(str(error))")
    said = marked.wait(60).exit_status
    assert said is not None
    assert "generator" in said


def test_functions_imports_and_aliases_stay() -> None:
    job = ran(
        "import math\ndef h(x):\n    return math.floor(x) + 1\na = [1]\nb = a",
        "b.append(h(4.5))\nexit(f'{a} {b is a} {math.ceil(0.5)}')",
    )
    assert job.exit_status == "[1, 5] True 1"


def test_formatting_reads_no_attributes_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_SECRET", "s3cr3t-value")
    code = "print('{0.__globals__[importlib].sys.modules[os].environ[DEMO_SECRET]}'.format(note))"
    job = ran(code, "exit('tried')")
    assert job.exit_status == "tried"
    assert "s3cr3t" not in str(job.to_plain())
    assert next(item.outcome for item in job.chat_log if isinstance(item, BatchLogItem)) != "ok"


def test_exit_without_a_text_ends_the_job() -> None:
    job = ran("x = 1\nexit()\nx = 2", "print('asked again')")
    assert (job.status, job.outcome, job.num_turns) == ("DONE", "ok", 1)
    assert job.py_env.console == []


def test_one_bad_event_harms_no_other() -> None:
    queue = PushQueue()
    queue.push_to_agent_queue(reader, {"text": "one"})
    queue.push_to_agent_queue(reader, {"nothing": "here"})
    queue.push_to_agent_queue(reader, {"text": "two"})

    def ended() -> list[JobView]:
        return [job for job in find_jobs(agent="reader").jobs if job.status == "DONE"]

    jobs = wait_for(lambda: found if len(found := ended()) == 3 else None, "all three events were worked on")
    assert [(job.outcome, job.exit_status) for job in jobs] == [("ok", "read one"), ("error", None), ("ok", "read two")]
    assert jobs[1].error is not None
    assert (jobs[1].error.type, jobs[1].error.line) == ("KeyError", 2)


def test_what_two_jobs_print_at_the_same_time_stays_apart() -> None:
    first = began("print('A-before')\nprint(later('for A'))\nprint('A-after')\nexit()")
    second = began("print('B-before')\nprint(later('for B'))\nprint('B-after')\nexit()")
    for job, key in ((first, "for A"), (second, "for B")):
        waits_for(job, key)
    complete_future("for B", "b")
    complete_future("for A", "a")
    assert first.wait(60).py_env.console == ["A-before", "a", "A-after"]
    assert second.wait(60).py_env.console == ["B-before", "b", "B-after"]


def test_a_provider_that_fails_for_a_moment_is_asked_again() -> None:
    fault = Fault(kind="status", status=503, retry_after=0.05, times=2)
    job = ran(Answer(code="exit('answered after all')", fault=fault))
    assert job.exit_status == "answered after all"
    assert job.num_turns == 1
