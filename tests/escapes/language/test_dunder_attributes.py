"""Dunder attributes: the stairs from any object to its class, its module, its code and everything else."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest

STAIRS = [
    "__globals__",
    "__builtins__",
    "__code__",
    "__closure__",
    "__subclasses__",
    "__bases__",
    "__base__",
    "__mro__",
    "__self__",
    "__func__",
    "__wrapped__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__loader__",
    "__spec__",
    "__path__",
    "__file__",
    "__dict__",
    "__weakref__",
    "__defaults__",
    "__kwdefaults__",
    "__type_params__",
    "__forward_arg__",
    "__origin__",
    "__dataclass_fields__",
    "__objclass__",
    "__thisclass__",
    "__traceback__",
    "__context__",
    "__prepare__",
    "__instancecheck__",
    "__get__",
    "__set__",
    "__import__",
]


@pytest.mark.parametrize("name", STAIRS)
def test_a_written_dunder_is_not_read_from_what_we_handed_out(name: str) -> None:
    check_contained(f"import json\nprint('reached', json.dumps.{name})", "attribute.dunder")


@pytest.mark.parametrize("name", STAIRS)
def test_a_computed_dunder_is_not_read_either(name: str) -> None:
    source = f"""
        import json
        name = "{name[:4]}" + "{name[4:]}"
        print("reached", getattr(json.dumps, name))
    """
    check_contained(source, "attribute.dunder")


@pytest.mark.parametrize("name", STAIRS)
def test_a_default_does_not_hide_the_attempt(name: str) -> None:
    outcome = check_contained(f"x = getattr(len, '{name}', None)\nprint(x)", "attribute.dunder")
    assert outcome.output == "None\n"


@pytest.mark.parametrize(
    "target", ["(1)", "''", "()", "int", "object", "type", "print", "[].append", "type(1)", "super"]
)
def test_the_class_walk_ends_at_its_first_step(target: str) -> None:
    check_contained(f"print('reached', {target}.__class__.__base__.__subclasses__())", "attribute.dunder")


@pytest.mark.parametrize("name", ["__globals__", "__class__", "__code__", "__dict__", "__match_args__", "__bases__"])
def test_a_dunder_is_not_set_on_anything(name: str) -> None:
    check_contained(f"def f(): pass\nf.{name} = 1\nprint('reached')", "attribute.dunder")
    check_contained(f"class C: pass\nsetattr(C, '{name}', 1)\nprint('reached')", "attribute.dunder")


def test_full_width_letters_are_seen_as_what_python_makes_of_them() -> None:
    check_contained("print('reached', (1).__\uff43lass__.__\uff42ases__)", "attribute.dunder")
    check_contained("print('reached', \uff45val('1'))", "builtin.refused")


def test_a_private_name_cannot_be_mangled_into_a_dunder() -> None:
    check_contained("class _:\n    def f(self): return len.__self\nprint('reached', _().f())", "attribute.private")


def test_every_refusal_of_a_source_is_listed_with_its_line() -> None:
    outcome = run_guest("x = 1\ny = x.__globals__\nprint('ran')\nz = x.gi_frame\nimport os\n")
    assert [(violation.rule, violation.line) for violation in outcome.refusals] == [
        ("attribute.dunder", 2),
        ("attribute.inspection", 4),
        ("import.not_offered", 5),
    ]
    assert outcome.output == ""


def test_the_dict_of_an_own_object_is_a_copy_that_writes_through_the_guard() -> None:
    source = """
        class C:
            def __init__(self): self.a = 1
        c = C()
        c.__dict__["b"] = 2
        vars(c).update(d=4)
        print(c.a, c.b, c.d, sorted(c.__dict__))
    """
    assert check_runs(source) == "1 2 4 ['a', 'b', 'd']\n"
    check_contained(
        "class C: pass\nc = C()\nc.__dict__['__dataclass_fields__'] = {}\nprint('reached')", "attribute.dunder"
    )


def test_the_dict_of_an_own_class_is_a_copy_without_what_leads_on() -> None:
    source = """
        import abc, dataclasses, enum
        class Base(abc.ABC):
            def f(self): pass
        @dataclasses.dataclass
        class Row(Base):
            __hidden = 1
            x: int = 2
        class Colour(enum.Enum): RED = 1
        for cls in (Base, Row, Colour):
            for way in (cls.__dict__, vars(cls), getattr(cls, "__dict__")):
                for name, value in way.items():
                    if name.startswith("__") and name in ("__dict__", "__weakref__", "__orig_bases__", "__class__"):
                        print("reached", name)
        print([name for name in Row.__dict__ if not name.startswith("__")], dict(vars(Row))["x"])
        try: Row.__dict__["x"] = 3
        except TypeError: print("read only")
    """
    assert check_runs(source) == "['_Row__hidden', 'x', '_abc_impl'] 2\nread only\n"
    check_contained("import json\nprint('reached', json.JSONEncoder.__dict__)", "attribute.dunder")
    check_contained("import json\nprint('reached', vars(json.JSONEncoder))", "attribute.dunder")


def test_what_describes_an_own_class_is_told() -> None:
    source = """
        import functools
        from dataclasses import dataclass
        from typing import Generic, NamedTuple, TypeVar
        class A:
            __slots__ = ("x",)
        class B(A): pass
        class N(NamedTuple):
            a: int
        T = TypeVar("T")
        class G(Generic[T]): pass
        @dataclass
        class D:
            a: int
        @functools.wraps(N)
        def f(): pass
        def g(): "doc"
        g.tag = 1
        @functools.wraps(g)
        def h(): pass
        print([c.__name__ for c in B.__mro__], B.mro() == list(B.__mro__), B.__bases__, B.__base__, A.__subclasses__())
        print(A.__slots__, B.__slots__, D.__match_args__, N.__match_args__, list(D.__dataclass_fields__))
        print(N.__mro__, G.__mro__, h.__wrapped__ is g, h.tag, h.__dict__["tag"], hasattr(f, "__wrapped__"))
    """
    assert check_runs(source) == (
        "['B', 'A', 'object'] True (<class '__main__.A'>,) <class '__main__.A'> [<class '__main__.B'>]\n"
        "('x',) ('x',) ('a',) ('a',) ['a']\n"
        "(<class '__main__.N'>, <class 'tuple'>, <class 'object'>) "
        "(<class '__main__.G'>, <class 'typing.Generic'>, <class 'object'>) True 1 1 False\n"
    )


def test_an_ancestor_that_has_no_public_name_is_not_told() -> None:
    source = """
        import enum, random
        from collections import UserDict
        class Colour(enum.Enum): RED = 1
        class R(random.Random): pass
        class U(UserDict): pass
        for cls in (Colour, R, U):
            print([c.__module__ + "." + c.__name__ for c in cls.__mro__])
    """
    shown = check_runs(source)
    assert "_random" not in shown
    assert "ReprEnum" not in shown


@pytest.mark.parametrize("name", ["__mro__", "__bases__", "__base__", "__subclasses__", "__slots__", "__match_args__"])
@pytest.mark.parametrize("target", ["object", "int", "type", "Exception", "C.__mro__[-1]", "C().__class__.__base__"])
def test_a_class_that_is_not_the_guests_is_not_described(name: str, target: str) -> None:
    check_contained(f"class C: pass\nprint('reached', {target}.{name})", "attribute.dunder")
    check_contained(
        f"class C: pass\nprint('reached', getattr({target}, '{name[:3]}' + '{name[3:]}'))", "attribute.dunder"
    )


def test_annotations_are_a_copy() -> None:
    source = """
        from dataclasses import dataclass
        class C:
            x: int
        C.__annotations__["y=print('reached'), z"] = int
        print(dataclass(C)(1))
    """
    assert check_runs(source) == "C(x=1)\n"
