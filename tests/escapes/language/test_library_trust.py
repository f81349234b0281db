"""What the standard library does with objects and classes that it takes at their word."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

VICTIM = '(lambda p: ((lambda: Victim), (), (None, {"__match_args__": ("__globals__",)})))'


@pytest.mark.parametrize(
    "made_anew",
    [
        "alias.__init__(list, ('__import__',), name='__builtins__')",
        "getattr(alias, '__init__')(list, ('__import__',), name='__builtins__')",
        "methodcaller('__init__', list, ('__import__',), name='__builtins__')(alias)",
        "GenericAlias(alias, ()).__init__(list, ('__import__',), name='__builtins__')",
        "super(object, alias).__init__(list, ('__import__',), name='__builtins__')",
        "type(alias).__init__(alias, list, ('__import__',), name='__builtins__')",
        "Again.__init__(alias, list, ('__import__',), name='__builtins__')",
    ],
)
def test_an_alias_is_not_made_anew_under_the_name_of_something_else(made_anew: str) -> None:
    """Copying an alias looks its name up in the globals of the typing module, where all built-ins are."""
    source = f"""
        import copy, typing
        from operator import methodcaller
        from types import GenericAlias
        class Again(typing.List[int]): pass
        alias = typing.List[int]
        try:
            {made_anew}
        finally:
            print('reached', copy.copy(alias)) if copy.copy(alias) is not alias else None
    """
    outcome = check_contained(source)
    assert outcome.rules or type(outcome.error) in (TypeError, AttributeError)


def test_special_forms_are_not_made_anew_either() -> None:
    check_contained("import typing\ntyping.Optional.__init__(print)\nprint('reached')", "attribute.private")


def test_initialising_again_what_one_may_make_is_ordinary() -> None:
    source = """
        class Base:
            def __init__(self, x): self.x = x
        class Derived(Base):
            def __init__(self, x):
                super().__init__(x)
                Base.__init__(self, x + 1)
        class Error(ValueError):
            def __init__(self, text): super().__init__(text.upper())
        d = Derived(1)
        d.__init__(5)
        items = []
        items.__init__([1, 2])
        print(d.x, Error("a"), items)
    """
    assert check_runs(source) == "6 A [1, 2]\n"


@pytest.mark.parametrize(
    "early",
    [
        "class C(Lying):\n    d = Hook()",
        "class C(Early, Lying): pass",
        "C = enum.Enum('C', ['a'], type=Lying)\ncopy.copy(C.a), copy.deepcopy(C.a)",
        "@dataclasses.dataclass(slots=True)\nclass C(Early, Lying):\n    x: int = 0",
    ],
)
def test_an_object_of_a_class_that_is_not_finished_is_copied_by_its_class(early: str) -> None:
    source = f"""
import copy, dataclasses, enum
class Victim: pass
class Lying:
    def __getattribute__(self, name):
        return {VICTIM} if name == "__reduce_ex__" else object.__getattribute__(self, name)
class Hook:
    def __set_name__(self, owner, name): copy.copy(owner())
class Early:
    def __init_subclass__(cls, **more): copy.copy(cls()), copy.deepcopy(cls())
try:
{chr(10).join("    " + line for line in early.splitlines())}
finally:
    print('reached') if hasattr(Victim, "__match_args__") else None
"""
    check_contained(source)


def test_a_generic_method_does_not_tell_a_guest_the_class_of_a_class() -> None:
    source = """
        import functools
        class Told:
            def dispatch(self, cls):
                print("reached", cls("X", (), {}))
        class Method(functools.singledispatchmethod): pass
        method = Method(lambda self, x: 0)
        method.dispatcher = Told()
        class C:
            f = method
        C().f(int)
    """
    check_contained(source, "class.base")


@pytest.mark.parametrize(
    "derived",
    [
        "dataclasses.make_dataclass('M', [], bases=(functools.singledispatchmethod,))",
        "enum.Enum('M', ['a'], type=functools.singledispatchmethod)",
        "enum.Enum('M', ['a'], type=typing.List[int])",
        "enum.Enum('M', ['a'], type=type(lambda: 0))",
    ],
)
def test_no_function_derives_from_what_a_class_statement_could_not(derived: str) -> None:
    source = f"""
        import dataclasses, enum, functools, typing
        print("reached", {derived})
    """
    check_contained(source, "class.base")


def test_a_tuple_of_bases_that_lists_others_than_it_has_is_what_it_lists() -> None:
    source = """
        import dataclasses, functools
        class Bases(tuple):
            def __iter__(self): return iter((object,))
        made = dataclasses.make_dataclass("M", [], bases=Bases((functools.singledispatchmethod,)), init=False)
        print("reached" if hasattr(made, "register") else "kept")
    """
    assert check_contained(source).output == "kept\n"


def test_the_method_of_another_object_is_not_had_by_copying_ones_own() -> None:
    source = """
        import copy, typing
        class Own:
            def __deepcopy__(self, memo): return typing.Optional
        copied = copy.deepcopy(Own().__init__)
        copied(print) if "Optional" in repr(copied) else None
        print("reached" if "Optional" in repr(copied) else "kept")
    """
    assert check_contained(source).output == "kept\n"


@pytest.mark.parametrize("hook", ["def __deepcopy__(self, memo)", "def __copy__(self)"])
def test_nor_does_a_copy_of_one_whose_state_was_changed_meanwhile(hook: str) -> None:
    source = f"""
        import copy, functools
        class Told:
            def dispatch(self, cls):
                print("reached", cls("X", (), {{}}))
        class Function:
            def __call__(self, *a): pass
            {hook}:
                for state in list(memo.values()):
                    if type(state) is dict and "func" in state: state["dispatcher"] = Told()
                return self
        copied = copy.deepcopy(functools.singledispatchmethod(Function()))
        class C:
            f = copied
        C().f(int)
    """
    check_contained(source)


@pytest.mark.parametrize("derived", ["str", "AttributeError", "datetime.datetime", "statistics.NormalDist", "abc.ABC"])
def test_a_dataclass_has_no_field_by_a_name_that_is_guarded_in_its_base(derived: str) -> None:
    field = {"str": "format", "AttributeError": "obj", "datetime.datetime": "now", "abc.ABC": "mro"}
    name = field.get(derived, "samples")
    source = f"""
        import abc, dataclasses, datetime, statistics
        @dataclasses.dataclass(init=False)
        class C({derived}):
            {name}: object
        print("reached")
    """
    check_contained(source, "class.field")


@pytest.mark.parametrize("default", ["", " = dataclasses.field(init=False)", " = 1"])
def test_nor_does_it_get_such_a_base_later(default: str) -> None:
    source = f"""
        import dataclasses, json
        @dataclasses.dataclass
        class Fields:
            format: object{default}
        class Text(Fields, str):
            def __new__(cls, *arguments): return str.__new__(cls, *arguments)
            def __init__(self, *arguments): pass
        print("reached", dataclasses.astuple(Text("{{0.__globals__}}")))
    """
    check_contained(source, "class.field")


@pytest.mark.parametrize("name", ["\uff46ormat", "\uff3f\uff3fsetattr\uff3f\uff3f", "__dict\uff3f_"])
@pytest.mark.parametrize(
    "make",
    [
        "dataclasses.make_dataclass('C', [{0!r}], bases=(str,), init=False, repr=False)",
        "dataclasses.dataclass(init=False, repr=False)(typing.TypedDict('C', {{{0!r}: int}}))",
    ],
)
def test_nor_has_it_one_that_becomes_such_a_name_in_source_text(name: str, make: str) -> None:
    source = f"""
        import dataclasses, typing
        class Handed:
            def __eq__(self, method): print("reached", method); return True
        class Other:
            def __getattribute__(self, name): return C if name == "__class__" else Handed()
        C = {make.format(name)}
        C() == Other()
    """
    check_contained(source, "class.field")


def test_a_field_of_such_a_name_is_ordinary_elsewhere() -> None:
    source = """
        from dataclasses import dataclass, asdict
        @dataclass
        class Image:
            format: str
            obj: int = 1
            now: float = 0.5
        print(asdict(Image("png")), Image("png"))
    """
    expected = "{'format': 'png', 'obj': 1, 'now': 0.5} Image(format='png', obj=1, now=0.5)\n"
    assert check_runs(source) == expected


def test_making_a_dataclass_compares_no_method_with_type() -> None:
    source = """
        from dataclasses import dataclass
        class Method:
            def __call__(self): pass
            def __eq__(self, other): print("reached", other)
            def __hash__(self): return 1
        for name in ("__init__", "__new__", "__call__"):
            class Base: pass
        @dataclass(init=False)
        class C:
            x: int = 0
            __init__ = Method()
        @dataclass(init=False)
        class D:
            x: int = 0
            __new__ = Method()
    """
    check_contained(source)


def test_making_a_dataclass_evaluates_no_docstring() -> None:
    source = r"""
        from dataclasses import dataclass
        class Base:
            "Base(a=sys.prefix)\n--\n\n"
        @dataclass(init=False, eq=False)
        class C(Base):
            x: int = 0
        print("reached" if "/" in C.__doc__ else C.__doc__)
    """
    check_contained(source)


def test_a_dataclass_tells_its_parameters() -> None:
    source = """
        from dataclasses import dataclass, field
        @dataclass
        class Point:
            x: int
            y: "list[int]" = field(default_factory=list)
            z: float = 2.5
        print(Point.__doc__)
        @dataclass
        class Said:
            'said'
            x: int
        print(Said.__doc__, Point.__module__)
    """
    expected = "Point(x: int, y: 'list[int]' = <factory>, z: float = 2.5)\nsaid __main__\n"
    assert check_runs(source) == expected


def test_a_base_is_not_stated_by_an_object_of_the_guests() -> None:
    source = """
        class Base:
            times = 0
            def __getattr__(self, name):
                Base.times += 1
                return lambda bases: (object,)
        class C(Base()): pass
        print("reached")
    """
    check_contained(source, "class.base")


def test_super_gives_no_private_method_of_ours_that_the_guest_has_overridden() -> None:
    source = """
        import random
        class Mine(random.Random):
            def _randbelow_with_getrandbits(self, n): return super()._randbelow_with_getrandbits
        print("reached", Mine(1)._randbelow_with_getrandbits(3))
    """
    check_contained(source, "attribute.private")


def test_super_gives_private_methods_of_own_bases() -> None:
    source = """
        class A:
            def _own(self): return "a"
        class B(A):
            def _own(self): return super()._own() + "b"
        class C(B):
            def _own(self): return super()._own() + "c"
        print(C()._own())
    """
    assert check_runs(source) == "abc\n"
