"""Application objects behind handles, with real processes: what a guest does to them happens once."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from integration.services import Command, Site, finish, gone, wait_for

EXAMPLE = Path(__file__).parents[2] / "examples" / "calendar"
STEPS = ("before the change", "before the commit", "after the commit", "after the ledger")

APP = """
import os, pathlib, signal
import dbzero as db0
from statek import tool
from statek.core.events import CallAnswered
from statek.store.ledger import Ledger
from statek.store.session import Session

here = pathlib.Path(__file__).parent
plan = here / "plan.txt"


def reach(step):
    \"\"\"Die here if the plan says so; each line of it counts once, for the call of that number.\"\"\"
    lines = plan.read_text().splitlines()
    if lines and lines[0] == f"{counter.value} {step}":
        plan.write_text("\\n".join(lines[1:]))
        os.kill(os.getpid(), signal.SIGKILL)


def dying_after(cls, name, step, concerns):
    plain = getattr(cls, name)

    def method(self, *args):
        plain(self, *args)
        if concerns(*args):
            reach(step)

    setattr(cls, name, method)


dying_after(Session, "commit_prefixes", "after the commit", lambda prefixes: "counting" in prefixes)
dying_after(
    Ledger,
    "append",
    "after the ledger",
    lambda records, *_: any(isinstance(record.event, CallAnswered) for record in records),
)


@db0.memo(id="test/Counter", singleton=True)
class Counter:
    def __init__(self):
        self.value = 0

    def count(self):
        reach("before the change")
        self.value += 1
        reach("before the commit")
        return self.value


@tool(transactional=True)
def count_by_tool():
    return counter.count()


db0.open("counting", "rw")
counter = Counter()
tools = [count_by_tool]
locals = {"counter": counter}
"""

PROGRAM = """
for _ in range(10):
    print({count})
print("value", counter.value)
"""


def serve(site: Site, app: str) -> tuple[Command, Command]:
    written = site.write(app, "app.py")
    return site.scheduler("--app", str(written)), site.welcomed(site.executor())


@pytest.mark.parametrize("count", ["counter.count()", "count_by_tool()"])
def test_a_scheduler_killed_at_each_step_leaves_each_change_done_once(local: Site, count: str) -> None:
    plan = local.write(
        "\n".join(f"{number} {step}" for number, step in zip((1, 4, 6, 8), STEPS, strict=True)), "plan.txt"
    )
    scheduler, _ = serve(local, APP)
    running = local.exec_in_background("--json", source=PROGRAM.format(count=count))
    for _ in STEPS:
        assert scheduler.wait() < 0, plan.read_text()
        scheduler = local.scheduler("--app", str(local.directory / "app.py"))
    result = finish(running)
    assert plan.read_text() == ""
    assert result.status == 0, result.json["error"]
    assert result.json["console"].split() == [*map(str, range(1, 11)), "value", "10"]


def test_the_example_runs_as_written_and_its_change_outlives_every_process(local: Site) -> None:
    app = shutil.copy(EXAMPLE / "app.py", local.directory)
    scheduler = local.scheduler("--app", app)
    executor = local.welcomed(local.executor())
    running = local.exec_in_background("--json", source=(EXAMPLE / "agent.py").read_text())
    wait_for(lambda: "calendar.db0" in {file.name for file in local.store.rglob("*.db0")}, "the calendar")
    wait_for(lambda: scheduler.process.poll() is None and job_sleeps(local), "the middle of the program")
    trees = [*scheduler.tree(), *executor.tree()]
    scheduler.kill()
    executor.kill()
    gone(trees)
    local.scheduler("--app", app)
    local.welcomed(local.executor())
    result = finish(running)
    assert result.json["console"].splitlines() == [
        "planning is now at 2026-01-05 09:00:00",
        "planning and review have changed places",
        "14:00 planning, moved 2 times, with ['ada']",
        "09:00 review, moved 1 times, with []",
    ]
    job = result.json["job"]
    after = local.exec("--job", job, source="print(meeting is calendar.find_meeting('planning'), meeting.moves)")
    assert after.out == "True 2\n"


def job_sleeps(site: Site) -> bool:
    with sqlite3.connect(f"file:{site.store / 'ledger.sqlite3'}?mode=ro", uri=True) as ledger:
        (count,) = ledger.execute("SELECT count(*) FROM events WHERE kind = 'call_requested'").fetchone()
    return bool(count > 9)


LOST = """
import dbzero as db0

@db0.memo(id="test/Note")
class Note:
    def __init__(self, text):
        self.text = text

class Scratch:
    text = "scratch"

@db0.memo(id="test/Notes", singleton=True)
class Notes:
    def __init__(self):
        self.all = [Note("kept")]

db0.open("notes", "rw")
notes = Notes()
locals = {"notes": notes, "board": Scratch()}
def scratch():
    return Scratch()
tools = [scratch]
"""


def test_what_is_found_again_after_a_restart_and_after_a_loss_and_what_is_gone(local: Site) -> None:
    scheduler, _ = serve(local, LOST)
    job = local.exec("--json", source="kept = notes.all[0]\nkept.text += '!'\nmine = scratch()").json["job"]
    source = """
for found in (lambda: kept.text, lambda: len(notes.all), lambda: board.text, lambda: mine.text):
    try:
        print(found())
    except ObjectGone as error:
        print("gone:", error)
"""
    scheduler.kill()
    scheduler.wait()
    scheduler = local.scheduler("--app", str(local.directory / "app.py"))
    lines = local.exec("--job", job, source=source).out.splitlines()
    assert lines[:3] == ["kept!", "1", "scratch"]
    assert lines[3].startswith("gone: the Scratch was in the memory of a scheduler that has ended")
    scheduler.kill()
    scheduler.wait()
    (local.store / "dbzero" / "notes.db0").write_bytes(b"not what it was")
    scheduler = local.scheduler("--app", str(local.directory / "app.py"))
    lines = local.exec("--job", job, source=source).out.splitlines()
    assert lines[0].startswith("gone: the Note is not in dbzero any more")
    assert lines[1:3] == ["1", "scratch"], "what is exported is found by its name"
    assert scheduler.said("notes")
    assert list(local.store.glob("dbzero.damaged-*/notes.db0"))


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("1 / 0", "line 1: ZeroDivisionError"),
        ("import os\nlocals = {'os': os}", "a module cannot cross"),
    ],
)
def test_an_application_that_cannot_be_used_is_wrong_usage_and_nothing_is_run(local: Site, app: str, said: str) -> None:
    written = local.write(app, "app.py")
    run = local.exec("--app", str(written), source="print(1)")
    assert (run.status, run.out) == (2, "")
    assert said in run.err
    assert len(run.err.splitlines()) == 1
