"""Every limit of a policy, through the real wall: what the guest sees, what it can do then, what its owner is told.

All programs run beside each other under one scheduler and one pool, so each of them is a neighbour of all the others.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from integration.clients import run_job
from integration.services import Run, Site, finish, gone, site, wait_for

from statek_policies import Limits
from statek_policies.limits import REFUSALS_LIMIT, parse_limit

APP = """
from statek import FutureResult, temporal

@temporal()
def later(name):
    return FutureResult(key=name)

def echo(value):
    return value

def grow(size):
    return "x" * size

tools = [later, echo, grow]
"""
KEPT = "kept = [1]\n"
SHOW = "print(kept)\n"
SPIN = "x = 0\nwhile True: x += 1\n"


@dataclass(frozen=True)
class Reach:
    """A program that reaches a limit, and what has to come of it."""

    name: str
    value: str
    source: str
    error: str = ""
    """The type of the error that the guest meets; empty where it meets none, or goes on whatever it meets."""
    handled: bool = False
    """Whether the guest prints the error and goes on."""
    ends: bool = True
    """Whether the batch ends at the limit; otherwise the guest has handled it."""
    kept: str = "[1]\n"
    """What the next batch finds in the variable that the batch before has left and this one has changed."""
    calls: dict[str, int] | None = None
    more: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    """Limits that the next batch is given."""

    @property
    def arguments(self) -> list[str]:
        return _limits((f"{self.name}={self.value}", *self.more))


def _limits(pairs: tuple[str, ...]) -> list[str]:
    return [part for pair in pairs for part in ("--limit", pair)]


def caught(what: str, error: str = "LimitError") -> str:
    """A guest that handles the error and goes on."""
    body = what.replace("\n", "\n    ")
    return f"kept.append(2)\ntry:\n    {body}\nexcept {error} as error:\n    print(type(error).__name__, error)\n"


def swallowed(what: str) -> str:
    """A guest that goes on and on, wherever the error finds it."""
    body = what.replace("\n", "\n            ")
    return f"""
kept.append(2)
def go_on():
    while True:
        try:
            {body}
        except BaseException:
            pass
while True:
    try:
        go_on()
    except BaseException:
        pass
"""


WAIT = "waits = [later(str(n)) for n in range(3)]"
DEEP = "v = []\nfor _ in range(6): v = [v]\necho(v)"
SEVERAL = "for n in range(3): echo(n)"
REACHES = {
    "cpu, and lets it happen": Reach(
        "cpu_seconds", "0.3", f"kept.append(2)\n{SPIN}", "TimeLimitError", kept="[1, 2]\n"
    ),
    "cpu, and tidies up": Reach(
        "cpu_seconds",
        "0.3",
        caught("x = 0\nwhile True: x += 1", "TimeLimitError"),
        "TimeLimitError",
        handled=True,
        kept="[1, 2]\n",
    ),
    "cpu, and swallows it": Reach("cpu_seconds", "0.3", swallowed("x = 0\nwhile True: x += 1")),
    "wall, and lets it happen": Reach(
        "wall_seconds", "0.3", f"kept.append(2)\n{SPIN}", "TimeLimitError", kept="[1, 2]\n"
    ),
    "wall, and swallows it": Reach("wall_seconds", "0.3", swallowed("x = 0\nwhile True: x += 1")),
    "memory, and lets it happen": Reach(
        "memory_bytes",
        "16MiB",
        "kept.append(2)\ndef fill(x):\n  while True: x = [x, 'x' * 100_000]\nfill(0)",
        "MemoryError",
        kept="[1, 2]\n",
        next=("memory_bytes=64MiB",),
    ),
    "memory, and goes on with less": Reach(
        "memory_bytes",
        "16MiB",
        caught("big = 'x' * 10**9", "MemoryError"),
        "MemoryError",
        handled=True,
        ends=False,
        kept="[1, 2]\n",
    ),
    "calls, and lets it happen": Reach(
        "calls", "2", f"kept.append(2)\n{SEVERAL}", "LimitError", kept="[1, 2]\n", calls={"echo": 3}
    ),
    "calls, and goes on without": Reach(
        "calls", "2", caught(SEVERAL), "LimitError", handled=True, ends=False, kept="[1, 2]\n"
    ),
    "calls, and swallows it": Reach("calls", "2", swallowed("echo(1)"), calls={"echo": REFUSALS_LIMIT + 3}),
    "waits, and lets it happen": Reach(
        "pending_waits", "2", f"kept.append(2)\n{WAIT}", "LimitError", kept="[1, 2]\n", calls={"later": 3}
    ),
    "waits, and goes on without": Reach(
        "pending_waits", "2", caught(WAIT), "LimitError", handled=True, ends=False, kept="[1, 2]\n"
    ),
    "waits, and swallows it": Reach("pending_waits", "2", swallowed("later('x')"), calls={"later": REFUSALS_LIMIT + 3}),
    "argument bytes, and lets it happen": Reach(
        "argument_bytes", "1000", "kept.append(2)\necho('x' * 1001)", "LimitError", kept="[1, 2]\n", calls={}
    ),
    "argument bytes, and goes on": Reach(
        "argument_bytes", "1000", caught("echo('x' * 1001)"), "LimitError", handled=True, ends=False, kept="[1, 2]\n"
    ),
    "argument bytes, and swallows it": Reach(
        "argument_bytes", "1000", swallowed("echo('x' * 1001)"), more=("cpu_seconds=0.3",)
    ),
    "argument depth, and lets it happen": Reach(
        "argument_depth", "5", f"kept.append(2)\n{DEEP}", "LimitError", kept="[1, 2]\n", calls={}
    ),
    "argument depth, and goes on": Reach(
        "argument_depth", "5", caught(DEEP), "LimitError", handled=True, ends=False, kept="[1, 2]\n"
    ),
    "output bytes": Reach("output_bytes", "1000", swallowed("print('x' * 99)")),
    "output lines": Reach("output_lines", "10", swallowed("print()")),
    "source bytes": Reach("source_bytes", "1000", f"kept.append(2)\n#{'x' * 1000}\n"),
    "syntax nodes": Reach("ast_nodes", "100", "kept.append(2)\n" + "y = 1 + 1\n" * 100),
    "workspace bytes": Reach("workspace_bytes", "10k", "kept.append(2)\nbig = 'x' * 20_000"),
    "variables": Reach("variables", "5", "kept.append(2)\n" + "; ".join(f"v{n} = 1" for n in range(9))),
}
ENDS_AT = {"argument bytes, and swallows it": "cpu_seconds"}
"""Where the limit that ends the batch is another one: to try costs nobody but the guest, so its time ends it."""


@dataclass
class Ran:
    reached: Run
    following: dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("limits")
    with site(directory, f"ipc://{directory}/executors.ipc") as here:
        here.scheduler("--app", str(here.write(APP, "app.py")))
        here.welcomed(here.executor(workers=4))
        yield here


@pytest.fixture(scope="module")
def ran(place: Site) -> Iterator[dict[str, Future[Ran]]]:
    """All programs under way, four at a time."""
    first = place.write(KEPT, "kept.py")

    def run(number: int, reach: Reach) -> Ran:
        program = place.write(reach.source, f"reach-{number}.py")
        reached = place.exec("--json", *reach.arguments, str(first), str(program))
        job = reached.json["job"]
        return Ran(reached, run_job(place, SHOW, job=job, **dict(map(parse_limit, reach.next))))

    with ThreadPoolExecutor(4) as threads:
        yield {name: threads.submit(run, number, reach) for number, (name, reach) in enumerate(REACHES.items())}


@pytest.mark.parametrize("name", REACHES)
def test_reaching_a_limit_is_told_to_the_guest_and_to_its_owner(name: str, ran: dict[str, Future[Ran]]) -> None:
    reach, result = REACHES[name], ran[name].result().reached.json
    if reach.ends:
        assert result["outcome"] == "limit", result
        check_record(reach, ENDS_AT.get(name, reach.name), result)
    else:
        assert (result["outcome"], result["limit"]) == ("ok", None), result
    names_it = "" if reach.error in ("", "MemoryError") else f"{reach.name}: "
    if reach.handled:
        assert result["console"].startswith(f"{reach.error} {names_it}"), result
    elif reach.error:
        assert result["error"]["type"] == reach.error, result
        assert result["error"]["message"].startswith(names_it)
    else:
        assert result["error"] is None


def check_record(reach: Reach, name: str, result: dict[str, Any]) -> None:
    """The record says which, what is allowed, what was used, and what had been printed and done."""
    limit = result["limit"]
    assert limit["name"] == name
    if name == reach.name:
        allowed = {"16MiB": 16 * 2**20, "10k": 10_000}.get(reach.value) or float(reach.value)
        assert limit["allowed"] == allowed
    assert limit["used"] >= limit["allowed"]
    kept = result["console"].partition("\n[output ends here: ")[0]
    assert limit["printed_bytes"] == len(kept)
    assert limit["printed_lines"] == kept.count("\n")
    if reach.name.startswith("output_"):
        assert limit["printed_bytes"] <= 1000
        assert limit["printed_lines"] <= 10
        assert "[output ends here" in result["console"]
    if reach.calls is not None:
        assert limit["calls_by_name"] == reach.calls
        assert limit["calls"] == sum(reach.calls.values())
    assert result["usage"]["calls"] == limit["calls"]


@pytest.mark.parametrize("name", REACHES)
def test_the_job_goes_on_with_the_variables_of_its_last_checkpoint(name: str, ran: dict[str, Future[Ran]]) -> None:
    following = ran[name].result().following
    assert (following["outcome"], following["console"]) == ("ok", REACHES[name].kept), following


def test_every_limit_has_a_program_that_reaches_it() -> None:
    assert {reach.name for reach in REACHES.values()} == set(Limits.names())


def test_people_are_told_in_one_line_and_the_audit_log_has_the_same(place: Site) -> None:
    run = place.exec("--limit", "calls=2", source=f"print('one')\n{SEVERAL}")
    assert run.status == 4
    assert (
        "limit calls: 2 allowed, 3 used, after 1 lines (4 bytes) of output and 3 calls (echo 3)\n"
        "statek: `--limit calls=N` allows more; `statek policy explain calls` says what else helps\n" in run.err
    )
    job = run.err.split()[-2].rstrip(":")
    command = [*place.python, "-m", "statek", "audit", "--store", str(place.store), "--job", job, "--json"]
    told = subprocess.run([*command, "--kind", "limit"], capture_output=True, text=True, timeout=60, check=True)
    [record] = [json.loads(line)["body"] for line in told.stdout.splitlines()]
    usage = record.pop("usage")
    assert usage["calls"] == 3
    assert record == {
        "batch": 1,
        "limit": "calls",
        "allowed": 2.0,
        "used": 3.0,
        "printed_bytes": 4,
        "printed_lines": 1,
        "calls": 3,
        "calls_by_name": {"echo": 3},
        "instruction": 1,
    }


GATE = """
import pathlib, time
from statek import tool
here = pathlib.Path(__file__).parent

@tool(thread=True)
def gate():
    (here / "waiting").touch()
    while not (here / "open").exists():
        time.sleep(0.01)

tools = [gate]
"""
INTERRUPTED = """
print("a" * 499)
spent = 0
while spent < 2_000_000:
    spent += 1
print("b" * 99)
gate()
while True:
    print("c" * 99)
"""


def test_a_batch_that_is_taken_up_again_prints_no_more_than_its_limit_in_all(local: Site) -> None:
    local.scheduler("--app", str(local.write(GATE, "app.py")))
    executor = local.welcomed(local.executor())
    running = local.exec_in_background("--json", "--limit", "output_bytes=1000", source=INTERRUPTED)
    wait_for((local.directory / "waiting").exists, "the gate")
    tree = executor.tree()
    executor.kill()
    gone(tree)
    local.executor()
    (local.directory / "open").touch()
    result = finish(running).json
    assert result["limit"]["name"] == "output_bytes"
    assert result["limit"]["instruction"] > 2, "it was taken up from a checkpoint"
    printed = result["console"].partition("\n[output ends here: ")[0]
    assert printed == ("a" * 499 + "\n" + "b" * 99 + "\n" + ("c" * 99 + "\n") * 4)
    assert result["limit"]["printed_bytes"] == 1000
