"""Does what the guest defined go on working in another process, made again from its source?"""

from __future__ import annotations

import types

import pytest
from tests.executor.workspace.processes import Process, check

from statek_executor.workspace import Definitions, MalformedWorkspace, MissingSource


def test_functions_keep_defaults_attributes_and_text() -> None:
    check(
        """
rows = [1]
def add(x, y=rows, /, *more, scale: int = 2, **named) -> int:
    'Adds.'
    return x * scale + len(y)
add.calls = rows
double = lambda x, by=2: x * by
scaled = [lambda x, by=by: x * by for by in range(3)]
def numbers():
    yield from range(3)
""",
        "add(1) == 3 and add.__defaults__[0] is rows and add.calls is rows and add.__doc__ == 'Adds.'",
        "add.__kwdefaults__ == {'scale': 2} and add.__name__ == 'add' and double(4) == 8",
        "[f(2) for f in scaled] == [0, 2, 4] and list(numbers()) == [0, 1, 2]",
    )


def test_functions_see_the_globals_of_their_new_process() -> None:
    process = check("factor = 2\ndef scale(x):\n    return x * factor")
    process.run("factor = 10\nprint(scale(2))")
    assert process.host.console == "20\n"


def test_closures_that_share_a_variable_go_on_sharing_it() -> None:
    process = check(
        """
def counter():
    count = 0
    def up():
        nonlocal count
        count += 1
        return count
    def now():
        return count
    return up, now
up, now = counter()
other_up, other_now = counter()
up()
def recursive():
    def fall(n):
        return 0 if n == 0 else fall(n - 1)
    return fall
fall = recursive()
def later():
    def f():
        return unset
    return f
    unset = 1
unbound = later()
""",
        "now() == 1 and other_now() == 0 and fall(5) == 0 and fall.__closure__[0].cell_contents is fall",
    )
    process.run("up()\nup()\nprint(now(), other_now())\ntry:\n    unbound()\nexcept NameError as e:\n    print(e.name)")
    assert process.host.console == "3 0\nunset\n"


def test_classes_keep_methods_of_every_kind_inheritance_and_super() -> None:
    check(
        """
class Base:
    kind = ['base']
    _count = 0
    def __init__(self, name):
        self.name = name
    def __init_subclass__(cls, **options):
        Base.kind.append(cls.__name__)
    @property
    def loud(self):
        return self.name.upper()
    @loud.setter
    def loud(self, value):
        self.name = value.lower()
    @staticmethod
    def fixed():
        return 'fixed'
    @classmethod
    def made(cls, name):
        return cls(name)
    def __secret(self):
        return 'secret'
    def tell(self):
        return self.__secret()
class Child(Base):
    '''A child.'''
    def __init__(self, name):
        super().__init__(name + '!')
        self.me = self
    class Inner:
        depth = 2
child = Child('ann')
again = Child.made('bob')
bound = child.tell
builder = Child.made
inner = Child.Inner()
""",
        "Base.kind == ['base', 'Child']",
        "child.loud == 'ANN!' and child.fixed() == 'fixed' and type(again) is Child and child.me is child",
        "bound() == 'secret' and bound.__self__ is child and builder('x').name == 'x!'",
        "Child.__doc__ == 'A child.' and Child.__qualname__ == 'Child' and inner.depth == 2",
        "Child.Inner.__qualname__ == 'Child.Inner' and Child.__mro__[1] is Base and isinstance(child, Base)",
    )


def test_descriptors_are_not_told_their_name_again() -> None:
    check(
        """
told = []
class Field:
    def __set_name__(self, owner, name):
        told.append(name)
        self.name = name
    def __get__(self, instance, owner):
        return 'value of ' + self.name
class Model:
    title = Field()
model = Model()
""",
        "told == ['title'] and model.title == 'value of title'",
    )


def test_slots_are_kept_filled_empty_private_and_hidden_by_a_subclass() -> None:
    check(
        """
class Point:
    __slots__ = ('x', 'y', '__z')
    def __init__(self):
        self.x = 1
        self.__z = [self]
    def z(self):
        return self.__z
class Named(Point):
    __slots__ = ('name', '__dict__')
point, named = Point(), Named()
named.name, named.free = 'n', 2
""",
        "point.x == 1 and not hasattr(point, 'y') and point.z()[0] is point and not hasattr(point, '__dict__')",
        "named.name == 'n' and named.free == 2 and vars(named) == {'free': 2} and named.x == 1",
    )


def test_subclasses_of_builtin_classes_keep_value_and_attributes() -> None:
    check(
        """
from collections import Counter, OrderedDict, defaultdict, deque
class Names(list):
    pass
class Options(dict):
    def __setitem__(self, key, value):
        raise TypeError('read only')
class Tag(str):
    pass
class Money(int):
    def __new__(cls, amount, currency):
        made = super().__new__(cls, amount)
        made.currency = currency
        return made
class Ratio(float):
    pass
class Pair(tuple):
    pass
class Unique(set):
    pass
class Fixed(frozenset):
    pass
class Raw(bytes):
    pass
class Tally(Counter):
    pass
class Ordered(OrderedDict):
    pass
class Groups(defaultdict):
    pass
class Tail(deque):
    pass
names = Names([1])
names.append(names)
names.owner = names
options, tag, money, ratio, pair = Options(a=1), Tag('t'), Money(5, 'EUR'), Ratio(0.5), Pair((names,))
tag.note = names
unique, fixed, raw, tally, ordered = Unique([1]), Fixed([2]), Raw(b'r'), Tally('aa'), Ordered(b=1, a=2)
groups, tail = Groups(list, a=[1]), Tail([1, 2], 1)
""",
        "type(names) is Names and names[1] is names and names.owner is names",
        "type(options) is Options and options == {'a': 1} and tag == 't' and tag.note is names",
        "money == 5 and money.currency == 'EUR' and type(money) is Money and ratio == 0.5 and pair[0] is names",
        "type(unique) is Unique and unique == {1} and fixed == {2} and type(fixed) is Fixed and raw == b'r'",
        "tally['a'] == 2 and type(tally) is Tally and list(ordered) == ['b', 'a']",
        "groups['a'] == [1] and groups.default_factory is list and tail.maxlen == 1 and list(tail) == [2]",
    )


def test_dataclasses_are_generated_again() -> None:
    check(
        """
from dataclasses import InitVar, dataclass, field, make_dataclass
from typing import ClassVar, Optional
@dataclass
class Item:
    name: str
    tags: list[str] = field(default_factory=list)
    total: ClassVar[int] = 3
    seed: InitVar[int] = 0
    maybe: Optional[int] = field(default=None, repr=False, compare=False, metadata={'unit': 'cm'})
    def __post_init__(self, seed):
        self.seeded = seed
@dataclass(order=True, frozen=True)
class Version:
    major: int
    minor: int = 0
@dataclass(slots=True, kw_only=True)
class Slotted:
    a: int
    b: 'list[int] | None' = None
@dataclass
class Special(Item):
    extra: dict[str, int] | None = None
    def __repr__(self):
        return 'special'
Made = make_dataclass('Made', [('x', int), ('y', int, field(default=2))])
item, version, slotted, special, made = Item('i', seed=5), Version(1), Slotted(a=1), Special('s'), Made(1)
released = {version: 'first'}
init = Item.__init__ if False else Item
""",
        "item == Item('i') and repr(item) == \"Item(name='i', tags=[])\" and item.seeded == 5",
        "Item('x').tags == [] and Item('x').tags is not Item('x').tags",
        "version < Version(2) and hash(version) == hash(Version(1)) and released[Version(1)] == 'first'",
        "slotted == Slotted(a=1) and not hasattr(slotted, '__dict__') and repr(slotted) == 'Slotted(a=1, b=None)'",
        "repr(special) == 'special' and Special('s') == special and made == Made(1, 2) and Made.__name__ == 'Made'",
        "[f.name for f in dataclasses.fields(Special)] == ['name', 'tags', 'maybe', 'extra']",
        "dataclasses.fields(Item)[2].metadata['unit'] == 'cm' and dataclasses.replace(item, name='z').name == 'z'",
        "dataclasses.asdict(slotted) == {'a': 1, 'b': None} and Item.__match_args__[:2] == ('name', 'tags')",
    )


def test_a_frozen_dataclass_stays_frozen() -> None:
    process = check("from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    x: int\np = P(1)")
    process.run("try:\n    p.x = 2\nexcept Exception as e:\n    print(type(e).__name__, p.x)")
    assert process.host.console == "FrozenInstanceError 1\n"


def test_named_tuples_are_made_again() -> None:
    check(
        """
from collections import namedtuple
from typing import NamedTuple
Point = namedtuple('Point', 'x y', defaults=[5])
class Named(NamedTuple):
    a: int
    b: str = 'q'
    def doubled(self):
        return self.a * 2
class Sum(namedtuple('Base', 'x y')):
    __slots__ = ()
    def total(self):
        return self.x + self.y
point, named, total, nested = Point(1), Named(2), Sum(3, 4), Point([1], {'p': Point(1)})
""",
        "point == (1, 5) and point.y == 5 and Point(1, 2)._replace(x=3).x == 3 and repr(point) == 'Point(x=1, y=5)'",
        "named.doubled() == 4 and Named(1).b == 'q' and named._asdict() == {'a': 2, 'b': 'q'}",
        "total.total() == 7 and repr(total) == 'Sum(x=3, y=4)' and nested.y['p'].x == 1 and type(nested) is Point",
    )


def test_enumerations_keep_the_identity_of_their_members() -> None:
    check(
        """
from enum import Enum, Flag, IntEnum, StrEnum, auto
class Color(Enum):
    RED = 1
    BLUE = 2
    AZURE = 2
    @property
    def twice(self):
        return self.value * 2
    def __str__(self):
        return 'color'
class Planet(Enum):
    EARTH = (1, 2)
    def __init__(self, mass, radius):
        self.mass = mass
class Level(IntEnum):
    LOW = 1
class Word(StrEnum):
    HELLO = auto()
class Permission(Flag):
    R = auto()
    W = auto()
color, both = Color.AZURE, Permission.R | Permission.W
names = {Color.RED: 'red', (Color.BLUE, 1): 'blue'}
warm = frozenset({Color.RED})
""",
        "Color(1) is Color.RED and color is Color.BLUE and Color.BLUE.twice == 4 and str(color) == 'color'",
        "Planet.EARTH.mass == 1 and Planet((1, 2)) is Planet.EARTH and Level.LOW == 1 and Level(1) is Level.LOW",
        "Word.HELLO == 'hello' and both is Permission.R | Permission.W and list(both) == [Permission.R, Permission.W]",
        "names[Color.RED] == 'red' and names[Color.BLUE, 1] == 'blue' and Color.RED in warm",
        "list(Color) == [Color.RED, Color.BLUE] and Color['AZURE'] is color and len(Color.__members__) == 3",
    )


def test_abstract_and_generic_classes_are_kept() -> None:
    check(
        """
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, Optional, Protocol, TypeVar, Union
class Shape(ABC):
    @abstractmethod
    def area(self): ...
class Square(Shape):
    def area(self):
        return 4
class Always(Mapping):
    def __getitem__(self, key):
        return key
    def __len__(self):
        return 1
    def __iter__(self):
        return iter([1])
T = TypeVar('T')
class Box(Generic[T]):
    def __init__(self, value: T):
        self.value = value
class Sized(Protocol):
    def size(self) -> int: ...
Maybe = Optional[Union[int, str]]
boxes = Box[int]
square, always, box = Square(), Always(), Box(1)
""",
        "square.area() == 4 and isinstance(square, Shape) and Shape.__abstractmethods__ == {'area'}",
        "dict(always) == {1: 1} and box.value == 1 and boxes.__origin__ is Box",
        "Maybe == typing.Union[int, str, None]",
    )
    process = check("from abc import ABC, abstractmethod\nclass S(ABC):\n    @abstractmethod\n    def a(self): ...")
    with pytest.raises(TypeError, match="abstract"):
        process.eval("S()")


def test_exceptions_keep_what_they_say_and_what_caused_them() -> None:
    check(
        """
class Refused(Exception):
    def __init__(self, code, *, detail):
        super().__init__(f'refused {code}')
        self.code, self.detail = code, detail
try:
    try:
        1 / 0
    except ZeroDivisionError as cause:
        raise Refused(5, detail=[1]) from cause
except Refused as error:
    refused = error
    refused.add_note('a note')
missing = FileNotFoundError(2, 'No such file', 'name')
key, stop, plain, text = KeyError('k'), StopIteration(7), OSError(), UnicodeDecodeError('utf8', b'x', 0, 1, 'bad')
try:
    [].nothing
except AttributeError as error:
    attribute = error
""",
        "refused.code == 5 and refused.detail == [1] and refused.args == ('refused 5',)",
        "type(refused.__cause__) is ZeroDivisionError and refused.__notes__ == ['a note']",
        "str(missing) == \"[Errno 2] No such file: 'name'\" and missing.errno == 2 and str(plain) == ''",
        "repr(key) == \"KeyError('k')\" and stop.value == 7 and attribute.name == 'nothing' and text.reason == 'bad'",
    )


def test_decorators_of_the_library_are_applied_again() -> None:
    check(
        """
from contextlib import contextmanager
from functools import cache, cached_property, lru_cache, total_ordering
@lru_cache(maxsize=10)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
@cache
def same(n):
    return n
fib(10)
@contextmanager
def wrapped(log):
    log.append('in')
    yield log
    log.append('out')
class Lazy:
    @cached_property
    def value(self):
        return [1]
lazy, fresh = Lazy(), Lazy()
lazy.value.append(2)
@total_ordering
class Ordered:
    def __init__(self, n):
        self.n = n
    def __lt__(self, other):
        return self.n < other.n
    def __eq__(self, other):
        return self.n == other.n
with wrapped([]) as log:
    pass
""",
        "fib(10) == 55 and fib.cache_info().maxsize == 10 and same(3) == 3 and lazy.value == [1, 2]",
        "fresh.__dict__ == {} and type(fresh).value.func(fresh) == [1] and Ordered(1) <= Ordered(2)",
        "list(wrapped([]).__enter__()) == ['in'] and log == ['in', 'out']",
    )


def test_definitions_of_several_batches_load_only_the_batches_that_are_needed() -> None:
    process = Process()
    process.run("def first():\n    return 1")
    process.run("def second():\n    return 2")
    process.run("def third():\n    return first() + 2\ndel second")
    assert process.encode().batches == {0, 2}
    assert process.successor().eval("third()") == 3


def test_a_batch_that_is_compiled_again_while_it_runs_keeps_its_definitions() -> None:
    process = Process()
    process.run("def f():\n    return 1")
    process.run("def g():\n    return f() + 1")
    successor = process.successor()
    old = successor.globals["g"]
    again = successor._load(1)
    successor.definitions.add(1, again)
    exec(again, successor.globals)
    successor.globals["old"] = old
    assert successor.encode().transient == ()
    assert successor.successor().eval("g()") == 2


def test_a_source_that_is_gone_is_named() -> None:
    process = Process()
    process.run("def f():\n    return 1")
    with pytest.raises(MissingSource) as caught:
        Process().restore(process.encode().data)
    assert caught.value.batch == 0


def test_another_source_under_the_same_number_is_noticed_or_harmless() -> None:
    process = Process()
    process.run("x = 1\ndef f():\n    return 1")
    with pytest.raises(MalformedWorkspace, match="no definition"):
        Process({0: "x = 1"}).restore(process.encode().data)


def test_a_position_outside_the_source_is_refused() -> None:
    definitions = Definitions({}, {0: compile("x = 1", "x", "exec")}.__getitem__)
    for path in ((0,), (99,), (-1,), (None,)):
        with pytest.raises(MalformedWorkspace):
            definitions.code(0, path)  # type: ignore[arg-type]


def test_where_code_was_defined_is_known_after_memory_was_short(monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile("def f(): pass", "x", "exec")
    inside = next(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    definitions = Definitions({}, {}.__getitem__)
    definitions.add(1, code)
    with monkeypatch.context() as patch:
        patch.setattr("statek_executor.workspace.definitions._positions", _raise_memory_error)
        with pytest.raises(MemoryError):
            definitions.position(inside)
    assert definitions.position(inside) == (1, (code.co_consts.index(inside),))


def _raise_memory_error(*_: object) -> None:
    raise MemoryError


def test_code_that_defines_nothing_is_not_held() -> None:
    definitions = Definitions({}, {}.__getitem__)
    defines = {"def f(): pass", "class C: pass", "x = lambda: 1", "x = [lambda: 1 for _ in y]"}
    for batch, source in enumerate(["x = 1", "x = [y for y in x if {*x} and (y for y in x)]", *defines]):
        code = compile(source, f"<batch {batch}>", "exec")
        definitions.add(batch, code)
        definitions.settle()
        assert (definitions.position(code) is not None) == (source in defines), source
        if source in defines:
            assert definitions.code(batch, ()) is code
