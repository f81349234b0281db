"""Classes of ours that come into a guest's hands by themselves: as the type of a value, or as a hook's argument."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest

ALIAS = "import copy, typing\nAlias = type(typing.List[int])\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "copy.copy(Alias(int, ('eval',), name='__builtins__'))('1')",
        "copy.deepcopy(Alias(int, ('__import__',), name='__builtins__'))",
        "Alias.__new__(Alias, int, ())",
        "typing.List[int].__class__(int, ('eval',), name='__builtins__')",
        "type(typing.Optional[int])(int, (), name='sys')",
        "getattr(typing.List[int], '__cla' + 'ss__')(int, (), name='sys')",
    ],
)
def test_the_class_of_an_alias_cannot_be_called(attempt: str) -> None:
    """Copying an alias looks its name up in the globals of the typing module, where all built-ins are."""
    outcome = check_contained(f"{ALIAS}print('reached', {attempt})")
    assert outcome.rules == {"type.call"} or type(outcome.error) is TypeError


def test_an_alias_does_not_hand_on_the_object_of_an_error() -> None:
    source = """
import typing
class Callable(AttributeError):
    def __call__(self): pass
print("reached", typing.Annotated[Callable("m", name="n", obj=5), 1].obj)
"""
    check_contained(source, "attribute.exception")


@pytest.mark.parametrize(
    "value",
    [
        "math",
        "sys.stdout",
        "dataclasses.fields(D)[0]",
        "{}.keys()",
        "iter([])",
        "len",
        "[].append.__call__",
        "contextlib.contextmanager(lambda: (yield))()",
        "type(type)",
        "functools.lru_cache(len)",
        "D().__dict__",
        "D.__dict__",
        "sys.version_info",
    ],
)
def test_the_type_of_what_cannot_be_named_only_compares(value: str) -> None:
    source = f"""
        import contextlib, dataclasses, functools, math, sys
        @dataclasses.dataclass
        class D:
            a: int = 1
        value = {value}
        kind = type(value)
        assert kind is type(value) is value.__class__ and isinstance(value, kind) and isinstance(kind, type)
        assert kind == type(value) and kind in {{kind}} and kind.__name__ in repr(kind) and type(1) is int
        print("same")
        print("reached", kind())
    """
    outcome = check_contained(source)
    assert outcome.output == "same\n", outcome.error
    assert outcome.rules == {"type.call"} or type(outcome.error) is TypeError


def test_the_type_of_what_can_be_named_is_the_class_itself() -> None:
    source = """
        import collections, decimal, random, re
        class Own: pass
        for value in (1, "", [], Own(), collections.Counter(), decimal.Decimal(1), random.Random(1), ValueError()):
            assert type(value)() is not None and type(value) is value.__class__
        print(type(re.compile("")) is re.Pattern, type(None) is type([].sort()), type(Own()) is Own)
    """
    assert check_runs(source) == "True True True\n"


LIAR = """
import functools
got = []
class G:
    def __init__(self, number): self.number = number
    def __hash__(self): return self.number
    def __eq__(self, other):
        if type(other).__name__ == "type" and other not in (object, int): print("reached", other)
        return False
guesses = tuple(G(hash(int) + offset) for offset in range(-6000, 6000))
class Liar:
    def __getattribute__(self, name):
        if name == "__mro__": return guesses
        if name == "__bases__": return (object,)
        if name == "__class__": return self
        return object.__getattribute__(self, name)
@functools.singledispatch
def f(x): return "plain"
f.register(object, lambda x: "object")
class C:
    @functools.singledispatchmethod
    def m(self, x): return "plain"
    m.register(object, lambda self, x: "object")
"""


@pytest.mark.parametrize("use", ["f.dispatch(Liar())", "f(Liar())", "C().m(Liar())", "C.m.dispatcher.dispatch(Liar())"])
def test_a_generic_function_shows_no_subclasses_to_an_argument_that_lies_about_its_class(use: str) -> None:
    """The library compares every subclass of `object` with what the argument calls its bases; hashes can be guessed."""
    outcome = check_contained(LIAR + use)
    assert outcome.error is None or isinstance(outcome.error, (TypeError, AttributeError)), outcome.error


def test_a_subclass_hook_is_refused() -> None:
    """Python calls it with the class of whatever is asked about, `type` itself among them."""
    source = """
        from abc import ABC
        class A(ABC):
            @classmethod
            def __subclasshook__(cls, C): print("reached", C)
        isinstance(int, A)
    """
    check_contained(source, "class.method")
    check_contained("class C: pass\nC.__subclasshook__ = 1\nprint('reached')", "attribute.dunder")


@pytest.mark.parametrize("kind", ["UserDict", "UserList"])
@pytest.mark.parametrize("how", ["copy.copy(U())", "U().copy()", "U().__copy__()"])
def test_a_container_that_lies_about_its_class_is_not_written_into_another_object(kind: str, how: str) -> None:
    source = f"""
import collections, copy, math
class Fake:
    def __new__(cls, *a): return math
class U(collections.{kind}):
    def __getattribute__(self, name):
        if name == "__class__": return Fake
        if name == "__dict__": return {{"data": [], "sqrt": lambda x: "reached"}}
        return super().__getattribute__(name)
try: {how}
except Exception as error: pass
print(math.sqrt(4))
"""
    assert run_guest(source).output == "2.0\n"


def test_honest_containers_are_copied() -> None:
    source = """
        import copy
        from collections import UserDict, UserList
        class Lower(UserDict):
            def __setitem__(self, key, value): super().__setitem__(key.lower(), value)
        low = Lower(A=[1]); low.tag = "t"
        for other in (copy.copy(low), low.copy(), low.__copy__()):
            other["B"] = 2
            assert type(other) is Lower and other.tag == "t" and other["a"] is low["a"] and "b" not in low
        items = UserList([[1]]); same = copy.copy(items); same.append(2)
        assert len(items) == 1 and same[0] is items[0] and copy.deepcopy(items)[0] is not items[0]
        print(UserDict(a=1).copy(), UserList("ab").copy(), isinstance(low, UserDict))
    """
    assert check_runs(source) == "{'a': 1} ['a', 'b'] True\n"


@pytest.mark.parametrize("where", ["re.RegexFlag", "uuid.SafeUUID", "Own"])
def test_the_members_of_an_enumeration_are_not_handed_to_what_they_are_compared_with(where: str) -> None:
    source = f"""
        import enum, re, uuid
        class Own(enum.Enum): A = 1
        class Catch:
            def __eq__(self, other): other["B"] = 2; return True
        {where}.__members__ == Catch()
        print("reached" if "B" in {where}.__members__ else "kept")
    """
    assert check_contained(source).output == "kept\n"


@pytest.mark.parametrize("call", ["typing.Protocol", "random.Random", "string.Template", "super(int, 1)", "object"])
def test_a_class_of_ours_is_not_initialised_again(call: str) -> None:
    check_contained(f"import random, string, typing\nprint('reached', {call}.__init_subclass__())", "attribute.dunder")


def test_a_stream_of_the_console_is_not_made_again() -> None:
    source = """
        import sys
        try: sys.stdout.__init__(lambda text: None)
        except AttributeError: pass
        print("shown")
    """
    assert run_guest(source).output == "shown\n"


def test_splitting_reads_no_standard_input() -> None:
    for argument in ("None", "Stream()"):
        source = f"import shlex\nclass Stream:\n    def read(self, n): print('reached')\nshlex.split({argument})"
        assert type(check_contained(source).error) is TypeError
    assert check_runs("import shlex\nprint(shlex.split('a \"b c\"'))") == "['a', 'b c']\n"


def test_an_error_that_lies_about_its_traceback_is_shown_by_its_own() -> None:
    source = """
        import traceback
        class Frame:
            def __getattr__(self, name): print("reached", name)
        class E(Exception):
            def __getattribute__(self, name):
                if name == "__traceback__": return Frame()
                if name.startswith("__"): return None
                return super().__getattribute__(name)
        def fail(): raise E("x")
        try: fail()
        except E: print(len(traceback.format_exc().splitlines()))
    """
    assert check_runs(source) == "4\n"
