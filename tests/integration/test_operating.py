"""The commands of operators, on real stores with a scheduler and without: jobs, queues, agents, executors and usage."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from integration.services import Command, Run, Site, finish, site, wait_for

from statek import PushQueue
from statek.cli.main import main

APP = """
from statek import Agent, FutureResult, temporal

@temporal()
def approval(what: str) -> FutureResult:
    return FutureResult(key=f"approval-{what}")

COUNT = "import time\\nfor _ in range(12):\\n    time.sleep(0)\\ntime.sleep(0.001)\\nexit()"

agents = [
    Agent("greeter", instructions="greet", warmup="print('hello', name)\\nexit('done ' + name)"),
    Agent("waiter", instructions="wait", warmup="import time\\nfor _ in range(200):\\n    time.sleep(0.3)\\n"),
    Agent("taker", instructions="take", warmup="print(event['a'])\\nexit('taken')"),
    Agent("asker", instructions="ask", tools=[approval], warmup="print(approval(\\'trip\\'))\\nexit()"),
    Agent("counter", instructions="count", warmup=COUNT),
    Agent("breaker", instructions="break", warmup="1 / zero"),
]
"""


def start(place: Site, *arguments: str) -> subprocess.Popen[str]:
    """Start the command as a process of its own."""
    pipe = subprocess.PIPE
    client = subprocess.Popen(
        [*place.python, "-m", "statek", *_command(place, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    place.clients.append(client)
    return client


def _command(place: Site, arguments: tuple[str, ...]) -> list[str]:
    """Put the store behind the name of the command."""
    grouped = arguments[0] in ("job", "queues", "agents") and not (arguments[1:] or ("-",))[0].startswith("-")
    words = 2 if grouped else 1
    return [*arguments[:words], "--store", str(place.store), *arguments[words:]]


def process(place: Site, *arguments: str) -> Run:
    """Run the command as a process of its own."""
    return finish(start(place, *arguments))


def statek(place: Site, *arguments: str, given: bytes | None = None) -> Run:
    """Run the command in this process: it does the same, and a process for each would take most of the time."""
    result = CliRunner().invoke(main, _command(place, arguments), input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Run(result.exit_code, result.stdout, result.stderr)


def told(place: Site, *arguments: str) -> list[dict[str, Any]]:
    run = statek(place, *arguments, "--json")
    assert run.status == 0, run.err
    return [json.loads(line) for line in run.out.splitlines()]


def serve(place: Site) -> Command:
    return place.embedded_scheduler("--app", str(place.write(APP, "app.py")))


def begin(place: Site, agent: str, *arguments: str) -> str:
    run = statek(place, "job", "start", *arguments, agent)
    assert run.status == 0, run.err
    return run.out.strip()


def show(place: Site, job: str) -> dict[str, Any]:
    (found,) = told(place, "job", "show", job)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("operating")
    with site(directory, f"ipc://{directory}/executors.ipc") as found:
        serve(found)
        yield found


def test_a_job_is_started_waited_for_and_looked_at(place: Site) -> None:
    run = process(place, "job", "start", "--var", 'name="ann"', "--name", "first", "--wait", "greeter")
    assert (run.status, run.out) == (0, "done ann\n"), run.err
    found = show(place, "first")
    assert (found["status"], found["outcome"], found["exit_status"], found["agent"]) == (
        "DONE",
        "ok",
        "done ann",
        "greeter",
    )
    assert process(place, "job", "console", "first").out == "hello ann\n"
    assert statek(place, "job", "console", "-f", "first").out == "hello ann\n"
    page = process(place, "job", "show", "first").out
    assert "DONE, ok" in page
    assert "done ann" in page
    story = process(place, "job", "log", "first").out
    assert "warmup warmup-1: ok" in story
    assert "    hello ann" in story


def test_a_job_that_does_not_end_well_leaves_with_its_outcome(place: Site) -> None:
    run = process(place, "job", "start", "--var", "zero=0", "--name", "broken", "--wait", "breaker")
    assert run.status == 1, run.err
    assert "ZeroDivisionError" in statek(place, "job", "show", "broken").out
    assert [job["name"] for job in told(place, "jobs", "--outcome", "error")] == ["broken"]
    assert "ZeroDivisionError" in statek(place, "jobs", "--agent", "breaker").out
    retried = statek(place, "job", "retry", "broken", "nobody")
    assert (retried.status, "broken: goes on" in retried.err) == (2, True), retried.err
    wait_for(lambda: [e["kind"] for e in told(place, "job", "log", "broken")].count("end") == 2, "its second end")


def test_the_same_key_starts_the_same_job(place: Site) -> None:
    first = begin(place, "greeter", "--var", 'name="k"', "--key", "one")
    assert begin(place, "greeter", "--var", 'name="k"', "--key", "one") == first


def test_jobs_are_listed_by_what_they_are_newest_first(place: Site) -> None:
    begin(place, "waiter", "--name", "w1")
    begin(place, "waiter", "--name", "w2")
    assert [job["name"] for job in told(place, "jobs", "--agent", "waiter")] == ["w2", "w1"]
    assert [job["name"] for job in told(place, "jobs", "--agent", "waiter", "--oldest", "--limit", "1")] == ["w1"]
    assert told(place, "jobs", "--agent", "waiter", "--status", "DONE") == []
    run = statek(place, "jobs", "--agent", "waiter", "--limit", "1")
    assert "there are more" in run.err
    cancelled = statek(place, "job", "cancel", "--reason", "a test is over", "w1", "w2")
    assert cancelled.status == 0, cancelled.err
    assert "w1: cancelled" in cancelled.err
    assert {job["outcome"] for job in told(place, "jobs", "--agent", "waiter")} == {"cancelled"}
    assert "a test is over" in statek(place, "job", "log", "w1").out
    assert statek(place, "job", "cancel", "w1").status == 1, "nothing was to be cancelled any more"


def test_a_log_is_followed_until_the_job_ends(place: Site) -> None:
    job = begin(place, "waiter", "--name", "followed")
    wait_for(lambda: show(place, job)["status"] == "WARMING_UP", "the job at work")
    follower = start(place, "job", "log", "-f", "--json", job)
    assert follower.stdout is not None
    first = json.loads(follower.stdout.readline())
    assert first["tool"] == "time.sleep"
    assert statek(place, "job", "cancel", job).status == 0
    out, err = follower.communicate(timeout=60)
    entries = [json.loads(line) for line in out.splitlines()]
    assert follower.returncode == 0, err
    assert [entry.get("act") or entry["outcome"] for entry in entries[-2:]] == ["cancelled", "cancelled"]
    assert entries[-1]["kind"] == "end"
    assert sum(entry.get("kind") == "warmup" for entry in entries) == 1


def test_events_and_dead_letters_are_looked_after(place: Site) -> None:
    assert statek(place, "queues", "push", "--agent", "taker", "main", '{"a": 5}').status == 0
    wait_for(lambda: told(place, "jobs", "--agent", "taker", "--status", "DONE"), "the event's job")
    PushQueue("spare", store=place.store).push_to_job_console("job-never", "hello")
    letters = wait_for(lambda: told(place, "queues", "dead", "spare"), "the dead letter")
    assert letters[0]["job"] == "job-never"
    assert "there is no job 'job-never'" in statek(place, "queues", "dead", "spare").out
    assert [(depth["queue"], depth["dead"]) for depth in told(place, "queues")] == [("spare", 1)]
    assert statek(place, "queues", "redrive", "spare", str(letters[0]["number"])).status == 0
    again = wait_for(lambda: told(place, "queues", "dead", "spare"), "the same dead letter")
    assert (again[0]["number"], again[0]["attempts"]) == (letters[0]["number"], 1)
    assert statek(place, "queues", "discard", "--all", "spare").status == 0
    assert told(place, "queues") == []
    assert statek(place, "queues", "discard", "--all", "spare").status == 1, "nothing was left"


def test_agents_are_shown_and_revised(place: Site) -> None:
    assert {agent["name"] for agent in told(place, "agents")} == {
        "greeter",
        "waiter",
        "taker",
        "breaker",
        "counter",
        "asker",
    }
    assert statek(place, "agents", "revise", "--model", "m-2", "--set", "max_turns=3", "taker").status == 0
    (found,) = told(place, "agents", "show", "taker")
    assert (found["model"], found["harness"]["max_turns"], found["changed"]) == ("m-2", 3, ["max_turns", "model"])
    bounds = "--set", "max_cost=0.25", "--set", "max_token_usage=none"
    assert statek(place, "agents", "revise", *bounds, "taker").status == 0
    lines = [line.split() for line in statek(place, "agents", "show", "taker").out.splitlines()]
    assert all(line in lines for line in (["max_turns", "3"], ["max_cost", "0.250000"], ["max_token_usage", "none"]))
    assert statek(place, "agents", "revise", "--reset", "taker").status == 0
    (found,) = told(place, "agents", "show", "taker")
    assert (found["model"], found["changed"]) == ("", [])


def test_executors_and_usage_are_told(place: Site) -> None:
    statek(place, "job", "start", "--var", 'name="u"', "--wait", "greeter")
    (executor,) = wait_for(lambda: told(place, "executors"), "the local pool")
    assert (executor["workers"], executor["lacks"]) == (2, [])
    (greeter,) = [total for total in told(place, "usage") if total["agent"] == "greeter"]
    assert greeter["jobs"] >= 1
    assert greeter["cpu_seconds"] > 0
    assert told(place, "usage", "--since", "2100-01-01") == []
    (everything,) = told(place, "usage", "--by", "none")
    assert everything["jobs"] >= greeter["jobs"]


@pytest.mark.parametrize(
    ("arguments", "told_so"),
    [
        (("job", "show", "nobody"), "there is no job 'nobody'"),
        (("job", "log", "nobody"), "there is no job 'nobody'"),
        (("job", "push", "nobody", "hello"), "there is no job 'nobody'"),
        (("job", "cancel", "nobody"), "there is no job 'nobody'"),
        (("job", "retry", "nobody"), "there is no job 'nobody'"),
        (("job", "start", "greter"), "did you mean 'greeter'"),
        (("job", "start", "--var", "x", "greeter"), "NAME=JSON"),
        (("job", "start", "--var", "x=y", "greeter"), "is not JSON"),
        (("job", "start", "--var", "print=1", "greeter"), "print"),
        (("job", "show", "firs"), "did you mean first"),
        (("job", "start", "--var", "x=NaN", "greeter"), "NaN is no number"),
        (("jobs", "--agent", "greter"), "did you mean 'greeter'"),
        (("jobs", "--parent", "nobody"), "there is no job 'nobody'"),
        (("jobs", "--since", "yesterday"), "is no time"),
        (("agents", "show", "greter"), "did you mean 'greeter'"),
        (("agents", "show", "nobody"), "there is no agent"),
        (("agents", "revise", "nobody", "--model", "m"), "there is no agent"),
        (("agents", "revise", "greeter"), "say what is to be changed"),
        (("agents", "revise", "--set", "max_turn=1", "greeter"), "max_turn"),
        (("agents", "revise", "--set", "max_turns=x", "greeter"), "no number"),
        (("queues", "push", "--agent", "taker", "main", "{"), "not JSON"),
        (("queues", "redrive", "main"), "number of a dead letter"),
        (("queues", "redrive", "main", "999999"), "999999"),
    ],
)
def test_what_cannot_be_is_wrong_usage_and_says_why(place: Site, arguments: tuple[str, ...], told_so: str) -> None:
    run = statek(place, *arguments)
    assert run.status == 2, (run.out, run.err)
    assert told_so in run.err
    assert "Traceback" not in run.err


def test_all_of_it_works_where_no_scheduler_runs(tmp_path: Any) -> None:
    with site(tmp_path, f"ipc://{tmp_path}/executors.ipc") as place:
        command = serve(place)
        job = begin(place, "greeter", "--var", 'name="x"', "--name", "early", "--wait")
        waiter = begin(place, "waiter", "--name", "late")
        wait_for(lambda: show(place, waiter)["status"] == "WARMING_UP", "the job at work")
        follower = start(place, "job", "log", "-f", waiter)
        assert follower.stdout is not None
        assert "call time.sleep(0.3)" in follower.stdout.readline()
        command.kill()
        command.wait()
        assert job == "done x"
        assert [found["name"] for found in told(place, "jobs")] == ["late", "early"]
        assert statek(place, "job", "console", "early").out == "hello x\n"
        assert statek(place, "executors").status == 1
        nobody = "scheduler    none runs on this store"
        assert [nobody in statek(place, "job", "show", name).out for name in ("late", "early")] == [True, False]
        assert process(place, "job", "cancel", "late").status == 0
        assert show(place, "late")["outcome"] == "cancelled"
        told_on = finish(follower)
        assert (told_on.status, told_on.err) == (0, "")
        assert "the job ended: cancelled" in told_on.out
        assert statek(place, "queues", "push", "--agent", "taker", "main", '{"a": 9}').status == 0
        assert told(place, "queues")[0]["waiting"] == 1
        assert begin(place, "greeter", "--var", 'name="y"', "--name", "begun") == "begun"
        assert show(place, "begun")["status"] == "READY"
        serve(place)
        wait_for(lambda: show(place, "begun")["status"] == "DONE", "the job that was begun without a scheduler")
        wait_for(lambda: told(place, "jobs", "--agent", "taker", "--status", "DONE"), "the event's job")


def test_what_a_guest_chose_is_shown_and_not_obeyed(place: Site) -> None:
    hostile = "\\u001b]0;owned\\u0007\\u202e"
    begin(place, "greeter", "--var", f'name="{hostile}"', "--name", "rude", "--wait")
    for command in (("jobs",), ("job", "show", "rude"), ("job", "log", "rude"), ("job", "console", "rude")):
        out = process(place, *command).out
        assert "\\x1b" in out, command
        assert all(character.isprintable() or character == "\n" for character in out), command


def test_a_narrow_terminal_shows_whole_names_and_a_line_for_each_job(place: Site) -> None:
    name = "a-job-with-a-long-name"
    begin(place, "greeter", "--var", f'name="{"x" * 200}"', "--name", name, "--wait")
    primary, secondary = pty.openpty()
    command = [*place.python, "-m", "statek", "jobs", "--store", str(place.store), "--limit", "1"]
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "70", "NO_COLOR": "1"}
    subprocess.run(command, stdout=secondary, stderr=subprocess.PIPE, env=environment, check=True)
    os.close(secondary)
    lines = os.read(primary, 65_536).decode().splitlines()
    os.close(primary)
    assert len(lines) == 2
    assert lines[1].startswith(name)
    assert all(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 70 for line in lines)
    assert "\x1b[3" not in lines[1], "no colour was wanted"


def test_jobs_are_watched_on_a_terminal_as_they_change(place: Site) -> None:
    primary, secondary = pty.openpty()
    command = [*place.python, "-m", "statek", "jobs", "--store", str(place.store), "--watch"]
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "COLUMNS": "150", "LINES": "60"}
    watching = subprocess.Popen(command, stdin=secondary, stdout=secondary, stderr=secondary, env=environment)
    place.clients.append(watching)  # type: ignore[arg-type]
    os.close(secondary)
    seen = bytearray()

    def shows(text: bytes) -> bool:
        while select.select([primary], [], [], 0)[0]:
            seen.extend(os.read(primary, 65_536))
        return text in seen

    wait_for(lambda: shows(b"STATUS"), "the table")
    begin(place, "greeter", "--var", 'name="w"', "--name", "watched")
    wait_for(lambda: shows(b"watched"), "the new job")
    wait_for(lambda: shows(b"done w"), "its end")
    watching.send_signal(signal.SIGINT)
    wait_for(lambda: shows(b"\x1b[?1049l"), "the terminal as it was")
    assert watching.wait(20) == 0
    os.close(primary)


def test_long_work_says_on_a_terminal_what_is_being_done_and_elsewhere_nothing(place: Site) -> None:
    primary, secondary = pty.openpty()
    command = [*place.python, "-m", "statek", "store", "check", "--store", str(place.store), "--json"]
    environment = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color"}
    done = subprocess.run(
        command, stdin=secondary, stdout=subprocess.PIPE, stderr=secondary, env=environment, check=False, timeout=60
    )
    os.close(secondary)
    shown = os.read(primary, 65_536)
    os.close(primary)
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True, "what is for programs is for them alone"
    assert b"reading" in shown
    elsewhere = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=60)
    assert (elsewhere.returncode, elsewhere.stderr) == (0, b"")


def test_watching_is_for_a_terminal(place: Site) -> None:
    assert statek(place, "jobs", "--watch").status == 2


def test_jobs_are_found_by_when_they_were_made(place: Site) -> None:
    begin(place, "breaker", "--var", "zero=1", "--name", "recent")
    assert "recent" in [job["name"] for job in told(place, "jobs", "--since", "1h", "--limit", "1000")]
    made = show(place, "recent")["created"]
    (oldest, *_) = told(place, "jobs", "--since", made, "--oldest")
    assert oldest["name"] == "recent"
    assert told(place, "jobs", "--since", "2100-01-01") == []


def test_calls_that_are_alike_are_told_once_and_each_has_a_cursor_to_go_on_from(place: Site) -> None:
    begin(place, "counter", "--name", "counted", "--wait")
    lines = statek(place, "job", "log", "counted").out.splitlines()
    assert [line.partition("Z  ")[2] for line in lines if not line.startswith(" ")] == [
        "warmup warmup-1: ok",
        "call time.sleep(0.0)",
        "... 11 more like it",
        "call time.sleep(0.001)",
        "the job ended: ok",
    ]
    entries = told(place, "job", "log", "counted")
    assert [entry["kind"] for entry in entries] == ["warmup", *["call"] * 13, "end"]
    assert [entry["cursor"] for entry in entries] == sorted({entry["cursor"] for entry in entries})
    assert told(place, "job", "log", "counted", "--after", str(entries[5]["cursor"])) == entries[6:]


def test_each_job_is_decided_by_itself_and_the_worst_is_the_status(place: Site) -> None:
    begin(place, "waiter", "--name", "c1")
    run = statek(place, "job", "cancel", "nobody", "c1")
    assert run.status == 2
    assert "there is no job 'nobody'" in run.err
    assert "c1: cancelled" in run.err


def test_what_is_pushed_for_an_agent_that_nobody_knows_is_refused(place: Site) -> None:
    run = statek(place, "queues", "push", "--agent", "takr", "typos", "1")
    assert run.status == 2
    assert "did you mean 'taker'" in run.err
    assert "typos" not in {depth["queue"] for depth in told(place, "queues")}


def test_a_queue_that_is_spelt_wrong_is_named(place: Site) -> None:
    PushQueue("typos", store=place.store).push_to_job_console("job-never", "hello")
    wait_for(lambda: told(place, "queues", "dead", "typos"), "the dead letter")
    assert "there is in: typos" in statek(place, "queues", "dead", "typo").err


def test_what_is_no_text_is_refused_before_anything_happens(place: Site) -> None:
    begin(place, "waiter", "--name", "deaf")
    run = statek(place, "job", "push", "deaf", "-", given=b"\xff\xfe")
    assert (run.status, "is not UTF-8" in run.err) == (2, True)
    assert statek(place, "job", "cancel", "deaf").status == 0


def test_looking_for_a_store_makes_none(tmp_path: Path) -> None:
    place = Site(tmp_path, "")
    place.store.mkdir()
    for command in (("jobs",), ("job", "cancel", "x"), ("job", "release", "x"), ("queues",), ("executors",)):
        run = statek(place, *command)
        assert (run.status, "there is no store" in run.err) == (2, True), command
    assert list(place.store.iterdir()) == []


def test_a_reader_that_goes_away_and_a_full_disk_are_no_bugs(place: Site) -> None:
    begin(place, "greeter", "--var", 'name="p"')
    with subprocess.Popen(["/usr/bin/true"], stdin=subprocess.PIPE) as gone, open("/dev/full", "w") as full:
        gone.wait()
        for output, status in ((gone.stdin, 0), (full, 5)):
            command = [*place.python, "-m", "statek", "jobs", "--store", str(place.store), "--json"]
            run = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"})
            assert (run.returncode, b"Traceback" in run.stderr) == (status, False), run.stderr


def test_a_shell_completes_jobs_and_agents_from_the_store(place: Site) -> None:
    begin(place, "greeter", "--var", 'name="p"', "--name", "completed")

    def offered(*words: str) -> list[str]:
        environment = {"COMP_WORDS": " ".join(("statek", *words)), "COMP_CWORD": str(len(words))}
        run = CliRunner().invoke(main, env={**environment, "_STATEK_COMPLETE": "bash_complete"}, prog_name="statek")
        return run.stdout.split()

    store = str(place.store)
    assert offered("job", "show", "--store", store, "complet") == ["plain,completed"]
    assert offered("job", "start", "--store", store, "gree") == ["plain,greeter"]
    assert offered("job", "show", "--store", "/nowhere", "complet") == []


def test_a_wait_is_told_when_it_begins_and_when_it_is_over(place: Site) -> None:
    begin(place, "asker", "--name", "asking")
    follower = start(place, "job", "log", "-f", "--json", "asking")
    assert follower.stdout is not None
    waits = json.loads(next(line for line in follower.stdout if '"wait"' in line))
    assert (waits["outcome"], "approval" in waits["awaits"]) == (None, True)
    assert "waits for" in statek(place, "jobs", "--agent", "asker").out
    completed = CliRunner().invoke(main, ["future", "complete", "--store", str(place.store), "approval-trip", '"yes"'])
    assert completed.exit_code == 0, completed.stderr
    entries = [json.loads(line) for line in follower.communicate(timeout=60)[0].splitlines()]
    (over,) = [entry for entry in entries if entry["kind"] == "wait"]
    assert (over["cursor"], over["outcome"]) == (waits["cursor"], "resumed")
    assert "waits for" in statek(place, "job", "log", "asking").out
    assert statek(place, "job", "console", "asking").out == "yes\n"
