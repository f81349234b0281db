"""Library functions that read or set attributes by a name that a caller gives."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs


@pytest.mark.parametrize(
    "how", ["functools.update_wrapper(Catch(), json.dumps, {0}, ())", "functools.wraps(json.dumps, {0})(Catch())"]
)
@pytest.mark.parametrize("names", ["('__globals__',)", "['__code__']"])
def test_update_wrapper_copies_only_what_it_always_copies(how: str, names: str) -> None:
    source = f"""
        import functools, json
        class Catch:
            def __setattr__(self, name, value):
                if name not in ("__name__", "__qualname__", "__doc__"):
                    print("reached", name, value)
        {how.format(names)}
    """
    check_contained(source)


def test_update_wrapper_does_not_write_to_what_we_handed_out() -> None:
    source = """
        import functools, json
        def other(): "changed"
        functools.update_wrapper(json.dumps, other)
        functools.wraps(other)(json.JSONEncoder)
        if json.dumps.__name__ != "dumps" or json.JSONEncoder.__name__ != "JSONEncoder":
            print("reached")
    """
    check_contained(source, "attribute.write")


@pytest.mark.parametrize(
    "use",
    [
        "attrgetter('__globals__')(json.dumps)",
        "attrgetter('real', '__class__.__base__')(1)",
        "methodcaller('__getattribute__', '__globals__')(json.dumps)",
        "methodcaller('__dir__')(json.dumps)",
        "methodcaller('mro')(int)",
        "attrgetter('_private')(json.JSONEncoder)",
    ],
)
def test_operators_that_take_names_are_guarded(use: str) -> None:
    outcome = check_contained(f"import json\nfrom operator import attrgetter, methodcaller\nprint('reached', {use})")
    assert {"attribute.dunder", "attribute.inspection", "attribute.private"} & outcome.rules


@pytest.mark.parametrize("target", ["json.JSONEncoder", "int", "collections.Counter", "json"])
def test_decorators_do_not_change_classes_of_ours(target: str) -> None:
    for use in ("functools.total_ordering", "dataclasses.dataclass", "dataclasses.dataclass(order=True)"):
        source = f"import functools, dataclasses, json, collections\n{use}({target})\nprint('reached')"
        outcome = check_contained(source)
        assert {"attribute.write", "class.dataclass"} & outcome.rules


def test_copying_calls_no_hook_that_sets_attributes_of_others() -> None:
    for hook in ("__reduce_ex__", "__reduce__", "__setstate__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"):
        source = f"class C:\n    def {hook}(self, *a): return (len, ([],), (None, {{'__code__': 1}}))\nprint('reached')"
        check_contained(source, "class.method")
        check_contained(f"class C: pass\nC.{hook} = 1\nprint('reached')", "attribute.dunder")


def test_super_and_object_reach_an_own_object_only() -> None:
    for attempt in (
        "object.__setattr__(json.JSONEncoder, 'default', 1)",
        "object.__setattr__(json.dumps, 'x', 1)",
        "object.__getattribute__(json.dumps, 'x')",
        "object.__delattr__(json.dumps, 'x')",
        "json.dumps.__setattr__('x', 1)",
        "json.dumps.__getattribute__('__globals__')",
        "json.JSONEncoder.__setattr__(json.JSONEncoder(), 'x', 1)",
    ):
        check_contained(f"import json\n{attempt}\nprint('reached')", "attribute.dunder")


def test_what_object_reads_of_an_own_object_is_checked_too() -> None:
    source = """
        class C:
            def __getattribute__(self, name): return object.__getattribute__(self, "__cla" + "ss__").__name__
            def peek(self): return 1
        print(C().anything)
        class D:
            def peek(self): return object.__getattribute__(self, "__reduce" + "_ex__")
        print("reached", D().peek())
    """
    outcome = check_contained(source, "attribute.dunder")
    assert outcome.output == "C\n"


def test_benign_wrappers_work() -> None:
    source = """
        import functools, operator
        def trace(f):
            @functools.wraps(f)
            def inner(*a, **k): return ("traced", f(*a, **k))
            return inner
        @trace
        def add(a, b):
            "Adds."
            return a + b
        class Frozen:
            def __init__(self, x): object.__setattr__(self, "x", x)
            def __setattr__(self, name, value): raise AttributeError("frozen")
        class Logged:
            def __setattr__(self, name, value):
                print("set", name)
                super().__setattr__(name, value)
            def __getattr__(self, name): return f"no {name}"
            def __delattr__(self, name): super().__delattr__(name)
        l = Logged(); l.a = 1; del l.a
        print(add(1, 2), add.__name__, add.__doc__, Frozen(3).x, l.a, operator.attrgetter("real", "imag")(1))
    """
    assert check_runs(source) == "set a\n('traced', 3) add Adds. 3 no a (1, 0)\n"
