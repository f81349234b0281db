"""Waiting and completing with real services: the command line, other processes, threads of the application, kills."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from integration.services import Run, Site, finish, site, wait_for

from statek.store.directory import StoreDirectory

APP = """
import pathlib
import threading
import statek
from statek import FutureResult, temporal

NOTES = pathlib.Path({notes!r})

def note(text: str) -> None:
    with NOTES.open("a") as file:
        file.write(text + "\\n")

@temporal(deadline_seconds=60)
def wait_for_approval(what: str):
    return FutureResult(key=f"approval-{{what}}")

@temporal(lambda future: future.deps, lambda future: True)
def at_once(value):
    return FutureResult(value)

def complete_in_a_thread(key: str, value) -> None:
    threading.Thread(target=statek.complete_future, args=(key, value)).start()

def complete_here(key: str, value) -> str:
    return statek.complete_future(key, value).outcome

tools = [note, wait_for_approval, at_once, complete_in_a_thread, complete_here]
"""
WAITS = """
count = 0
for what in ("a", "b"):
    count += 1
    note(f"before {what} {count}")
    answer = wait_for_approval(what)
    note(f"after {what}: {answer}")
print(count)
"""


def serve(place: Site) -> Site:
    """Start a scheduler and an executor; the application's tool writes into `notes`."""
    app = place.write(APP.format(notes=str(place.directory / "notes")), "app.py")
    place.scheduler("--app", str(app))
    place.welcomed(place.executor())
    return place


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Services for all tests here that end none of them and leave nobody waiting."""
    directory = tmp_path_factory.mktemp("serving")
    with site(directory, f"ipc://{directory}/executors.ipc") as place:
        yield serve(place)


def notes(place: Site) -> list[str]:
    return (place.directory / "notes").read_text().splitlines()


def future(place: Site, *arguments: str) -> Run:
    """Run `statek future`."""
    command = [*place.python, "-m", "statek", "future", arguments[0], "--store", str(place.store), *arguments[1:]]
    pipe = subprocess.PIPE
    return finish(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=place._environment()))


def waiting(place: Site, count: int = 1) -> list[dict[str, object]]:
    """What is waited for, once so many jobs wait."""

    def listed() -> list[dict[str, object]]:
        found = [json.loads(line) for line in future(place, "list", "--json").out.splitlines()]
        return found if len(found) == count else []

    found: list[dict[str, object]] = wait_for(listed, f"{count} suspended jobs")
    return found


def test_waits_in_a_loop_are_completed_on_the_command_line_and_by_another_process(serving: Site) -> None:
    guest = serving.exec_in_background(source=WAITS)
    [wait] = waiting(serving)
    assert wait["keys"] == ["approval-a"]
    assert wait["trouble"] == []
    assert wait["deadline"] is not None
    assert future(serving, "complete", "approval-a", '{"by": ["me"]}').status == 0
    assert future(serving, "complete", "approval-a", "7").status == 1
    wait_for(lambda: waiting(serving)[0]["keys"] == ["approval-b"], "the second wait")
    code = f"import statek; print(statek.complete_future('approval-b', [1], store={str(serving.store)!r}).outcome)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == "completed\n"
    run = finish(guest)
    assert (run.status, run.out) == (0, "2\n"), run.err
    assert "waits for key approval-a" in run.err
    assert notes(serving) == ["before a 1", "after a: {'by': ['me']}", "before b 2", "after b: [1]"]


def test_what_is_completed_while_no_scheduler_runs_is_there_after_a_kill(local: Site) -> None:
    serve(local)
    app = str(local.directory / "app.py")
    guest = local.exec_in_background("--app", app, source=WAITS)
    waiting(local)
    local.commands[0].kill()
    local.commands[0].wait()
    assert future(local, "complete", "approval-a", '"while it was down"').status == 0
    assert future(local, "complete", "approval-b", '"early"').status == 0
    local.scheduler("--app", app)  # unless the command that follows has become the scheduler itself
    run = finish(guest)
    assert (run.status, run.out) == (0, "2\n"), run.err
    said = ["before a 1", "after a: while it was down", "before b 2", "after b: early"]
    assert notes(local) == said


def test_a_wait_is_given_up_and_fails_with_errors_that_the_guest_handles(serving: Site) -> None:
    source = """
    for what in ("cancelled", "failed"):
        try:
            answer = wait_for_approval(what) + 1
        except (WaitCancelled, FutureFailed) as error:
            print(type(error).__name__, error)
    """.replace("\n    ", "\n")
    guest = serving.exec_in_background(source=source)
    [wait] = waiting(serving)
    assert future(serving, "cancel", "--job", str(wait["job"])).status == 0
    wait_for(lambda: waiting(serving)[0]["keys"] == ["approval-failed"], "the second wait")
    assert future(serving, "fail", "approval-failed", "nobody \x1b[31mthere").status == 0
    run = finish(guest)
    assert run.out.splitlines() == [
        "WaitCancelled the wait was given up from outside",
        "FutureFailed nobody \x1b[31mthere",
    ], run.err


def test_an_application_completes_from_its_threads_and_its_tools(serving: Site) -> None:
    source = """
    first = wait_for_approval("thread")
    complete_in_a_thread("approval-thread", 5)
    print(first + 1)
    print(complete_here("approval-tool", "early"), complete_here("approval-tool", "again"))
    print(wait_for_approval("tool"), at_once(3) + at_once(4))
    """.replace("\n    ", "\n")
    run = serving.exec(source=source)
    assert run.out.splitlines() == ["6", "kept duplicate", "early 7"], run.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("complete", "key", "{"), "is not JSON"),
        (("complete", "a\nb", "1"), "printable"),
        (("complete", "k" * 201, "1"), "200"),
        (("fail", "key", "x" * 20_000), "characters"),
        (("cancel",), "name a key or a --job"),
        (("cancel", "key", "--job", "job"), "not both"),
        (("cancel", "--job", "nobody"), "there is no job"),
    ],
)
def test_wrong_usage_is_told_in_one_line(local: Site, arguments: tuple[str, ...], text: str) -> None:
    StoreDirectory.create_or_open(local.store)
    run = future(local, *arguments)
    assert run.status == 2
    assert text in run.err
    assert run.err.count("\n") == 1
