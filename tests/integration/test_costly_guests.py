"""Programs that would cost a host dearly end at a limit or by an error of their own; their neighbours do not notice.

Four run at a time under one scheduler and one pool, among them honest ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest
from integration.clients import run_job
from integration.services import Command, Site, site

LIMITS = {"cpu_seconds": 0.2, "wall_seconds": 20.0, "memory_bytes": 48 * 2**20}
HONEST = "print(sum(len(str(n)) for n in range(20_000)))\n"
Runs: TypeAlias = dict[str, Future[dict[str, Any]]]
HONEST_CONSOLE = "88890\n"

SPIN = "for _ in iter(int, 1): pass"
"""Without end. (A signal at the jump of a loop that begins a try statement leaves that statement, in CPython 3.11.)"""
UNSWALLOWED = {
    "finally": f"def f():\n  while True:\n    try:\n      {SPIN}\n    finally:\n      continue\nf()",
    "a generator's finally": f"""
def g():
    try:
        yield 1
        {SPIN}
    finally:
        {SPIN}
for _ in g(): pass
""",
    "recursion in handlers": f"""
def f():
    try:
        {SPIN}
    except BaseException:
        f()
f()
""",
    "an exit that says it is handled": f"""
class Deaf:
    def __enter__(self): return self
    def __exit__(self, *error): return True
while True:
    with Deaf():
        {SPIN}
""",
    "the text of the error": f"""
class Endless(Exception):
    def __str__(self):
        while True:
            try:
                {SPIN}
            except BaseException: pass
raise Endless
""",
    "a key of sorted": f"""
def key(n):
    while True:
        try:
            {SPIN}
        except BaseException: pass
sorted([1, 2], key=key)
""",
}
"""What a guest may do to keep the error of a time limit from ending it. All of it takes until the process is killed."""

CPU, MEMORY = ("limit", "cpu_seconds"), ("limit", "memory_bytes")
ERROR = ("error", None)
COSTLY = {
    "a pattern that backtracks": ("import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')", {CPU}),
    "a power of powers": ("9 ** 9 ** 9", {CPU, MEMORY}),
    "a large sum in C": ("sum(range(10 ** 12))", {CPU}),
    "digits of a large number": ("print(len(str(10 ** 10 ** 5)))", {ERROR}),
    "a number of many digits": ("int('9' * 10 ** 6)", {ERROR}),
    "a million digits of a decimal": (
        "import decimal\ndecimal.getcontext().prec = 10 ** 7\nprint(decimal.Decimal(2) ** decimal.Decimal('0.5'))",
        {CPU, MEMORY},
    ),
    "a list of everything": ("list(range(10 ** 9))", {MEMORY}),
    "a long text": ("x = 'x' * 10 ** 10", {MEMORY}),
    "a text that doubles": ("x = 'x'\nwhile True: x += x", {MEMORY}),
    "sorting what is large": ("sorted(range(10 ** 8), key=lambda n: -n)", {MEMORY, CPU}),
    "nested JSON": ("import json\njson.loads('[' * 10 ** 6)", {ERROR}),
    "recursion": ("def f(n): return f(n + 1)\nf(0)", {ERROR}),
    "recursion through C": ("class C:\n  def __repr__(self): return repr([self])\nrepr(C())", {ERROR}),
    "a deep list": ("x = []\nfor _ in range(10 ** 6): x = [x]\nprint(len(repr(x)))", {ERROR, MEMORY, CPU}),
    "many equal keys": (
        "class K:\n  def __hash__(self): return 1\nx = {K() for _ in range(10 ** 6)}",
        {CPU},
    ),
    "memory that is asked for again and again": (
        "x = []\nwhile True:\n  try:\n    x.append('x' * 10 ** 6 + str(len(x)))\n  except MemoryError: pass",
        {CPU},
    ),
    "small things up to the last byte": (
        "x = None\nwhile True:\n  try:\n    while True: x = (x,)\n  except MemoryError: pass",
        {CPU, MEMORY},
    ),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Command]]:
    directory = tmp_path_factory.mktemp("costly")
    with site(directory, f"ipc://{directory}/executors.ipc") as place:
        place.scheduler()
        yield place, place.welcomed(place.executor(workers=4))


@pytest.fixture(scope="module")
def ran(pool: tuple[Site, Command]) -> Iterator[Runs]:
    """All programs under way, four at a time, and an honest one after every fourth."""
    place, _ = pool
    programs = UNSWALLOWED | {name: source for name, (source, _) in COSTLY.items()}
    with ThreadPoolExecutor(4) as threads:
        runs: Runs = {}
        for number, (name, source) in enumerate(programs.items()):
            runs[name] = threads.submit(run_job, place, source, **LIMITS)
            if number % 4 == 0:
                runs[f"honest {number}"] = threads.submit(run_job, place, HONEST, **LIMITS)
        yield runs


@pytest.mark.parametrize("name", UNSWALLOWED)
def test_the_hard_limit_cannot_be_swallowed(name: str, ran: Runs) -> None:
    result = ran[name].result()
    assert (result["outcome"], result["limit"]["name"]) == CPU, result
    assert result["usage"]["cpu_seconds"] >= 1.2, "the signal alone did not end it"


@pytest.mark.parametrize("name", COSTLY)
def test_what_is_costly_ends_at_a_limit_or_with_an_error(name: str, ran: Runs) -> None:
    result = ran[name].result()
    limit = result["limit"]["name"] if result["limit"] else None
    assert (result["outcome"], limit) in COSTLY[name][1], result
    assert result["usage"]["cpu_seconds"] < 3.0


def test_neighbours_get_their_results_and_nobody_who_watches_over_them_dies(
    pool: tuple[Site, Command], ran: Runs
) -> None:
    _, executor = pool
    honest = [run.result() for name, run in ran.items() if name.startswith("honest")]
    assert {(result["outcome"], result["console"]) for result in honest} == {("ok", HONEST_CONSOLE)}
    for run in ran.values():
        run.result()
    assert executor.process.poll() is None
    assert not executor.said(" WARNING ")
    assert not executor.said(" ERROR ")


def test_honest_jobs_end_well_while_one_neighbour_spins_and_one_floods(pool: tuple[Site, Command]) -> None:
    place, _ = pool
    seconds = {"cpu_seconds": 2.0, "wall_seconds": 2.0}
    plenty = {"output_bytes": 2**40, "output_lines": 2**40}
    with ThreadPoolExecutor(4) as threads:
        spinner = threads.submit(run_job, place, "while True: pass", **seconds)
        flooder = threads.submit(run_job, place, "while True: print('x' * 1000)", **seconds, **plenty)
        honest = [threads.submit(run_job, place, HONEST) for _ in range(12)]
        assert {(run.result()["outcome"], run.result()["console"]) for run in honest} == {("ok", HONEST_CONSOLE)}
        for run in (spinner, flooder):
            assert run.result()["outcome"] == "limit"
            assert run.result()["limit"]["name"] in seconds
        assert flooder.result()["limit"]["printed_bytes"] < 8 * 2**20, "it is slowed down"
