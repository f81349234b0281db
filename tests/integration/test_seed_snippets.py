"""The snippets of the operations and the futures guide that guests and applications run, word for word.

What a snippet does not declare is supplied here. Guests' snippets are what a model writes: a scripted one, over HTTP.
The programs of these guides that run a worker are in `test_worker_loops.py`, as a process has one scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import dbzero as db0
import pytest
from integration.applications import Scripts, in_background
from integration.services import wait_for
from scripted_model import Answer, ScriptedModel

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
from statek.application.asking import scheduler_here
from statek.inspection.views import JobView

TODAY = date(2026, 1, 5)
RECEIVED = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


# the application


@db0.memo(id="seeds/Meeting")
class Meeting:
    """An hour in a calendar."""

    def __init__(self, title: str, starts: datetime) -> None:
        self.title = title
        self.starts = starts

    def move_to(self, starts: datetime) -> None:
        self.starts = starts


@db0.memo(id="seeds/Calendar")
class Calendar:
    """The meetings of one person."""

    def __init__(self) -> None:
        self.meetings = [Meeting("planning", datetime.combine(TODAY, time(10)))]

    def find_meeting(self, title: str) -> Meeting:
        return next(meeting for meeting in self.meetings if meeting.title == title)

    def find_open_slots(self, day: date) -> list[datetime]:
        taken = {meeting.starts for meeting in self.meetings}
        hours = (datetime.combine(day, time(hour)) for hour in range(9, 12))
        return [hour for hour in hours if hour not in taken]


@db0.memo(id="seeds/User")
class User:
    """Somebody with a calendar."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calendar = Calendar()


@db0.memo(id="seeds/Task")
class Task:
    """Something that a user wants, and when he said so."""

    def __init__(self, user: User, message: str) -> None:
        self.user = user
        self.message = message
        self.created_at = RECEIVED.isoformat()
        self.timestamp = RECEIVED.isoformat()


@db0.memo(id="seeds/Approval")
class Approval:
    """What a person said to a proposal."""

    def __init__(self, accepted: bool) -> None:
        self.accepted = accepted


@db0.memo(id="seeds/Inbox")
class Inbox:
    """Where something will lie that a job waits for."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.came: Any = None


users: dict[str, User] = {}
tasks: dict[str, Task] = {}
inboxes: list[Inbox] = []


def set_up() -> dict[str, object]:
    """Make everything that the snippets speak of; in dbzero's thread."""
    db0.open("seeds", "rw")
    for name in ("alex", "jordan", "sam", "kim", "robin"):
        users[name] = User(name)
        tasks[name] = Task(users[name], f"a task of {name}")
    return {"people": list(users.values()), "tasks": list(tasks.values())}


def _awaited(what: str) -> FutureResult:
    inboxes.append(Inbox(what))
    return FutureResult(inboxes[-1])


def _what_came(future: FutureResult) -> Any:
    return future.deps.came


def _has_come(future: FutureResult) -> bool:
    return future.deps.came is not None


@temporal(_what_came, _has_come)
def pick_next_task() -> FutureResult:
    """The next task, when there is one."""
    return _awaited("task")


@temporal(extends=pick_next_task)
def pick_next_task_from_queue() -> FutureResult:
    """The next task of the queue, when there is one."""
    return _awaited("task of the queue")


@temporal(extends=pick_next_task)
def wait_for_human_approval(user: User, summary: str) -> FutureResult:
    """What somebody says to a proposal, when it is said."""
    return _awaited(f"approval of {user.name}: {summary}")


def bring(what: str, make: Callable[[], object]) -> None:
    """Let what a job waits for come: something that is made in dbzero's thread."""
    here = scheduler_here(None)
    assert here is not None

    def put() -> None:
        (inbox,) = (inbox for inbox in inboxes if inbox.what == what)
        inbox.came = make()

    here.mirror.submit(put).result(30)


@temporal()
def start_export(dataset: str) -> FutureResult:
    """An export, when it is done."""
    return FutureResult(key=f"export-{dataset}")


def build_report(export: str) -> str:
    """A report on an export."""
    return f"report on {export}"


def _both(future: FutureResult) -> tuple[int, int]:
    return 11, 22


@temporal(_both, lambda future: True)
def get_two_values() -> FutureResult:
    """Two values that come together."""
    return FutureResult("both")


@temporal()
def later(name: str) -> FutureResult:
    """A value that somebody brings."""
    return FutureResult(key=name)


TOOLS = [
    *(pick_next_task, pick_next_task_from_queue, wait_for_human_approval, start_export, build_report),
    *(get_two_values, later),
]

DISPATCH = """
event = incoming_event
user = event.user
message = event.message
timestamp = event.timestamp
calendar = user.calendar
"""
PICK = """
task = pick_next_task()
user = task.user
message = task.message
calendar = user.calendar
"""

coder = Agent("coder", "You write what you are told.", model="scripted", tools=TOOLS)
dispatcher = Agent("dispatcher", "Dispatch.", model="scripted", tools=TOOLS, warmup=DISPATCH)
picker = Agent("picker", "Pick.", model="scripted", tools=TOOLS, warmup=PICK)


# the model


DISPATCHED = Answer(code="exit(f'{user.name}: {message}')")
scripts = Scripts(otherwise=DISPATCHED)


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(scripts) as model:
        yield model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[Path]:
    """A scheduler in this process with all of the above, for all tests here but those that start one."""
    store = tmp_path_factory.mktemp("seeds") / "store"
    options = {"settings": {"model_base_url": model.base_url}, "setup": set_up, "tools": TOOLS}
    with in_background(start_statek_async, [coder, dispatcher, picker], store=store, workers=2, **options):
        yield store


def began(snippet: str, then: str, **given: Any) -> JobHandle:
    """Begin a job whose model writes the snippet, and in its next turn what shows what came of it."""
    marker = scripts.add(Answer(code=snippet), Answer(code=then))
    return submit_new_job(coder, given, message=marker)


def ran(snippet: str, then: str, **given: Any) -> JobView:
    """Return the job when it has ended, as it should."""
    job = began(snippet, then, **given).wait(60)
    assert job.outcome == "ok", (job.error, job.py_env.console, job.chat_log)
    return job


def suspended(job: JobHandle, key: str) -> None:
    """Wait until the job stands still for that key."""
    wait_for(lambda: job.status == "SUSPENDED" and (found := job.awaited_result) and found.key == key, f"awaits {key}")


# operations: each job has its own variables


def test_the_variables_of_two_jobs_do_not_collide(store: Path) -> None:
    job_a = """
user = alex
message = alex_message
calendar = alex.calendar
"""
    job_b = """
user = jordan
message = jordan_message
calendar = jordan.calendar
"""
    show = "exit(f'{user.name}: {message}: {len(calendar.meetings)}')"
    first = began(job_a, show, alex=users["alex"], alex_message="move it")
    second = began(job_b, show, jordan=users["jordan"], jordan_message="cancel it")
    assert first.wait(60).exit_status == "alex: move it: 1"
    assert second.wait(60).exit_status == "jordan: cancel it: 1"


# operations: starting jobs from queues


def test_a_direct_start_has_useful_objects_in_scope(store: Path) -> None:
    snippet = """
user = current_user
message = incoming_message
timestamp = received_at
calendar = user.calendar
"""
    given = {"current_user": users["alex"], "incoming_message": "hello", "received_at": RECEIVED}
    job = ran(snippet, "exit(f'{user.name} {message} {timestamp:%H:%M} {calendar.meetings[0].title}')", **given)
    assert job.exit_status == "alex hello 08:30 planning"


def test_a_dispatcher_starts_a_job_with_the_objects_of_a_task(store: Path) -> None:
    snippet = """
task = next_queued_task
user = task.user
message = task.message
timestamp = task.created_at
calendar = user.calendar
"""
    job = ran(snippet, "exit(f'{user.name}, {message}, {timestamp}')", next_queued_task=tasks["sam"])
    assert job.exit_status == f"sam, a task of sam, {RECEIVED.isoformat()}"


def test_once_started_an_agent_uses_the_variables_directly(store: Path) -> None:
    snippet = """
print(timestamp)
open_slots = calendar.find_open_slots(today)
meeting = calendar.find_meeting("planning")
meeting.move_to(open_slots[0])
"""
    job = ran(
        f"calendar = user.calendar\n{snippet}",
        "exit(f'{meeting.starts:%H:%M}')",
        user=users["kim"],
        timestamp=RECEIVED,
        today=TODAY,
    )
    assert job.exit_status == "09:00"
    assert job.py_env.console == ["2026-01-05 08:30:00+00:00"]
    assert any("'move_to'" in call.arguments and call.outcome == "ok" for call in job.tool_log)


# operations: pushed messages and events


def test_a_message_is_pushed_into_a_job_that_has_ended_and_goes_on_with_its_history(store: Path) -> None:
    marker = scripts.add(
        Answer(code="moved = ['ten']\nexit('moved to ten')"), Answer(code="moved.append('eleven')\nexit(str(moved))")
    )
    job = submit_new_job(coder, message=marker)
    assert job.wait(60).exit_status == "moved to ten"
    names = {"queue": PushQueue(), "job_uuid": job.uuid}
    exec('queue.push_to_job_console(job_uuid, "Can you move it one hour later?")', names)
    wait_for(lambda: job.num_completions == 1 and job.status == "DONE", "it has ended again")
    assert job.exit_status == "['ten', 'eleven']"
    assert list(job.py_env.push_log.values())[-1][-1] == "Can you move it one hour later?"
    assert [item.text for item in job.chat_log if type(item).__name__ == "UserLogItem"] == [
        *(marker, "Can you move it one hour later?")
    ]


def test_an_event_becomes_a_job_of_the_agent_with_the_event_in_its_variables(store: Path) -> None:
    names = {"queue": PushQueue(), "dispatcher_agent": dispatcher, "incoming_event": tasks["robin"]}
    exec("queue.push_to_agent_queue(dispatcher_agent, incoming_event)", names)
    (name,) = wait_for(lambda: [job.name for job in find_jobs(agent="dispatcher").jobs], "the event is a job")
    assert JobHandle(name).wait(60).exit_status == "robin: a task of robin"


# operations and futures: waiting


def stands_still(job: JobHandle) -> None:
    """Wait until the job waits for something."""
    wait_for(lambda: job.status == "SUSPENDED" and job.awaited_result, "it waits")


def test_warm_up_code_picks_work_and_waits_where_there_is_none(store: Path) -> None:
    job = submit_new_job(picker)
    stands_still(job)
    assert job.num_turns == 0
    bring("task", lambda: tasks["alex"])
    assert job.wait(60).exit_status == "alex: a task of alex"


def test_a_task_is_picked_from_a_queue(store: Path) -> None:
    snippet = """
task = pick_next_task_from_queue()
user = task.user
message = task.message
timestamp = task.created_at
calendar = user.calendar
"""
    job = began(snippet, "exit(f'{user.name}, {message}, {timestamp}')")
    stands_still(job)
    bring("task of the queue", lambda: tasks["jordan"])
    assert job.wait(60).exit_status == f"jordan, a task of jordan, {RECEIVED.isoformat()}"


@pytest.mark.parametrize(("accepted", "hour"), [(True, "11:00"), (False, "10:00")])
def test_a_person_approves_what_is_then_done(store: Path, accepted: bool, hour: str) -> None:
    snippet = """
approval = wait_for_human_approval(user, summary)
if approval.accepted:
    meeting.move_to(proposed_slot)
"""
    job = began(
        f"meeting = user.calendar.find_meeting('planning')\n{snippet}",
        "exit(f'{meeting.starts:%H:%M}')",
        user=users["robin" if accepted else "sam"],
        summary=f"later, {accepted}",
        proposed_slot=datetime.combine(TODAY, time(11)),
    )
    stands_still(job)
    bring(f"approval of {'robin' if accepted else 'sam'}: later, {accepted}", lambda: Approval(accepted))
    assert job.wait(60).exit_status == hour


def test_callbacks_and_events_are_variables(store: Path) -> None:
    snippet = """
message = incoming_user_message
approval = incoming_human_approval
export_result = incoming_webhook_result
"""
    given = {"incoming_user_message": "hi", "incoming_human_approval": True, "incoming_webhook_result": {"rows": 344}}
    assert ran(snippet, "exit(f'{message} {approval} {export_result}')", **given).exit_status == "hi True {'rows': 344}"


def test_execution_goes_on_from_the_stored_point(store: Path) -> None:
    snippet = """
counter = counter + 1
result = future_value
after = True
"""
    job = began(
        f"counter = 0\nfuture_value = later('the-value')\n{snippet}\nprint(result)", "exit(f'{counter} {after}')"
    )
    suspended(job, "the-value")
    complete_future("the-value", 7)
    assert job.wait(60).exit_status == "1 True"
    assert job.py_env.console == ["7"]


def test_a_future_is_collected_where_it_is_used(store: Path) -> None:
    snippet = """
result = future_value
print(result)
"""
    job = began(f"future_value = later('collected')\n{snippet}", "exit(str(result))")
    suspended(job, "collected")
    complete_future("collected", [1, 2])
    assert job.wait(60).exit_status == "[1, 2]"


def test_a_report_waits_for_its_export(store: Path) -> None:
    snippet = """
export = start_export(dataset)
report = build_report(export)
"""
    job = began(snippet, "exit(report)", dataset="penguins")
    suspended(job, "export-penguins")
    complete_future("export-penguins", "344 rows")
    assert job.wait(60).exit_status == "report on 344 rows"


def test_a_future_of_a_tuple_is_unpacked(store: Path) -> None:
    snippet = """
left, right = get_two_values()
print(left, right)
"""
    assert ran(snippet, "exit(str(left + right))").py_env.console == ["11 22"]


def test_the_first_of_several_results_or_all_of_them(store: Path) -> None:
    first = """
first_result = wait_for_any(search_a, search_b, search_c)
"""
    names = "search_a, search_b, search_c = later('a'), later('b'), later('c')"
    job = began(f"{names}\n{first}\nprint(first_result)", "exit(first_result)")
    wait_for(lambda: job.status == "SUSPENDED", "it waits for any")
    complete_future("b", "found by b")
    assert job.wait(60).exit_status == "found by b"
    every = """
all_results = wait_for_all(fetch_profile, fetch_calendar, fetch_preferences)
"""
    names = "fetch_profile, fetch_calendar, fetch_preferences = later('p'), later('q'), later('r')"
    job = began(f"{names}\n{every}\nprint(all_results)", "exit(str(all_results))")
    for key in ("r", "p", "q"):
        complete_future(key, key.upper())
    assert job.wait(60).exit_status == "('P', 'Q', 'R')"
