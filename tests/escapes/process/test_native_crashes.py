"""Programs that CPython 3.11 itself may not survive: they cost their own interpreter at most, and their owner is told.

None of them is refused by the language: each is ordinary Python that ends in C code which recurses, re-enters or
allocates without end. Whether a given build crashes, raises or runs out of time is its own affair.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from battlefields import Battlefield
from integration.clients import run_job

VERDICTS = {"ok", "error", "limit", "failed"}
DEEP = "value = ()\nfor _ in range(200_000): value = {made}\n"
PROGRAMS = {
    "iterators that call one another": "import itertools\n"
    + DEEP.format(made="itertools.chain(value)")
    + "list(value)",
    "maps of maps": DEEP.format(made="map(str, value)") + "list(value)",
    "freeing what is nested": DEEP.format(made="(value,)") + "value = None\nprint('freed')",
    "hashing what is nested": DEEP.format(made="(value,)") + "hash(value)",
    "comparing what is nested": DEEP.format(made="[value]").replace("()", "[]") + "other = value[0]\nvalue == other",
    "showing what is nested": DEEP.format(made="[value]") + "repr(value)",
    "partial functions of partial functions": (
        "import functools\nvalue = len\nclass P(functools.partial): pass\n"
        "for _ in range(200_000): value = functools.partial(P(value))\nvalue([])"
    ),
    "errors caused by errors": (
        "error = None\nfor n in range(50_000):\n  try:\n    raise ValueError(n) from error\n"
        "  except ValueError as new:\n    error = new\nraise error"
    ),
    "classes of classes": ("class A: pass\nfor _ in range(5_000):\n  class B(A): pass\n  A = B\nprint(len(str(B())))"),
    "a list that its own comparison empties": (
        "class X:\n  def __eq__(self, other):\n    values.clear()\n    return False\n"
        "values = [X() for _ in range(1_000)]\nprint(values.count(1), 5 in values, values == [X()] * 9)"
    ),
    "a dict that its own comparison changes": (
        "class X:\n  def __hash__(self): return 1\n  def __eq__(self, other):\n"
        "    table.clear()\n    table.update((X2(n), n) for n in range(50))\n    return False\n"
        "class X2(X):\n  def __eq__(self, other): return self is other\n"
        "table = {}\nfor n in range(40):\n  table[X()] = n\n  table.pop(X(), None)\nprint(len(table))"
    ),
    "an ordered dict changed while it is compared": (
        "import collections\nclass X:\n  def __hash__(self): return 1\n  def __eq__(self, other):\n    table.clear()\n"
        "    return True\ntable = collections.OrderedDict()\nother = collections.OrderedDict()\n"
        "for n in range(9):\n  table[n] = X()\n  other[n] = X()\nprint(table == other)"
    ),
    "a set changed while it is searched": (
        "class X:\n  def __hash__(self): return 1\n  def __eq__(self, other):\n    found.clear()\n    return False\n"
        "found = set()\nfor n in range(99): found.add(X())\nprint(X() in found, found & {X()}, found.issubset({X()}))"
    ),
    "a deque changed while it is searched": (
        "import collections\nclass X:\n  def __eq__(self, other):\n    line.clear()\n    return False\n"
        "line = collections.deque(X() for _ in range(99))\nprint(line.count(1))"
    ),
    "sorting by what changes the list": "values = list(range(99))\nvalues.sort(key=lambda n: values.append(n) or -n)",
    "a heap that changes itself": (
        "import heapq\nclass X:\n  def __lt__(self, other):\n    heap.clear()\n    return True\n"
        "heap = [X() for _ in range(50)]\nheapq.heapify(heap)"
    ),
    "tee of itself": (
        "import itertools\nclass X:\n  def __iter__(self): return self\n  def __next__(self): return next(a)\n"
        "a, b = itertools.tee(X())\nnext(a)"
    ),
    "groups that are asked while they answer": (
        "import itertools\nclass X:\n  def __eq__(self, other):\n    next(groups, None)\n    return False\n"
        "groups = itertools.groupby([X() for _ in range(99)])\nfor key, group in groups: list(group)"
    ),
    "an expression that takes for ever": "import re\nre.match(r'(a|aa)+$', 'a' * 200 + 'b')",
    "a pattern that is nested": "import re\nre.compile('(' * 20_000 + ')' * 20_000)",
    "a text of a width without end": "print('{:>99999999999}'.format(1))",
    "a number that is too long to print": "print(len(str(7 ** 10_000_000)))",
    "a number that is too long at all": "x = 3 ** 10 ** 9",
    "a decimal of a precision without end": (
        "import decimal\ndecimal.getcontext().prec = 999_999_999\ndecimal.Decimal(2).sqrt()"
    ),
    "a date in a format of a width without end": "import time\ntime.strftime('%2147483647Y' * 9)",
    "text that is nested": "import json\njson.loads('[' * 500_000)",
    "a factorial": "import math\nmath.factorial(10 ** 8)",
    "a generator that will not close": (
        "def stay():\n  while True:\n    try:\n      yield\n    except GeneratorExit: pass\n"
        "g = stay()\nnext(g)\ndel g\n"
    ),
}


@pytest.fixture(scope="module")
def verdicts(battlefield: Battlefield) -> dict[str, dict[str, Any]]:
    """Run all of them beside one another, two at a time."""
    limits = {"cpu_seconds": 0.3, "wall_seconds": 4, "memory_bytes": 512 * 2**20}

    def run(name: str) -> dict[str, Any]:
        return run_job(battlefield.site, PROGRAMS[name], **limits)

    with ThreadPoolExecutor(2) as runners:
        return dict(zip(PROGRAMS, runners.map(run, PROGRAMS), strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_gets_a_verdict(verdicts: dict[str, dict[str, Any]], name: str) -> None:
    found = verdicts[name]
    assert found["outcome"] in VERDICTS, found
    if found["outcome"] == "failed":
        assert found["error"]["type"] == "ExecutorDied", found


def test_nobody_else_noticed_any_of_it(battlefield: Battlefield, verdicts: dict[str, dict[str, Any]]) -> None:
    assert len(verdicts) == len(PROGRAMS)
    battlefield.nobody_noticed()
