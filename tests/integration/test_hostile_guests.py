"""Hostile guests are stopped and named, and their neighbours do not notice."""

from __future__ import annotations

import pytest
from integration.clients import run_job
from integration.services import Site, finish

HONEST = """
import statistics
values = [statistics.fmean(range(n)) for n in range(1, 200)]
print(round(sum(values), 3))
"""
HONEST_CONSOLE = "9850.5\n"

ATTACKS = {
    "spins": ("x = 0\nwhile True: x += 1", "limit", "cpu_seconds"),
    "spins in C": ("sum(range(10**13))", "limit", "cpu_seconds"),
    "swallows everything": (
        "x = 0\nwhile True:\n  try:\n    while True: x += 1\n  except BaseException: pass",
        "limit",
        "cpu_seconds",
    ),
    "allocates at once": ("x = 'a' * 10**11", "limit", "memory_bytes"),
    "allocates without end": ("x = []\nwhile True: x.append([0] * 10_000)", "limit", "memory_bytes"),
    "allocates small things": ("x = []\nwhile True: x.append(())\n", "limit", "memory_bytes"),
    "floods the console": ("while True: print('x' * 1000)", "limit", "output_bytes"),
    "floods with lines": ("while True: print()", "limit", "output_lines"),
    "prints without end of line": ("while True: print('x' * 100_000, end='')", "limit", "output_bytes"),
    "forks": ("import os\nos.fork()", "blocked", "import"),
    "opens a file": ("print(open('/etc/passwd').read())", "blocked", "builtin"),
    "opens a socket": ("import socket\nsocket.create_connection(('127.0.0.1', 22))", "blocked", "import"),
    "walks the classes": ("print(().__class__.__base__.__subclasses__())", "blocked", "attribute"),
    "formats its way out": ("print('{0.__class__.__mro__}'.format(1))", "blocked", "format"),
    "reads the frame": ("def g():\n  yield\nprint(g().gi_frame.f_back)", "blocked", "attribute"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_stopped_and_named(shared: Site, attack: str) -> None:
    source, outcome, name = ATTACKS[attack]
    seconds = 0.3 if name == "cpu_seconds" else 2.0
    run = shared.exec("--json", "--limit", f"cpu_seconds={seconds}", source=source)
    result = run.json
    assert result["outcome"] == outcome, result
    named = result["limit"]["name"] if outcome == "limit" else result["violations"][0]["rule"]
    assert name in named
    assert run.status == (4 if outcome == "limit" else 3)
    assert "root:" not in result["console"]
    assert len(result["console"]) < 1_100_000


def test_neighbours_of_hostile_jobs_get_their_right_results(local: Site) -> None:
    local.scheduler()
    local.welcomed(local.executor(workers=6))
    sources = [source for source, _, _ in ATTACKS.values()]
    hostile = [local.exec_in_background("--json", "--limit", "cpu_seconds=0.3", source=source) for source in sources]
    honest = [local.exec_in_background("--json", source=HONEST) for _ in range(8)]
    results = [finish(process) for process in honest]
    stopped = {finish(process).status for process in hostile}
    assert [result.json["outcome"] for result in results] == ["ok"] * len(honest), results
    assert {result.json["console"] for result in results} == {HONEST_CONSOLE}
    assert stopped <= {3, 4}


def test_output_up_to_the_limit_is_kept_and_the_cut_is_marked(shared: Site) -> None:
    run = shared.exec("--json", "--limit", "output_bytes=1000", source="n = 0\nwhile True:\n  print(n)\n  n += 1\n")
    console = run.json["console"]
    kept, _, mark = console.partition("\n[output ends here: output_bytes allows 1000]\n")
    assert len(kept) <= 1000
    assert kept.startswith("0\n1\n2\n")
    assert console.endswith("allows 1000]\n"), mark


def test_a_wall_limit_ends_a_sleeper_and_sleeping_costs_no_wall_time(shared: Site) -> None:
    run = shared.exec("--json", "--limit", "wall_seconds=2", source="import time\ntime.sleep(0.8)\nprint('woke')\n")
    assert run.json["console"] == "woke\n"
    assert run.json["usage"]["wall_seconds"] < 0.75


def test_a_soft_limit_can_be_handled_but_not_outrun(shared: Site) -> None:
    source = """
x = 0
try:
    while True:
        x += 1
except TimeLimitError as error:
    print("tidied up after", error)
print("said more")
"""
    run = shared.exec("--json", "--limit", "cpu_seconds=0.5", source=source)
    assert run.json["outcome"] == "limit"
    assert run.json["console"].startswith("tidied up after cpu_seconds")
    assert run.json["console"].endswith("said more\n")


def test_no_call_is_served_after_a_soft_limit(local: Site) -> None:
    app = local.write("def tool():\n    return 1\ntools = [tool]\n", "app.py")
    source = """
x = 0
try:
    while True:
        x += 1
except TimeLimitError:
    try:
        tool()
    except LimitError as error:
        print("no call:", error)
"""
    run = local.exec("--json", "--app", str(app), "--limit", "cpu_seconds=0.5", source=source)
    assert "no call: cpu_seconds" in run.json["console"]


def test_any_bytes_get_a_verdict(shared: Site) -> None:
    for source in ("(" * 5000, "x = " + "-" * 100_000 + "1", "\\\n" * 5000, "é = 1\nprint(é)", "\ufeffprint(1)", ""):
        assert run_job(shared, source)["outcome"] in ("ok", "error", "blocked", "limit"), source[:20]
