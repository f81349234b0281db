"""Underscored attributes: the guest's own are its own, those of the library evaluate text or list modules."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs


@pytest.mark.parametrize(
    "read",
    [
        "Color._convert_('X', 'os', lambda n: True)",
        "Color._create_",
        "enum.Enum._member_map_",
        "typing.List[int]._inst",
        "string.Template._invalid",
        "fractions.Fraction(1, 2)._numerator",
        "random.Random()._randbelow(3)",
        "contextlib.ExitStack()._exit_callbacks",
        "collections.Counter()._keep_positive()",
        "decimal.Context()._raise_error",
        "getattr(Color, '_conv' + 'ert_')",
        "operator.attrgetter('_convert_')(Color)",
        "[Color][0]._convert_",
        "(lambda: Color)()._check_for_existing_members_",
        "sys.stdout._Stream__write",
        "vars(C())._Attributes__set",
        "json._default_encoder",
    ],
)
def test_those_of_the_library_are_not_read(read: str) -> None:
    source = f"""
        import collections, contextlib, decimal, enum, fractions, json, operator, random, string, sys, typing
        class Color(enum.Enum): A = 1
        class C: pass
        print("reached", {read})
    """
    outcome = check_contained(source)
    assert outcome.rules & {"attribute.private", "import.name"} or isinstance(outcome.error, AttributeError)


@pytest.mark.parametrize(
    "definition",
    [
        "class T(string.Template):\n    def peek(self): return self._invalid\nT('').peek()",
        "class T(string.Template):\n    def peek(self): return super()._invalid\nT('').peek()",
        "class T(string.Template):\n    def peek(self): self._invalid = 1\nT('').peek()",
        "class T(string.Template):\n    @classmethod\n    def peek(cls): return cls._invalid\nT.peek()",
        "class T(fractions.Fraction):\n    def peek(self):\n        self._numerator += 1\nT(1).peek()",
        "class T(contextlib.ExitStack):\n    def peek(self): return self._push_exit_callback\nT().peek()",
    ],
)
def test_nor_are_they_inherited(definition: str) -> None:
    check_contained(f"import contextlib, enum, fractions, string\n{definition}\nprint('reached')", "attribute.private")


def test_a_text_annotation_is_no_class_to_derive_from() -> None:
    source = """
        import typing
        ref = typing.get_args(typing.List["print('reached')"])[0]
        class Evil(type(ref), _root=True):
            def go(self): return self._evaluate({}, {}, frozenset())
        Evil("print('reached')").go()
    """
    check_contained(source)


def test_own_private_names_work_everywhere() -> None:
    source = """
        _LIMIT = 3
        def _helper(_x=1, *, _y=2): return _x + _y + _LIMIT
        class Base:
            _shared = []
            __slots__ = ("_a", "__b")
            def __init__(self): self._a = 1; self.__b = 2
            def _inner(self): return self._a + self.__b
            @classmethod
            def _make(cls): return cls()
            @staticmethod
            def _static(): return Base._shared
        class Child(Base):
            def _inner(self): return super()._inner() + _helper(_y=5)
        class Dyn:
            def __getattr__(self, name): return name
        c = Child._make()
        c._a += 10
        things = [c]
        things[0]._a *= 2
        print(c._inner(), c._static(), Dyn()._any, getattr(c, "_a"), hasattr(c, "_zzz"))
        def f(): f._n = getattr(f, "_n", 0) + 1; return f._n
        print(f(), f(), [t._a for t in things], (lambda s: s._a)(c), f"{c._a}")
        from collections import UserDict, Counter
        class Cache(UserDict):
            def __init__(self): super().__init__(); self._hits = 0
            def hit(self): self._hits += 1; return self._hits
        class Bag(Counter):
            _own = 4
        print(Cache().hit(), Bag()._own)
    """
    assert check_runs(source) == "33 [] _any 22 False\n1 2 [22] 22 22\n1 4\n"
