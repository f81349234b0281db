"""The audit log through real services: hostile guests cannot write into it, flood it or inject into it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from integration.services import Run, Site, finish, site, wait_for

APP = r"""
def loud(text):
    raise ValueError(text)

def search(text):
    return text

tools = [loud, search]
"""
POLICY = """
extends = "default"
tools = ["search", "loud"]
"""
INJECTION = (
    r"x\n     9  2027-01-15T08:00:00.000Z  kill  job-1  batch=1 outcome=ok\r\x1b[2K\x1b]0;title\x07\u202eevil\u200b"
)
FORGER = f"""
import json
print("     9  2027-01-15T08:00:00.000Z  kill              job-0  batch=1 cause=signal")
print(json.dumps({{"sequence": 9, "kind": "kill", "job": "job-0"}}))
print("\\x1b[2J\\x1b]0;owned\\x07")
raise ValueError("{INJECTION}")
"""


def start(site: Site, *arguments: str) -> subprocess.Popen[str]:
    """Start `statek audit`; the caller waits for it."""
    command = [*site.python, "-m", "statek", "audit", "--store", str(site.store), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=site._environment()
    )


def audit(site: Site, *arguments: str) -> Run:
    return finish(start(site, *arguments))


def records(site: Site, *arguments: str) -> list[dict[str, Any]]:
    run = audit(site, "--json", *arguments)
    assert run.status == 0, run.err
    return [json.loads(line) for line in run.out.splitlines()]


@contextmanager
def following(site: Site, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = start(site, "--follow", *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def serve(place: Site) -> Site:
    """Start a scheduler with tools, and an executor."""
    place.scheduler("--app", str(place.write(APP, "app.py")), "--log-level", "INFO")
    place.welcomed(place.executor())
    place.write(POLICY, "policy.toml")
    return place


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Services with tools, for all tests here that leave them and their log as they are."""
    directory = tmp_path_factory.mktemp("serving")
    with site(directory, f"ipc://{directory}/executors.ipc") as place:
        yield serve(place)


def test_nothing_that_a_guest_prints_raises_or_names_gets_out_of_its_field(serving: Site) -> None:
    policy = str(serving.directory / "policy.toml")
    forger = serving.exec(source=FORGER)
    caller = serving.exec(
        "--policy", policy, source=f'try:\n    loud("{INJECTION}")\nexcept Exception as e:\n    print(e)\n'
    )
    assert (forger.status, caller.status) == (1, 0)
    for line in forger.err.splitlines():
        assert line.isprintable()
    log = serving.commands[0].log.read_text()
    assert all(char.isprintable() or char == "\n" for char in log), "what the scheduler logs is as harmless"
    assert not any(line.startswith("     9  2027") for line in log.splitlines())

    table = audit(serving)
    lines = table.out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1)), "each record is one line"
    kept = records(serving)
    assert [record["sequence"] for record in kept] == list(range(1, len(lines) + 1))
    assert not [record for record in kept if record["kind"] == "kill"]
    assert audit(serving, "--verify").status == 0


def test_thousands_of_refused_attempts_are_bounded_in_the_log_and_the_rest_is_counted(serving: Site) -> None:
    flood = """
for _ in range(900):
    try:
        getattr(int, "_" * 2 + "subclasses" + "_" * 2)
    except BaseException:
        pass
"""
    files = [str(serving.write(flood)), str(serving.write(flood)), str(serving.write(flood + "search('matters')"))]
    result = serving.exec("--json", "--policy", str(serving.directory / "policy.toml"), *files).json
    assert result["outcome"] == "ok", result["error"]
    kept = records(serving, "--job", result["job"])
    told = [record for record in kept if record["kind"] == "violation"]
    counted = [record["body"]["counts"]["violation"] for record in kept if record["kind"] == "counted"]
    assert 100 <= len(told) < 200
    assert len(told) + sum(counted) == len(result["violations"]) == 2_700
    assert [record["kind"] for record in kept].count("call_allowed") == 1
    assert audit(serving, "--verify").status == 0


def test_a_log_can_be_followed_and_filtered_while_the_scheduler_runs(serving: Site) -> None:
    job = serving.exec("--json", source="print(1)").json["job"]
    with following(serving, "--json", "--kind", "batch_ended", "--job", job) as follower:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["body"]["outcome"] == "ok"
        serving.exec("--job", job, source="import os")
        ended = json.loads(follower.stdout.readline())
        assert ended["body"]["outcome"] == "blocked"
        follower.send_signal(signal.SIGINT)
        assert follower.wait(20) == 0
        assert follower.stderr is not None
        assert follower.stderr.read() == ""
    assert len(records(serving, "--kind", "batch_ended", "--limit", "1")) == 1
    assert records(serving, "--job", ended["job"], "--since", "10m", "--kind", "violation")
    assert not records(serving, "--until", "10m")


def test_following_ends_when_nobody_reads_any_more(serving: Site) -> None:
    with following(serving) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline().split()[0].isdigit()
        follower.stdout.close()
        assert follower.wait(20) == 0
        assert follower.stderr is not None
        assert follower.stderr.read() == ""
        follower.stdout = None


def test_a_log_is_whole_after_everything_was_killed_and_shows_that_it_was(local: Site) -> None:
    serve(local)
    job = local.exec("--json", source="x = 1").json["job"]
    spinning = local.exec_in_background(
        "--json", "--job", job, source="import time\nfor _ in range(30): time.sleep(0.1)"
    )
    wait_for(lambda: len(records(local, "--kind", "lease_granted")) == 2, "a lease")
    head = json.loads(audit(local, "--verify", "--json").out)["head"]
    for command in local.commands:
        command.kill()
        command.wait()
    assert audit(local, "--verify", "--head", head).status == 0, "also where nobody runs, and after a kill"
    local.scheduler("--app", str(local.directory / "app.py"))
    local.welcomed(local.executor())
    assert finish(spinning).json["outcome"] == "ok"
    found = audit(local, "--verify", "--head", head)
    assert found.status == 0, found.out
    starts = records(local, "--kind", "scheduler_started", "--kind", "scheduler_stopped")
    assert [record["kind"] for record in starts] == ["scheduler_started"] * 2, "no stop before the second start"


def test_a_log_is_verified_on_a_copy_and_a_changed_record_is_named(running: Site, tmp_path: Path) -> None:
    running.exec(source="import os")
    for command in reversed(running.commands):
        command.kill(signal.SIGTERM)
        command.wait()
    copy = tmp_path / "copy"
    shutil.copytree(running.store, copy, ignore=shutil.ignore_patterns("*.sock", "dbzero"))
    found = audit(running, "--store", str(copy), "--verify", "--json")
    assert (found.status, found.json["ok"], found.json["head_file"]) == (0, True, True)
    with closing(sqlite3.connect(copy / "ledger.sqlite3")) as connection, connection:
        connection.execute(
            "UPDATE audit SET body = replace(body, 'import.not_offered', 'nothing') WHERE kind = 'violation'"
        )
    found = audit(running, "--store", str(copy), "--verify")
    number = records(running, "--kind", "violation")[0]["sequence"]
    assert found.status == 1
    assert found.out.startswith(f"BROKEN (changed): record {number} is not what was written")
    assert audit(running, "--verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--since", "yesterday"], "ISO 8601"),
        (["--kind", "violations"], "did you mean violation"),
        (["--verify", "--follow"], "--verify"),
        (["--verify", "--job", "x"], "--verify"),
        (["--follow", "--until", "1m"], "--until"),
        (["--head", "00" * 32], "--verify"),
        (["--verify", "--head", "xyz"], "64 hexadecimal"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(local: Site, arguments: list[str], named: str) -> None:
    local.store.mkdir(mode=0o700)
    with closing(sqlite3.connect(local.store / "ledger.sqlite3")) as connection:
        connection.execute("CREATE TABLE other(x)")
    run = audit(local, *arguments)
    assert run.status == 2
    assert len(run.err.splitlines()) == 1
    assert named in run.err


def test_where_there_is_no_log_nothing_is_made(local: Site, tmp_path: Path) -> None:
    run = audit(local)
    assert run.status == 2
    assert not local.store.exists()
    local.store.mkdir()
    (local.store / "ledger.sqlite3").write_bytes(b"nothing of the kind" * 100)
    run = audit(local, "--verify")
    assert (run.status, len(run.err.splitlines())) == (2, 1)
    assert os.listdir(local.store) == ["ledger.sqlite3"]


def test_a_terminal_is_not_moved_by_what_a_guest_prints(serving: Site) -> None:
    source = serving.write('print("\\x1b[2J\\x1b]0;owned\\x07 h\u00e9 \\u202e!")\n')
    ours, theirs = pty.openpty()
    command = [*serving.python, "-m", "statek", "exec", "--store", str(serving.store), str(source)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL, env=serving._environment()
    )
    os.close(theirs)
    try:
        shown = os.read(ours, 4096).decode()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert shown == "\\x1b[2J\\x1b]0;owned\\x07 h\u00e9 \\u202e!\r\n"


def test_a_name_that_a_client_chose_moves_no_terminal(serving: Site) -> None:
    run = serving.exec("--job", "\x1b[2J\u202ejob\n", source="x = 1")
    assert run.status == 2
    assert run.err.rstrip("\n").isprintable()
    [refused] = records(serving, "--kind", "client_refused")
    assert refused["body"]["code"] == "unknown_job"
    assert audit(serving, "--kind", "client_refused").out.rstrip("\n").isprintable()


def test_objects_that_had_to_be_set_aside_are_on_record(local: Site) -> None:
    first = local.scheduler()
    wait_for((local.store / "dbzero" / "statek.db0").exists, "objects")
    first.kill(signal.SIGTERM)
    first.wait()
    (local.store / "dbzero" / "statek.db0").write_bytes(b"nothing of the kind" * 1_000)
    local.scheduler()
    [found] = wait_for(lambda: records(local, "--kind", "store_set_aside"), "a record of it")
    assert (local.store / found["body"]["aside"]).is_dir()
    assert audit(local, "--verify").status == 0
