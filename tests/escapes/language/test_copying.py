"""The copy module asks objects how they are copied: what a guest's object answers must not reach anything else."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest

TARGET = "import copy, collections, string, textwrap, types\n"

BY_NATIVE_GETATTR = {
    "a function's globals by the name of a method": """
def f(*a): pass
f.__name__ = "__globals__"
print("reached", copy.copy(types.MethodType(f, textwrap.dedent))["__builtins__"])
""",
    "a class by the name of a method": """
class C:
    def f(self): pass
C.f.__name__ = "__class__"
print("reached" if type(copy.copy(C().f)) is not type(C().f) else "kept")
""",
    "code by the name of a method, deeply": """
def f(*a): pass
f.__name__ = "__code__"
print("reached", copy.deepcopy([types.MethodType(f, textwrap.dedent)])[0].co_consts)
""",
}


@pytest.mark.parametrize("attempt", BY_NATIVE_GETATTR)
def test_a_method_is_not_looked_up_by_a_name_of_the_guests_choice(attempt: str) -> None:
    check_contained(TARGET + BY_NATIVE_GETATTR[attempt])


ANSWER = "lambda *a: (lambda *a: textwrap.dedent, (), (None, {'marked': 'reached'}))"
HOOKS = {
    "__getattribute__": f"""
class C:
    def __getattribute__(self, name):
        if name in ("__reduce_ex__", "__reduce__"): return {ANSWER}
        return super().__getattribute__(name)
""",
    "__getattr__": f"""
class C:
    def __getattr__(self, name):
        if name in ("__reduce_ex__", "__reduce__", "__getstate__"): return {ANSWER}
        raise AttributeError(name)
""",
    "an exception": f"""
class C(Exception):
    def __getattribute__(self, name):
        if name in ("__reduce_ex__", "__reduce__"): return {ANSWER}
        return super().__getattribute__(name)
""",
    "a plain record": f"""
def C(): return types.SimpleNamespace(**{{"__reduce_ex__": {ANSWER}, "__reduce__": {ANSWER}}})
""",
    "the state of a deque": """
class C(collections.deque):
    def __new__(cls, *a): return textwrap.dedent if a or made else super().__new__(cls)
    def __getattribute__(self, name):
        if name == "__getstate__": return lambda: (None, {"marked": "reached"})
        return super().__getattribute__(name)
made = []
""",
    "a new that gives another object": """
class C:
    __slots__ = ("marked",)
    def __new__(cls, *a): return object.__new__(cls) if not made else textwrap.dedent
made = []
""",
}


@pytest.mark.parametrize("how", ["copy", "deepcopy"])
@pytest.mark.parametrize("hook", HOOKS)
def test_copying_sets_no_attribute_of_anything_else(hook: str, how: str) -> None:
    outcome = run_guest(
        f"""{TARGET}{HOOKS[hook]}
x = C()
try: x.marked = "reached"
except Exception: pass
made = [x]
try: copy.{how}(x)
finally: print(getattr(textwrap.dedent, "marked", "unmarked"))
"""
    )
    assert outcome.output == "unmarked\n", outcome


def test_a_state_may_not_set_what_python_reserves() -> None:
    source = """
class C(collections.deque):
    def __getattribute__(self, name):
        if name == "__getstate__": return lambda: (None, {"__class__": D})
        return super().__getattribute__(name)
class D(collections.deque):
    pass
print("reached", copy.deepcopy(C()))
"""
    check_contained(TARGET + source, "class.copy")


def test_whatever_is_honest_is_copied_as_python_does() -> None:
    source = """
import copy, collections, dataclasses, datetime, decimal, enum, fractions, types, typing
class Plain:
    def __init__(self): self.items, self._own = [1, [2]], "p"
class Slots:
    __slots__ = ("a", "b")
class Words(list): pass
class Table(dict): pass
class Number(int): pass
class Text(str): pass
class Queue(collections.deque): pass
class Counted(collections.Counter): pass
class Day(datetime.date): pass
class Money(decimal.Decimal): pass
class Ratio(fractions.Fraction): pass
class Failure(ValueError): pass
class Point(typing.NamedTuple):
    x: int
    y: list
class Colour(enum.Enum):
    RED = 1
@dataclasses.dataclass
class Row:
    name: str
    cells: list
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
class Asking:
    def __getattr__(self, name):
        if name.startswith("__"): raise AttributeError(name)
        return name
slots = Slots(); slots.a = [1]
words = Words([1, [2]]); words.extra = "w"
failure = Failure("why", 7); failure.add_note("n")
queue = Queue([1, 2], 5); queue.tag = [3]
loop = Plain(); loop.me = loop
values = [Plain(), words, Table(a=[1]), Number(7), Text("t"), queue, Counted("aab"), Day(2024, 2, 3), Money("1.50"),
          Ratio(1, 3), Point(1, [2]), Colour.RED, Row("r", [1]), Frozen("f"), types.SimpleNamespace(a=[1])]
for value in values:
    for copied in (copy.copy(value), copy.deepcopy(value)):
        assert type(copied) is type(value), value
        assert copied == value or vars(copied) == vars(value), value
assert copy.copy(slots).a is slots.a and copy.deepcopy(slots).a == [1] and not hasattr(copy.copy(slots), "b")
assert copy.copy(words).extra == "w" and copy.deepcopy(words)[1] is not words[1]
assert copy.copy(failure).args == ("why", 7) and copy.deepcopy(failure).__notes__ == ["n"]
assert copy.deepcopy(queue).tag == [3] and copy.deepcopy(queue).tag is not queue.tag and copy.copy(queue).maxlen == 5
assert copy.deepcopy(loop).me.me.items == [1, [2]] and copy.deepcopy(loop).me is not loop
assert copy.copy(Asking()).anything == "anything"
assert copy.copy(words.append) == words.append
print("fine")
"""
    assert check_runs(source) == "fine\n"
