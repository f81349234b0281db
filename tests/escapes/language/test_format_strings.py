"""Format strings (CVE-2023-41039, CVE-2026-76825): fields that read attributes are a second, unguarded getattr."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

FIELDS = [
    "{0.__class__}",
    "{0.__class__.__mro__}",
    "{a[0].__doc__}",
    "{0:{1.__class__}}",
    "{0!r:{0.obj}}",
    "{.mro}",
    "{0.real._x}",
]


@pytest.mark.parametrize("template", FIELDS)
@pytest.mark.parametrize(
    "call",
    [
        "t.format(1, 2, a=[1])",
        "str.format(t, 1, 2, a=[1])",
        "getattr(t, 'for' + 'mat')(1, 2, a=[1])",
        "operator.methodcaller('format', 1, 2, a=[1])(t)",
        "operator.attrgetter('format')(t)(1, 2, a=[1])",
        "S(t).format(1, 2, a=[1])",
        "S(t).up(1, 2, a=[1])",
        "list(map(str.format, [t], [1], [2]))",
        "[f(1, 2, a=[1]) for f in [t.format]]",
    ],
)
def test_no_route_to_str_format_reads_attributes(template: str, call: str) -> None:
    source = f"""
        import operator
        class S(str):
            def up(self, *args, **kwargs): return super().format(*args, **kwargs)
        t = {template!r}
        print("reached", {call})
    """
    check_contained(source, "format.attribute")


@pytest.mark.parametrize("call", ["t.format_map({'a': 1})", "str.format_map(t, {'a': 1})", "S(t).format_map({'a': 1})"])
def test_nor_does_format_map(call: str) -> None:
    check_contained(f"class S(str): pass\nt = '{{a.__class__}}'\nprint('reached', {call})", "format.attribute")


def test_a_pattern_does_not_bind_the_method() -> None:
    check_contained("match 'x':\n    case str(format=f): print('reached')", "match.attribute")
    source = """
        from abc import ABC
        from dataclasses import dataclass
        @dataclass
        class Evil(ABC):
            format: str
        Evil.register(str)
        match "{0.__class__}":
            case Evil(f): print("reached", f(1))
    """
    check_contained(source)


def test_a_named_tuple_does_not_bind_it_either() -> None:
    source = """
        from abc import ABC
        from collections import namedtuple
        class Evil(namedtuple("B", "format obj"), ABC): pass
        Evil.register(str)
        match "{0.__class__}":
            case Evil(f): print("reached", f(1))
    """
    check_contained(source)


def test_augmented_assignment_does_not_hand_the_method_to_the_other_side() -> None:
    source = """
        class S(str): pass
        class Catch:
            def __radd__(self, other):
                print("reached", other("{0.obj}", 1))
        s = S("{0.obj}")
        s.format += Catch()
    """
    check_contained(source, "format.attribute")


def test_the_formatter_is_withheld() -> None:
    check_contained("import string\nprint('reached', string.Formatter())", "import.name")
    check_contained("from string import Formatter\nprint('reached')", "import.name")
    check_contained("import string\nprint('reached', getattr(string, 'Form' + 'atter'))", "import.name")


def test_ordinary_fields_work() -> None:
    source = """
        print("{} {1[0]} {a[k]:>{w}} {{}}".replace("{}", "{0}", 1).format(1, [2], a={"k": 3}, w=4))
        class Point:
            def __init__(self): self.x, self.at = 1, [2]
        print("{p.x} {p.at[0]} {0.real:>{1.imag}3}".format(7, 8, p=Point()), "{p.x}".format_map({"p": Point()}))
        print("{x}".format_map({"x": 5}), "{:,.2f}".format(1234.5), "%(a)s" % {"a": 6})
        class Money:
            def format(self, x): return f"own {x}"
            def __format__(self, spec): return "spec " + spec
        print(Money().format(7), "{:abc}".format(Money()), getattr("{}", "format")(8))
    """
    assert check_runs(source) == "1 2    3 {}\n1 2 007 1\n5 1,234.50 6\nown 7 spec abc 8\n"
