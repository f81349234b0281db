"""Classes made other than by a class statement: out of a dict with any names in it, or out of a template."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest

BODY = "{'__match_args__': ('__globals__',), '__reduce_ex__': lambda self, p: 1}"


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (f"type('X', (), {BODY})", "type.call"),
        (f"type(int)('X', (), {BODY})", "type.call"),
        (f"int.__class__('X', (), {BODY})", "type.call"),
        (f"getattr(1, '__class__').__class__('X', (), {BODY})", "type.call"),
        (f"abc.ABCMeta('X', (), {BODY})", "type.call"),
        (f"type(abc.ABC)('X', (), {BODY})", "type.call"),
        (f"enum.EnumMeta('X', (), {BODY})", "type.call"),
        (f"type(enum.Enum)('X', (), {BODY})", "type.call"),
        (f"typing.get_origin(typing.Type[int])('X', (), {BODY})", "type.call"),
        (f"typing.get_origin(type[int])('X', (), {BODY})", None),
        (f"types.new_class('X', (), {{}}, lambda ns: ns.update({BODY}))", "import.name"),
        (f"enum.Enum('X', {BODY})", "class.field"),
        (f"enum.Flag('X', list({BODY}.items()))", "class.field"),
        ("enum.Enum('X', '__match_args__ mro')", "class.field"),
        (f"dataclasses.make_dataclass('X', ['a'], namespace={BODY})", "class.field"),
        ("dataclasses.make_dataclass('X', ['__match_args__'])", "class.field"),
        ("dataclasses.make_dataclass('X', ['a: print(\"reached\")) #'])", "class.field"),
        ("dataclasses.make_dataclass('X\\n    pass', ['a'])", "class.field"),
        ("dataclasses.make_dataclass('X', ['a'], bases=(type(json),))", "class.base"),
        ("type(lambda: 0)(1, {})", "type.call"),
        ("types.FunctionType(1, {})", "type.call"),
        ("type(json)('x')", None),
        ("type(len)('x')", None),
        ("super().__class__", None),
    ],
)
def test_no_other_way_makes_a_class_or_a_function(make: str, rule: str | None) -> None:
    source = f"import abc, enum, typing, types, dataclasses, json\nprint('reached', {make})"
    outcome = check_contained(source, *([rule] if rule else []))
    assert outcome.rules or outcome.error is not None


@pytest.mark.parametrize(
    "base", ["type", "abc.ABCMeta", "enum.EnumType", "type(abc.ABC)", "type(enum.Enum)", "type(type)"]
)
def test_a_metaclass_is_not_written(base: str) -> None:
    source = f"import abc, enum\nclass M({base}):\n    def __call__(cls, *a): return 1\nprint('reached', M)"
    check_contained(source, "class.base")


@pytest.mark.parametrize("keyword", ["metaclass=type", "metaclass=M", "metaclass=lambda *a: 1", "**{'metaclass': M}"])
def test_nor_is_one_used(keyword: str) -> None:
    source = f"def M(*a, **k): print('reached', a)\nclass C({keyword}): x = 1\nprint('reached')"
    check_contained(source, "class.metaclass")


@pytest.mark.parametrize(
    "base", ["type(json)", "type(print)", "type(re.compile(''))", "type(sys.stdout)", "type(e.__cause__)", "json", "1"]
)
def test_a_class_derives_from_offered_classes_only(base: str) -> None:
    source = f"""
        import json, re, sys
        try:
            raise ValueError from KeyError()
        except ValueError as caught:
            e = caught
        class C({base}): pass
        print("made")
    """
    outcome = run_guest(source)
    assert "made" not in outcome.output or base.startswith("type(e")


def test_a_field_cannot_carry_code() -> None:
    for attempt in (
        "namedtuple('X', ['a=print(\"reached\")'])",
        "namedtuple('X', [S('a, b=print(\"reached\")')])",
        "namedtuple(S('X'), ['a'], module='os')",
        "make_dataclass('X', [(S('a=print(\"reached\"), b'), int)])",
        "make_dataclass(S('X'), [S('a)\\n print(\"reached\") #')])",
    ):
        source = f"""
            from collections import namedtuple
            from dataclasses import make_dataclass
            class S(str):
                def isidentifier(self): return True
                def __str__(self): return self
            {attempt}
        """
        check_contained(source)


def test_the_registry_of_an_abstract_class_gives_nothing() -> None:
    check_contained("from abc import ABC\nprint('reached', ABC._abc_impl)", "attribute.private")


def test_the_resolution_order_of_what_is_not_the_guests_is_not_listed() -> None:
    for read in ("int.mro()", "type.mro(Color)", "[k for k in (Enum,)][0].mro()", "getattr(Enum, 'mro')()"):
        source = f"from enum import Enum\nclass Color(Enum): A = 1\nprint('reached', {read})"
        outcome = check_contained(source)
        assert outcome.rules or isinstance(outcome.error, AttributeError)


def test_an_own_method_called_mro_is_ordinary() -> None:
    assert check_runs("class C:\n    def mro(self): return 5\nprint(C().mro())") == "5\n"


def test_finalizers_are_refused() -> None:
    check_contained("class C:\n    def __del__(self): print('reached')\nC()", "class.method")


def test_classes_of_every_ordinary_kind_work() -> None:
    source = """
        from abc import ABC, ABCMeta, abstractmethod
        from collections import UserDict, OrderedDict
        from dataclasses import dataclass, field, make_dataclass
        from enum import Enum, Flag, IntEnum, StrEnum, auto
        from typing import Generic, NamedTuple, Protocol, TypedDict, TypeVar
        class Base(metaclass=ABCMeta):
            registry = []
            def __init_subclass__(cls, /, tag="-", **kw):
                super().__init_subclass__(**kw)
                Base.registry.append((cls.__name__, tag))
            @abstractmethod
            def go(self): ...
        class A(Base, tag="a"):
            def go(self): return "gone"
        class Sum(list):
            def total(self): return sum(self)
        class Err(ValueError):
            def __init__(self, code): super().__init__(f"code {code}"); self.code = code
        @dataclass(frozen=True, order=True, slots=True)
        class D:
            a: int
            b: list = field(default_factory=list, compare=False)
        @dataclass
        class E:
            _hidden: int = 3
            def __post_init__(self): self._more = self._hidden + 1
        class Color(Enum):
            RED = auto()
            BLUE = auto()
            @classmethod
            def _missing_(cls, value): return cls.RED
        T = TypeVar("T")
        class Box(Generic[T]):
            def __init__(self, v: T): self._v = v
        class Lower(UserDict):
            def __setitem__(self, k, v): super().__setitem__(k.lower(), v)
        class Temperature:
            def __init__(self): self.__c = 0
            @property
            def c(self): return self.__c
            @c.setter
            def c(self, v): self.__c = v
        class Typed:
            def __set_name__(self, owner, name): self._name = "_" + name
            def __get__(self, obj, kind=None): return getattr(obj, self._name)
            def __set__(self, obj, value): setattr(obj, self._name, int(value))
        class Uses:
            n = Typed()
        u = Uses(); u.n = "12"
        t = Temperature(); t.c = 5; t.c += 1
        low = Lower(); low["A"] = 1
        Small = Enum("Small", "X Y", start=5)
        M = make_dataclass("M", [("p", int), ("q", int, 4)])
        try:
            raise Err(7)
        except Err as e:
            print(A().go(), Base.registry, Sum([1, 2]).total(), e, e.code)
        print(D(1) < D(2), E()._more, Color("zzz"), Box[int](4)._v, dict(low), t.c, u.n, list(Small), M(1))
    """
    assert check_runs(source) == (
        "gone [('A', 'a')] 3 code 7 7\nTrue 4 Color.RED 4 {'a': 1} 6 12 [<Small.X: 5>, <Small.Y: 6>] M(p=1, q=4)\n"
    )
