"""The escapes of guest programs: sources that bring a planted file home when no layer holds them. `LOOT` is its path.

Each goes by another mechanism of Python to the same end, so that what stops it is told apart. The program prints what
it got; a program of two parts, divided by `NEXT`, is two guests of one zygote, one after the other.
"""

from __future__ import annotations

from typing import Final

NEXT: Final = "# the next guest\n"

_THROUGH_OS: Final = "print(os.read(os.open(LOOT, 0), 100))"

PROGRAMS: Final = {
    "open()": "print(open(LOOT).read())",
    "import os": f"import os\n{_THROUGH_OS}",
    "import ctypes": """
import ctypes
libc = ctypes.CDLL(None)
data = ctypes.create_string_buffer(100)
libc.read(libc.open(LOOT.encode(), 0), data, 100)
print(data.value)
""",
    "__import__()": f"os = __import__('os')\n{_THROUGH_OS}",
    "exec()": "exec('print(op' + 'en(%r).read())' % LOOT)",
    "the classes of object": """
for found in ().__class__.__base__.__subclasses__():
    if found.__name__ == "_wrap_close":
        system = found.__init__.__globals__
        print(system["read"](system["open"](LOOT, 0), 100))
""",
    "a computed attribute": """
names = ["__cl" + "ass__", "__ba" + "se__", "__subcl" + "asses__"]
found = ()
for name in names:
    found = getattr(found, name)
for cls in found():
    if cls.__name__ == "_wrap_close":
        system = getattr(getattr(cls, "__in" + "it__"), "__glo" + "bals__")
        print(system["read"](system["open"](LOOT, 0), 100))
""",
    "operator.attrgetter": """
import operator
import statistics
system = operator.attrgetter("__glo" + "bals__")(statistics.mean)["sys"].modules["os"]
print(system.read(system.open(LOOT, 0), 100))
""",
    "a module of a module": """
import random
print(random._os.read(random._os.open(LOOT, 0), 100))
""",
    "a built-in function's module": """
print(len.__self__.open(LOOT).read())
""",
    "a frame": """
def walk():
    yield walking.gi_frame.f_back.f_builtins["open"](LOOT).read()
walking = walk()
print(next(walking))
""",
    "a traceback": """
try:
    1 / 0
except ZeroDivisionError as error:
    print(error.__traceback__.tb_frame.f_builtins["open"](LOOT).read())
""",
    "an exit handler's traceback": """
class Manager:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        print(trace.tb_frame.f_builtins["open"](LOOT).read())
        return True
with Manager():
    1 / 0
""",
    "a class pattern": """
import statistics
match statistics.mean:
    case object(__globals__=found):
        system = found["sys"].modules["os"]
        print(system.read(system.open(LOOT, 0), 100))
""",
    "a format string": """
import statistics
print("{0.__globals__[sys].modules[os].__dict__[environ]}".format(statistics.mean))
""",
    "a type hint that is evaluated": """
import typing
class Asking:
    held: "type(open(%r).read(), (), {})" % LOOT
print(typing.get_type_hints(Asking))
""",
    "a field of a record": """
import dataclasses
made = dataclasses.make_dataclass("Made", [("x", "int", dataclasses.field(default=0))], namespace={"y": 1})
print(made.__init__.__globals__["__builtins__"]["open"](LOOT).read())
""",
    "an alias made anew": """
import copy
import typing
alias = typing.List[int]
alias.__init__(list, ("__import__",), name="__builtins__")
os = copy.copy(alias)("os")
print(os.read(os.open(LOOT, 0), 100))
""",
    "an object that is reduced": """
import copy
class Bait:
    def __reduce__(self):
        return eval, ("open(%r).read()" % LOOT,)
print(copy.copy(Bait()))
""",
    "unpickling": """
import pickle
print(pickle.loads(("cbuiltins\\neval\\n(Vopen(%r).read()\\ntR." % LOOT).encode()))
""",
    "the guards by name": """
_getattr_ = getattr
__builtins__ = vars(_getattr_(len, "__se" + "lf__"))
print(__builtins__["open"](LOOT).read())
""",
    "a class in the making": """
class Reach(type):
    def __prepare__(name, bases):
        return {}
class Reached(metaclass=Reach):
    found = [cls for cls in object.__subclasses__() if cls.__name__ == "_wrap_close"]
system = Reached.found[0].__init__.__globals__
print(system["read"](system["open"](LOOT, 0), 100))
""",
    "a library's own loader": """
import csv
import json
import zoneinfo
print(json.codecs.open(LOOT).read())
""",
    "what the last guest changed": f"""
import statistics
def mean(values):
    return "the last guest was here"
statistics.mean = mean
{NEXT}
import statistics
print(statistics.mean([1, 2, 3]))
""",
}

LEFT_BY_THE_LAST: Final = "the last guest was here"
