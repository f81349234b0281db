"""Where a batch's code asks whether to go on: before what, and how often."""

from __future__ import annotations

import textwrap
from itertools import pairwise

import pytest
from guest_program import RecordingHost
from hypothesis import given
from hypothesis import strategies as st

from statek_policies import Policy
from statek_policies.language import CompiledBatch, build_environment, compile_batch
from statek_policies.language.boundaries import BRIEF_CALLS, MOST_TOGETHER, starts
from statek_policies.offered import BUILTINS


class Skipping:
    """A boundary that lets only some instructions run, and notes what the namespace held at each."""

    def __init__(self, wanted: set[int], namespace: dict[str, object]) -> None:
        self.wanted = wanted
        self.namespace = namespace
        self.seen: list[object] = []

    def __bool__(self) -> bool:
        self.seen.append(self.namespace.get("x"))
        return len(self.seen) - 1 in self.wanted


class Stopping:
    """A boundary that raises when it is asked for the second time."""

    def __init__(self) -> None:
        self.left = 2

    def __bool__(self) -> bool:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return True


def _compiled(source: str, *, first: int = 0, futures: bool = False) -> CompiledBatch:
    data = textwrap.dedent(source).encode()
    return compile_batch(data, name="<batch 1>", policy=Policy(), first=first, futures=futures)


def _starts(source: str, first: int = 0) -> list[int]:
    return list(_compiled(source, first=first).starts)


def test_an_instruction_is_a_top_level_statement() -> None:
    source = """\
        "text"
        import math, json

        @staticmethod
        def f():
            return 1
        x = 1; y = 2
        if x:
            y = 3
        from __future__ import annotations
    """
    assert _compiled(source).lines == (1, 2, 4, 7, 7, 8, 10)
    assert (_compiled("").lines, _starts("")) == ((), [])


def test_a_boundary_is_asked_before_what_follows_it_and_can_leave_that_out() -> None:
    environment = build_environment(Policy(), host := RecordingHost())
    batch = _compiled(
        """
        x = 1
        for i in range(2):
            x += 10
        x = -1; x = -2
        x = [x for _ in "1"]
        def f(): return x
        print(f())
        """
    )
    assert batch.starts == (0, 2, 5)
    boundary = Skipping({0, 2}, environment.globals)
    environment.stop_at(boundary)
    exec(batch.code, environment.globals)
    assert boundary.seen == [None, 21, 21]
    assert host.output == ["21\n"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = min()\n\nx = f()\n\ntry:\n    x = 2\nexcept BaseException:\n    x = 3", 5),
        ("x = f()\n\n@f\n@f\ndef f():\n    pass", 3),
    ],
)
def test_what_a_boundary_raises_is_out_of_reach_of_the_guest_and_has_its_line(source: str, line: int) -> None:
    environment = build_environment(Policy(), RecordingHost())
    environment.stop_at(Stopping())
    environment.globals |= {"f": int, "min": int}
    with pytest.raises(KeyboardInterrupt) as stopped:
        exec(_compiled(source).code, environment.globals)
    assert environment.globals["x"] == 0
    assert [trace.lineno + 1 for trace in stopped.traceback if str(trace.path) == "<batch 1>"] == [line]


@pytest.mark.parametrize(
    "lasting",
    [
        "work()",
        "x = [work()]",
        "x.work()",
        "print(work())",
        "for _ in x: pass",
        "while x: pass",
        "if x:\n    while x: pass",
        "with x: pass",
        "x = [y for y in x]",
        "x = sum(y for y in x)",
        "@work\ndef f(): pass",
        "@work\nclass C: pass",
        "class C:\n    x = work()",
        "def f(x=work()): pass",
        "(lambda: 1)()",
    ],
)
def test_what_may_take_long_has_a_boundary_after_it(lasting: str) -> None:
    assert _starts(f"x = 1\n{lasting}\ny = 2\nz = 3") == [0, 2]


@pytest.mark.parametrize(
    "brief",
    [
        "'text'",
        "import math, json",
        "from collections import deque",
        "x = [1, {'a': 2}]",
        "x += 1",
        "x['a'] = y.b",
        "del x",
        "x = len(y) + max(y, key=y)",
        "print(f'{x:.2f}')",
        "x: list[int] = list(y)",
        "if x:\n    y = 2\nelse:\n    y = 3",
        "def f(x=1):\n    for y in x: work()",
        "x = lambda: work()",
        "class C:\n    x = 1\n    def f(self):\n        while self.work(): pass",
    ],
)
def test_what_is_brief_by_its_looks_shares_the_boundary_of_what_follows(brief: str) -> None:
    assert _starts(f"x = 1\n{brief}\ny = work()\nz = 3") == [0, 3]


def test_not_too_many_share_a_boundary() -> None:
    assert _starts("x = 1\n" * 20) == [0, 8, 16]


def test_a_batch_can_begin_anywhere() -> None:
    environment = build_environment(Policy(), RecordingHost())
    source = "x = ['a']\nx = [*x, 'b']\nx = [*x, 'c']\nx = [*x, 'd']"
    assert _starts(source) == [0]
    batch = _compiled(source, first=2)
    assert batch.starts == (0, 2)
    environment.globals["x"] = []
    environment.stop_at(Skipping({1}, environment.globals))
    exec(batch.code, environment.globals)
    assert environment.globals["x"] == ["c", "d"]


def test_each_instruction_may_wait_where_there_are_futures() -> None:
    assert _compiled("x = 1\nx += 1\nprint(x)", futures=True).starts == (0, 1, 2)


def test_only_built_in_functions_are_taken_for_brief() -> None:
    assert set(BUILTINS) >= BRIEF_CALLS


@given(lasting=st.lists(st.booleans(), max_size=60), first=st.integers(0, 70))
def test_boundaries_stand_where_they_must(lasting: list[bool], first: int) -> None:
    found = starts(lasting, first)
    groups = [range(start, stop) for start, stop in pairwise([*found, len(lasting)])]
    assert [place for group in groups for place in group] == [*range(len(lasting))]
    for group in groups:
        assert len(group) <= MOST_TOGETHER
        assert not any(lasting[place] for place in group[:-1])
        assert first not in group[1:]
