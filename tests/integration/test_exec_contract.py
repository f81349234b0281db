"""`statek exec` keeps its contract: one JSON object, the right outcome, the right exit status, and clear refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from integration.services import Site, finish

KEYS = {"job", "status", "outcome", "console", "error", "violations", "limit", "usage", "transient"}
USAGE = {"cpu_seconds", "wall_seconds", "peak_memory_bytes", "output_bytes", "calls"}


def test_an_embedded_scheduler_serves_one_command_and_is_gone(local: Site) -> None:
    run = local.exec("--json", source="x = 6\nprint('x is', x * 7)\n")
    assert run.status == 0, run.err
    result = run.json
    assert set(result) == KEYS
    assert result["status"] == "DONE"
    assert result["outcome"] == "ok"
    assert result["console"] == "x is 42\n"
    assert (result["error"], result["violations"], result["limit"], result["transient"]) == (None, [], None, [])
    assert set(result["usage"]) >= USAGE
    assert result["usage"]["output_bytes"] == 8
    assert result["usage"]["cpu_seconds"] > 0
    assert result["usage"]["peak_memory_bytes"] > 1_000_000


def test_console_goes_to_stdout_and_nothing_else_does(shared: Site) -> None:
    run = shared.exec(source="print('only this')")
    assert (run.status, run.out) == (0, "only this\n")


def test_what_becomes_of_a_job_is_said_once_also_by_a_command_that_is_its_own_scheduler(local: Site) -> None:
    run = local.exec(source="import os")
    refused, ended = run.err.splitlines()
    assert refused.startswith("statek: refused (import.not_offered): line 1:")
    assert ended.endswith(": blocked")


def test_files_are_batches_of_one_job_and_share_variables(shared: Site) -> None:
    first = shared.write("def double(x):\n    return 2 * x\nseen = [1]\n", "first.py")
    second = shared.write("seen.append(double(21))\nprint(seen)\n", "second.py")
    run = shared.exec("--json", str(first), str(second))
    assert run.json["console"] == "[1, 42]\n"


def test_exit_ends_a_job_well_and_leaves_out_the_rest_of_the_submission(shared: Site) -> None:
    first, second = shared.write("print(1)\nexit('enough')\nprint('no')\n"), shared.write("print(2)")
    run = shared.exec("--json", str(first), str(second))
    assert (run.status, run.json["outcome"], run.json["console"]) == (0, "ok", "1\n")
    again = shared.exec("--job", run.json["job"], str(second))
    assert (again.status, again.out) == (0, "2\n")


def test_a_job_is_continued_with_its_variables(shared: Site) -> None:
    job = shared.exec("--json", source="import math\ntotal = 10\ndef area(r):\n    return math.pi * r * r\n").json[
        "job"
    ]
    run = shared.exec("--json", "--job", job, source="total += 1\nprint(total, round(area(1), 3))\n")
    assert run.json["job"] == job
    assert run.json["console"] == "11 3.142\n"


def test_a_job_of_an_embedded_scheduler_is_continued_by_the_next_one(local: Site) -> None:
    job = local.exec("--json", source="kept = {'a': [1, 2]}").json["job"]
    assert local.exec("--job", job, source="print(kept)").out == "{'a': [1, 2]}\n"


def test_standard_input_is_a_batch(shared: Site) -> None:
    command = [*shared.python, "-m", "statek", "exec", "--store", str(shared.store), "-"]
    done = subprocess.run(command, input="print('from stdin')", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "from stdin\n")


def test_the_guests_error_has_type_message_line_and_batch(shared: Site) -> None:
    first = shared.write("x = 1\n", "good.py")
    second = shared.write("print('before')\n\ndef f():\n    return 1 / 0\n\nf()\n", "bad.py")
    third = shared.write("print('never')\n", "never.py")
    run = shared.exec("--json", str(first), str(second), str(third))
    assert run.status == 1
    assert run.json["outcome"] == "error"
    assert run.json["error"] == {"type": "ZeroDivisionError", "message": "division by zero", "line": 4, "batch": 2}
    assert run.json["console"] == "before\n"


def test_variables_assigned_before_an_error_are_kept(shared: Site) -> None:
    job = shared.exec("--json", source="a = 1\nb = 1 / 0\n").json["job"]
    assert shared.exec("--job", job, source="print(a)").out == "1\n"


def test_what_the_policy_refuses_is_blocked_with_rule_detail_line_and_layer(shared: Site) -> None:
    run = shared.exec("--json", source="print('no effect')\nimport os\n")
    assert run.status == 3
    assert run.json["outcome"] == "blocked"
    assert run.json["console"] == ""
    violation = run.json["violations"][0]
    assert set(violation) == {"rule", "detail", "line", "layer"}
    assert (violation["line"], violation["layer"]) == (2, "compile")
    assert "os" in violation["detail"]


def test_a_limit_is_named_with_what_is_allowed_and_used(shared: Site) -> None:
    run = shared.exec("--json", "--limit", "cpu_seconds=0.5", source="print('start')\nx = 0\nwhile True: x += 1\n")
    assert run.status == 4
    assert run.json["outcome"] == "limit"
    assert run.json["limit"]["name"] == "cpu_seconds"
    assert run.json["limit"]["allowed"] == 0.5
    assert run.json["limit"]["used"] >= 0.5
    assert run.json["console"] == "start\n"


def test_a_job_goes_on_after_a_limit_with_the_variables_it_had(shared: Site) -> None:
    job = shared.exec("--json", source="a = 'kept'").json["job"]
    assert shared.exec("--job", job, "--limit", "cpu_seconds=0.3", source="while True: a += 'x'").status == 4
    assert shared.exec("--job", job, source="print(a[:4])").out == "kept\n"


def test_what_is_not_kept_is_named_as_transient(shared: Site) -> None:
    run = shared.exec("--json", source="g = (i for i in range(3))\nn = 1\n")
    assert run.json["transient"] == ["g"]


def test_a_transient_value_touched_later_says_so(shared: Site) -> None:
    job = shared.exec("--json", source="g = (i for i in range(3))\n").json["job"]
    run = shared.exec("--json", "--job", job, source="next(g)")
    assert run.json["outcome"] == "error"
    assert "generator" in run.json["error"]["message"]


def test_a_transient_value_is_gone_in_the_next_batch_also_while_its_interpreter_lives(shared: Site) -> None:
    first = shared.write("g = (i for i in range(3))\nprint(next(g))\n", "first.py")
    second = shared.write("print(next(g))\n", "second.py")
    run = shared.exec("--json", str(first), str(second))
    assert run.json["console"] == "0\n"
    assert run.json["error"]["batch"] == 2
    assert "generator" in run.json["error"]["message"]


def test_lone_surrogates_and_control_characters_survive_the_console(shared: Site) -> None:
    run = shared.exec("--json", source="print('a\\x00b\\ud800c\\x1b[31m')")
    assert run.json["console"] == "a\x00b\\xed\\xa0\\x80c\x1b[31m\n"


def test_control_characters_of_a_guest_do_not_reach_the_terminal_through_our_own_lines(shared: Site) -> None:
    run = shared.exec(source="raise ValueError('\\x1b[2Jgone')")
    assert "\x1b" not in run.err
    assert "\\x1b[2Jgone" in run.err


@pytest.mark.parametrize(
    ("arguments", "source", "named"),
    [
        (["--policy", "defualt"], "x = 1", "default"),
        (["--limit", "cpu_second=1"], "x = 1", "cpu_seconds"),
        (["--limit", "cpu_seconds=-1"], "x = 1", "cpu_seconds"),
        (["--limit", "cpu_seconds"], "x = 1", "cpu_seconds"),
        ([], b"x = 1\0\n", "NUL"),
        ([], b"x = '\xff'\n", "UTF-8"),
        (["/no/such/file.py"], None, "/no/such/file.py"),
        (["--job", "job-0"], "x = 1", "no store"),
        (["--app", "/no/such/app.py"], "x = 1", "app.py"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_thing_and_changes_nothing(
    local: Site, arguments: list[str], source: str | bytes | None, named: str
) -> None:
    run = local.exec(*arguments, source=source)
    assert run.status == 2
    assert named in run.err
    assert run.err.count("\n") == 1
    assert run.out == ""
    assert not (local.store / "ledger.sqlite3").exists() or "--app" in arguments


def test_an_unknown_job_in_a_store_is_wrong_usage(shared: Site) -> None:
    shared.exec(source="x = 1")
    run = shared.exec("--job", "job-0", source="x = 1")
    assert run.status == 2
    assert "job-0" in run.err


def test_a_directory_that_is_no_store_is_left_alone(local: Site) -> None:
    local.store.mkdir()
    (local.store / "precious.txt").write_text("mine")
    run = local.exec(source="x = 1")
    assert run.status == 2
    assert sorted(path.name for path in local.store.iterdir()) == ["precious.txt"]


def test_two_commands_on_one_store_share_a_scheduler(local: Site) -> None:
    processes = [local.exec_in_background("--json", source=f"print({number})") for number in range(3)]
    results = [finish(process) for process in processes]
    assert [result.json["console"] for result in results] == ["0\n", "1\n", "2\n"]


def test_a_policy_file_is_taken_by_its_path(shared: Site) -> None:
    policy = shared.write('extends = "default"\n[limits]\noutput_lines = 2\n', "mine.toml")
    run = shared.exec("--json", "--policy", str(policy), source="for i in range(9): print(i)")
    assert run.status == 4
    assert run.json["limit"]["name"] == "output_lines"
    assert run.json["console"].startswith("0\n1\n")


def test_tools_of_an_application_file_run_for_the_guest(local: Site, tmp_path: Path) -> None:
    app = local.write(
        "def add(a, b=1):\n    return a + b\n"
        "def fail(text):\n    raise LookupError(text)\n"
        "def strange():\n    return object()\n"
        "tools = [add, fail, strange]\n",
        "app.py",
    )
    program = """
print(add(2), add(2, b=40), add([1], b=[2]))
try:
    fail("no such meeting")
except ToolError as error:
    print(error)
try:
    strange()
except ToolError as error:
    print("cannot cross" in str(error))
try:
    add(lambda: 1)
except TypeError as error:
    print("refused")
"""
    run = local.exec("--json", "--app", str(app), source=program)
    assert run.json["console"] == "3 42 [1, 2]\nLookupError: no such meeting\nTrue\nrefused\n", run.json
    assert run.json["usage"]["calls"] == 5


def test_a_tool_that_the_policy_denies_is_refused_and_on_record(local: Site) -> None:
    app = local.write("def wipe():\n    raise SystemExit\ndef look():\n    return 1\ntools = [wipe, look]\n", "app.py")
    policy = local.write('extends = "default"\ntools = ["look*"]\n', "looking.toml")
    run = local.exec("--json", "--app", str(app), "--policy", str(policy), source="print(look())\nwipe()\n")
    assert run.status == 3
    assert run.json["console"] == "1\n"
    assert [violation["rule"] for violation in run.json["violations"]] == ["tool.denied"]
    assert run.json["violations"][0]["layer"] == "scheduler"
    assert "wipe" in run.json["violations"][0]["detail"]
