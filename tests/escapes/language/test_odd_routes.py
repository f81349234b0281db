"""Routes that use one feature for what another was meant for."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

IMPORTS = "import abc, collections, copy, dataclasses, enum, functools, io, json, re, types, typing\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "functools.partial(type, 'X', ())({})",
        "list(map(type, ['X'], [()], [{}]))",
        "object.__new__(type(type))('X', (), {})",
        "functools.reduce(lambda a, b: a.__class__, range(4), 1)('X', (), {})",
        "enum.Enum.__call__('X', {'__reduce_ex__': 1})",
        "[c for c in [enum.Flag]][0].__call__('X', {'__reduce_ex__': 1})",
        "typing.get_args(typing.Union[type, int])[0]('X', (), {})",
        "typing.get_args(typing.Type[abc.ABCMeta])[0]('X', (), {})",
        "copy.copy(type)('X', (), {})",
        "typing.Type[int].mro()",
        "typing.List[int].mro()",
        "map(lambda k: k.mro(), [int]).__next__()",
    ],
)
def test_a_reflection_is_refused_where_it_is_used(attempt: str) -> None:
    outcome = check_contained(f"{IMPORTS}print('reached', {attempt})")
    assert outcome.rules & {"type.call", "class.field", "attribute.inspection"} or type(outcome.error) is TypeError


@pytest.mark.parametrize(
    "base", ["typing.Type", "typing.Type[int]", "types.FunctionType", "type(enum)", "type(1 .real.__class__)"]
)
def test_no_base_brings_a_metaclass(base: str) -> None:
    check_contained(f"{IMPORTS}class C({base}): pass\nprint('reached')", "class.base")


def test_a_facade_without_exports_is_all_that_can_be_made_of_one() -> None:
    source = """
        import math
        blank = object.__new__(type(math))
        print(dir(blank), blank is math)
    """
    outcome = check_contained(source)
    assert outcome.output == "[] False\n" or outcome.error is not None


def test_an_underlying_dict_is_the_guests_own() -> None:
    source = """
        from enum import Enum
        class Catch:
            def __eq__(self, other): caught.append(other); return True
            __ror__ = __eq__
        caught = []
        class Color(Enum): A = 1
        Color.__members__ == Catch()
        print(len(caught), type(caught[0]).__name__)
    """
    assert check_runs(source) == "1 dict\n"


def test_a_failing_str_does_not_break_the_console() -> None:
    outcome = check_contained("class C:\n    def __str__(self): return self\nprint(C())\nprint('reached')")
    assert isinstance(outcome.error, TypeError)


def test_a_class_whose_objects_take_attributes_takes_none_itself() -> None:
    check_contained("import types\ntypes.SimpleNamespace.x = 1\nprint('reached')", "attribute.write")
    check_contained("import decimal\ndecimal.Context.prec = 1\nprint('reached')", "attribute.write")
