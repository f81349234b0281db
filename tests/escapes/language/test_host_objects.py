"""What we handed out stays as it is: no guest changes it for itself, for the next batch, or for our own code."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

TARGETS = [
    "json",
    "json.dumps",
    "json.JSONEncoder",
    "json.JSONEncoder()",
    "collections.Counter",
    "collections.Counter()",
    "fractions.Fraction(1, 2)",
    "string.Template",
    "print",
    "sys.stdout",
    "type",
    "len",
    "Exception",
    "contextlib.ExitStack()",
    "random.Random",
    "random.random",
    "enum.Enum",
    "abc.ABC",
    "typing.List[int]",
    "dataclasses.field()",
    "functools.partial(len)",
    "re.compile('a')",
    "decimal.Context",
    "(x for x in ())",
]

IMPORTS = (
    "import abc, collections, contextlib, dataclasses, decimal, enum, fractions, functools, json, random, re\n"
    "import string, sys, typing\n"
)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "store",
    [
        "t.x = 1",
        "t.x += 1",
        "del t.x",
        "t.x: int = 1",
        "(t.x, y) = 1, 2",
        "[*t.x] = 1, 2",
        "for t.x in (1,): pass",
        "[0 for (t.x) in (1,)]",
        "class M:\n    def __enter__(self): return 1\n    def __exit__(self, *a): pass\nwith M() as t.x: pass",
        "setattr(t, 'x', 1)",
        "delattr(t, 'x')",
        "holder = [t]\nholder[0].x = 1",
        "holder = [t]\nholder[0].x += 1",
        "t.__name__ = 'x'",
        "t._x = 1",
    ],
)
def test_its_attributes_are_not_set_in_any_way(target: str, store: str) -> None:
    check_contained(f"{IMPORTS}t = {target}\n{store}\nprint('reached')", "attribute.write")


def test_builtins_are_not_changed() -> None:
    for attempt in (
        "__builtins__['len'] = 1",
        "globals()['__builtins__'] = 1",
        "vars()['len'] = 1",
        "locals()['len'] = 1",
    ):
        outcome = check_contained(f"{attempt}\nprint('reached')")
        assert outcome.rules & {"name.dunder", "builtin.refused"}


@pytest.mark.parametrize(
    "name", ["open", "eval", "exec", "compile", "globals", "locals", "input", "breakpoint", "help"]
)
def test_a_builtin_that_is_not_offered_says_why(name: str) -> None:
    outcome = check_contained(f"print('ran')\nprint('reached', {name}('x'))", "builtin.refused")
    assert outcome.output == ""
    assert name in outcome.refusals[0].detail
    outcome = check_contained(f"f = {name}\ntry:\n    f('x')\nexcept Exception as e:\n    print(e)", "builtin.refused")
    assert name in outcome.output


def test_a_builtins_name_can_be_ones_own() -> None:
    source = """
        open, high = 1.0, 2.0
        def compile(input): return input + open
        class exec: pass
        print(compile(high), exec.__name__)
    """
    assert check_runs(source) == "3.0 exec\n"


def test_what_may_be_set_can_be() -> None:
    source = """
        import decimal, types
        decimal.getcontext().prec = 4
        ns = types.SimpleNamespace(a=1)
        ns.b = ns.a + 1
        def f(): f.calls += 1
        f.calls = 0
        f(); f()
        class C:
            count = 0
        C.count += 1
        C.extra = 5
        error = ValueError("x")
        error.code = 3
        del C.extra
        print(decimal.Decimal(1) / 3, ns, f.calls, C.count, error.code, hasattr(C, "extra"))
    """
    assert check_runs(source) == "0.3333 namespace(a=1, b=2) 2 1 3 False\n"
