"""Class patterns: `match` reads attributes in C, by the names in the pattern and in `__match_args__`."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

REGISTERED = """
    import typing
    from abc import ABC
    from dataclasses import dataclass
    {definition}
    for kind in (type(len), type(lambda: 0), str, AttributeError, type(ValueError().with_traceback)):
        try:
            Evil.register(kind)
        except Exception:
            pass
    match {subject}:
        case Evil(x):
            print("reached", x)
"""


@pytest.mark.parametrize(
    "names", ["('__globals__',)", "['__self__']", "('_private',)", "('format',)", "('gi_frame',)", "('obj',)"]
)
def test_match_args_cannot_name_what_must_not_be_read(names: str) -> None:
    definition = f"class Evil(ABC): __match_args__ = {names}"
    check_contained(REGISTERED.format(definition=definition, subject="len"), "class.constant")


@pytest.mark.parametrize(
    "definition",
    [
        "class Evil(ABC): __match_args__ = tuple(['__glo' + 'bals__'])",
        "class Evil(ABC):\n        for __match_args__ in [('__self__',)]: pass",
        "class Evil(ABC):\n        __match_args__: tuple = ('__self__',)",
        "class Evil(ABC):\n        __match_args__, x = ('__self__',), 1",
        "class Evil(ABC):\n        __match_args__ = x = ('__self__',)",
        "class Evil(ABC):\n        def __match_args__(self): pass",
        "class Evil(ABC):\n        (__match_args__ := ('__self__',))",
        "class Evil(ABC):\n        import math as __match_args__",
        "class Evil(ABC):\n        __match_args__ = ()\n        __match_args__ += ('__self__',)",
    ],
)
def test_match_args_is_literal_or_refused(definition: str) -> None:
    outcome = check_contained(REGISTERED.format(definition=definition, subject="len"))
    assert outcome.rules


@pytest.mark.parametrize(
    ("subject", "pattern"),
    [
        ("len", "object(__self__=x)"),
        ("len", "object(_x=x)"),
        ("'a'", "str(format_map=x)"),
        ("print", "object(f_back=x)"),
        ("datetime.datetime", "object(now=x)"),
        ("len", "len.__self__"),
        ("len", "{len._x: 1}"),
        ("len", "len._x.y()"),
        ("'a'", "str.format"),
    ],
)
def test_a_pattern_reads_plain_attributes_only(subject: str, pattern: str) -> None:
    check_contained(f"import datetime\nmatch {subject}:\n    case {pattern}: print('reached')", "match.attribute")


def test_patterns_over_own_classes_work() -> None:
    source = """
        from dataclasses import dataclass
        from typing import NamedTuple
        @dataclass
        class P:
            x: int
            y: int = 0
        class N(NamedTuple):
            a: int
        class M:
            __match_args__ = ("v",)
            def __init__(self, v): self.v = v
        def see(s):
            match s:
                case P(x, y=0): return ("P", x)
                case P(1, b): return ("P1", b)
                case N(a): return ("N", a)
                case M(int(v)): return ("M", v)
                case [P(), *rest]: return rest
                case {"k": str(k), **more}: return (k, more)
                case int() | float() as n if n > 1: return n
                case -1: return "minus"
        print(*[see(s) for s in (P(4), P(1, 2), N(3), M(5), [P(1), 6], {"k": "v", "z": 1}, 7.5, -1, None)])
    """
    assert check_runs(source) == "('P', 4) ('P1', 2) ('N', 3) ('M', 5) [6] ('v', {'z': 1}) 7.5 minus None\n"
