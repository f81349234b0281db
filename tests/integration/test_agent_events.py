"""Events and messages of agents with real processes: delivered once whatever is killed, with objects, and answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from integration.services import Command, Site, site, wait_for

from statek.application.push_queue import PushQueue
from statek.client.client import Client
from statek.inspection.store_view import StoreView
from statek_protocol.values import encode_value

EVENTS = 40
KILLS = 1

APP = """
import pathlib
import dbzero as db0
from statek import FutureResult, tool
from statek.agents.agent import Agent
from statek.application.push_queue import PushQueue

here = pathlib.Path(__file__).parent
db0.open("tasks", "rw")
db0.open("statek", "rw")


@db0.memo(id="test/Task", prefix="tasks")
class Task:
    def __init__(self, title):
        self.title = title
        self.done = False

    def finish(self):
        self.done = True


@db0.memo(id="test/Tasks", singleton=True, prefix="tasks")
class Tasks:
    def __init__(self):
        self.all = []


tasks = Tasks()


def note(text):
    with (here / "notes.txt").open("a") as file:
        file.write(text + "\\n")


def hand_over(title):
    \"\"\"Push an event that holds one object of dbzero twice, and a list.\"\"\"
    task = Task(title)
    tasks.all.append(task)
    PushQueue("main").push_to_agent_queue("worker", {"task": task, "same": [task], "n": 1})


def hand_over_and_lose():
    \"\"\"Push an event whose object dies, because nothing in dbzero refers to it any more.\"\"\"
    tasks.all.append(Task("lost"))
    PushQueue("main").push_to_agent_queue("worker", tasks.all[-1])
    del tasks.all[-1]
    db0.commit()


def finished():
    return [task.title for task in tasks.all if task.done]


def approval():
    return FutureResult(key="approval")


def tell(view, error):
    note(f"{view.agent} {view.outcome} {error.type if error else None}")


def stumble(view, error):
    raise RuntimeError("the handler itself")


def decide(job, text):
    if text == "bad answer":
        return "perhaps"
    return "cancel" if text == "stop" else "keep"


tools = [hand_over, hand_over_and_lose, finished]
agents = [
    Agent("counter", warmup="exit(str(event['n']))"),
    Agent("worker", tools=[note], error_handler=tell, warmup='''
event["task"].finish()
note(event["task"].title + " " + str(event["same"][0] == event["task"]))
exit("done")
'''),
    Agent("failing", error_handler=tell, warmup="print(event)\\n1 / 0"),
    Agent("stumbling", error_handler=stumble, warmup="print(event)\\n1 / 0"),
    Agent("waiting", tools=[approval, note], on_push=decide, error_handler=tell,
          warmup="note(event)\\nyes = approval()\\nprint(yes)\\nexit('never')"),
]
push_queues = ["main"]
"""


def service(site: Site) -> Command:
    """A scheduler with the application above; of few places, so that events wait while others are under way."""
    app = site.directory / "app.py"
    app.write_text(APP)
    return site.scheduler("--app", str(app), "--max-concurrency", "2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """That scheduler and an executor, for all tests here; the last one kills the scheduler."""
    directory = tmp_path_factory.mktemp("events")
    with site(directory, f"ipc://{directory}/executors.ipc") as made:
        service(made)
        made.welcomed(made.executor())
        yield made


def push(site: Site, agent: str, event: object) -> int:
    return PushQueue("main", store=site.store).push_to_agent_queue(agent, event)


def ended(site: Site, agent: str, number: int = 1) -> list[str]:
    """Return the jobs of an agent once so many of them have ended."""
    view = StoreView(site.store)

    def done() -> list[str]:
        page = view.find(agent=agent, status="DONE", limit=1_000)
        return [job.name for job in page.jobs] if len(page.jobs) >= number else []

    found: list[str] = wait_for(done, f"{number} ended jobs of {agent}")
    return found


def works_on(site: Site) -> None:
    """Assert that events still become jobs."""
    before = len(StoreView(site.store).find(agent="counter").jobs)
    push(site, "counter", {"n": 1})
    ended(site, "counter", before + 1)


def notes(site: Site) -> list[str]:
    file = site.directory / "notes.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_events_may_hold_objects_of_dbzero_and_jobs_change_these(place: Site) -> None:
    run = place.exec(source="hand_over('first')\nhand_over('second')")
    assert run.status == 0, run.err
    ended(place, "worker", 2)
    assert {"first True", "second True"} <= set(notes(place))
    assert place.exec(source="print(finished())").out == "['first', 'second']\n"


def test_an_event_whose_object_is_gone_is_a_dead_letter(place: Site) -> None:
    assert place.exec(source="hand_over_and_lose()").status == 0
    queue = PushQueue("main", store=place.store)
    (letter,) = wait_for(queue.dead_letters, "a dead letter")
    assert "is not in dbzero any more" in letter.dead_reason
    works_on(place)


def test_an_application_is_told_of_bad_ends_and_its_own_mistakes_harm_nobody(place: Site) -> None:
    push(place, "stumbling", 1)
    push(place, "failing", 1)
    ended(place, "failing")
    wait_for(lambda: "failing error ZeroDivisionError" in notes(place), "what the handler notes")
    ended(place, "stumbling")
    ask = ("audit", "--store", str(place.store), "--kind", "handler_failed", "--json")
    told = wait_for(lambda: _statek(place, *ask), "a record of the handler that raised")
    assert '"agent":"stumbling"' in told.replace(" ", "")
    works_on(place)


def test_an_application_says_what_a_message_does_to_a_job_that_waits(place: Site) -> None:
    push(place, "waiting", "begun")
    view, queue = StoreView(place.store), PushQueue("main", store=place.store)

    def waits() -> str | None:
        page = view.find(agent="waiting", status="SUSPENDED")
        return page.jobs[0].name if page.jobs else None

    job = wait_for(waits, "a job that waits")
    queue.push_to_job_console(job, "go on")
    queue.push_to_job_console(job, "bad answer")
    wait_for(lambda: _statek(place, "audit", "--store", str(place.store), "--kind", "handler_failed"), "its mistake")
    assert view.job(job).status == "SUSPENDED"
    queue.push_to_job_console(job, "stop")
    ended(place, "waiting")
    assert view.job(job).outcome == "cancelled"
    wait_for(lambda: notes(place)[-1:] == ["waiting cancelled JobCancelled"], "what the handler notes")


def test_each_event_becomes_one_job_however_often_the_scheduler_is_killed(place: Site) -> None:
    view, queue = StoreView(place.store), PushQueue("main", store=place.store)
    others = len(view.find(agent="counter").jobs)
    with Client(place.store / "client.sock") as client:
        for number in range(EVENTS):
            body = encode_value({"n": -number}, max_bytes=1_000, max_depth=4)
            client.push("main", body, agent="counter", key=f"event-{number}")
    for kill in range(1, KILLS + 1):
        ended(place, "counter", others + kill * EVENTS // (KILLS + 2))
        running = place.commands[-1] if kill > 1 else place.commands[0]
        running.kill()
        running.wait()
        assert not queue.is_empty(), "nothing was left to deliver"
        service(place)
    found = Counter(view.job(name).exit_status for name in ended(place, "counter", others + EVENTS))
    wanted = [str(-number) for number in range(EVENTS)]
    assert [found[status] for status in wanted] == [1] * EVENTS
    assert queue.is_empty()
    assert len(view.find(agent="counter", limit=1_000).jobs) == others + EVENTS


def _statek(site: Site, *arguments: str) -> str:
    import subprocess

    command = [*site.python, "-m", "statek", *arguments]
    return subprocess.run(
        command, env=site._environment(), capture_output=True, text=True, timeout=60, check=True
    ).stdout
