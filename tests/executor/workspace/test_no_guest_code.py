"""Does encoding run no code of the guest, and decoding none but hashes?"""

from __future__ import annotations

from tests.executor.workspace.processes import Process

DUNDERS = [
    *("__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__repr__", "__str__", "__hash__", "__eq__"),
    *(
        "__ne__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__bool__",
        "__len__",
        "__iter__",
        "__contains__",
        "__getitem__",
    ),
    *(
        "__setitem__",
        "__delitem__",
        "__call__",
        "__enter__",
        "__exit__",
        "__int__",
        "__float__",
        "__index__",
        "__neg__",
    ),
    *("__add__", "__radd__", "__format__", "__dir__", "__sizeof__", "__reduce__", "__reduce_ex__", "__getstate__"),
    *(
        "__setstate__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__copy__",
        "__deepcopy__",
        "__init__",
        "__new__",
        "__fspath__",
    ),
    *("__init_subclass__", "__class_getitem__", "__set_name__", "__get__", "__set__", "__instancecheck__", "__bytes__"),
    *("__subclasscheck__", "__subclasshook__", "__missing__", "__next__", "__reversed__", "__length_hint__", "__abs__"),
]


def trap(name: str, base: str) -> str:
    """Define a class whose every dunder records its call when the trap is armed."""
    body = "".join(
        f"    def {dunder}(self, *a, **k):\n"
        f"        calls.append({dunder!r})\n"
        f"        return getattr(super(), {dunder!r})(*a, **k)\n"
        for dunder in DUNDERS
        if dunder not in ("__init__", "__new__", "__init_subclass__", "__class_getitem__", "__subclasshook__")
    )
    return f"class {name}({base}):\n    '''text'''\n    slot = property(lambda self: calls.append('property'))\n{body}"


BASES = ["object", "int", "str", "float", "bytes", "tuple", "list", "dict", "set", "bytearray", "Exception", "Counter"]
SOURCE = "from collections import Counter, OrderedDict, defaultdict, deque\ncalls = []\n" + "".join(
    trap(f"Trap{number}", base) + f"    pass\ntrap{number} = Trap{number}()\n"
    for number, base in enumerate([*BASES, "OrderedDict", "defaultdict", "deque"])
)


def native(source: str) -> Process:
    """Run a batch that the language policy would refuse: a guest that got past it."""
    process = Process()
    process.sources[0] = source
    process._load = lambda batch: compile(process.sources[batch], "<batch>", "exec", dont_inherit=True)  # type: ignore[method-assign]
    process.definitions._load = process._load
    process.globals["__builtins__"] = __builtins__
    code = process._load(0)
    process.definitions.add(0, code)
    exec(code, process.globals)
    return process


def test_no_method_of_any_class_runs_while_everything_is_encoded() -> None:
    process = native(SOURCE + "calls.clear()\n")
    for name in [name for name in process.globals if name.startswith("trap")]:
        object.__setattr__(process.globals[name], "attribute", process.globals["calls"])
    process.globals["calls"].clear()  # type: ignore[attr-defined]
    encoded = process.encode()
    assert process.globals["calls"] == []
    assert encoded.transient == ()


def test_no_method_of_any_class_runs_while_everything_is_made_again() -> None:
    process = native(SOURCE + "calls.clear()\n")
    process.globals["calls"].clear()  # type: ignore[attr-defined]
    encoded = process.encode()
    successor = native(SOURCE)
    for name in [name for name in successor.globals if name.lower().startswith("trap")]:
        del successor.globals[name]
    successor.globals["calls"].clear()  # type: ignore[attr-defined]
    decoded = successor.restore(encoded.data)
    assert decoded.variables["calls"] == []
    assert type(decoded.variables["trap1"]).__mro__[1] is int


def test_a_class_that_lies_about_its_class_is_read_past_and_one_that_hides_its_dictionary_is_named() -> None:
    process = native(
        """
class Liar:
    def __init__(self):
        self.real = 1
    __class__ = property(lambda self: int)
class Hidden:
    def __init__(self):
        self.real = 1
    __dict__ = property(lambda self: {'fake': 2})
liar, hidden = Liar(), Hidden()
"""
    )
    encoded = process.encode()
    assert {one.name: one.type for one in encoded.transient} == {"Hidden": "type", "hidden": "Hidden"}
    successor = native("x = 1")
    successor.sources[0] = process.sources[0]
    successor.definitions._batches.clear()
    variables = successor.restore(encoded.data).variables
    assert object.__getattribute__(variables["liar"], "real") == 1
