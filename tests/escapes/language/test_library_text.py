"""Library classes that format, execute or hand back what a guest gives them as text."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

WALK = "{0.__class__.__mro__}"


@pytest.mark.parametrize(
    "attempt",
    [
        f"UserString('{WALK}').format(1)",
        "UserString('{a.__class__}').format_map({'a': 1})",
        f"UserString.format(UserString('{WALK}'), 1)",
        "UserString.format(Fake(), 1)",
        f"Sub('{WALK}').format(1)",
        f"Sub('{WALK}').by_super(1)",
        f"getattr(UserString('{WALK}'), 'format')(1)",
        f"operator.methodcaller('format', 1)(UserString('{WALK}'))",
        f"list(map(UserString.format, [UserString('{WALK}')], [1]))",
        f"types.GenericAlias(UserString('{WALK}'), ()).format(1)",
        f"functools.partial(UserString.format, UserString('{WALK}'))(1)",
    ],
)
def test_a_wrapped_string_does_not_format_attributes(attempt: str) -> None:
    source = f"""
import functools, operator, types
from collections import UserString
class Sub(UserString):
    def by_super(self, *a): return super().format(*a)
class Fake:
    data = "{WALK}"
print("reached", {attempt})
"""
    check_contained(source, "format.attribute")


def test_a_wrapped_string_formats_values() -> None:
    source = """
from collections import UserString
print(UserString("{:>4}|{a}").format(7, a=8), UserString("{b}").format_map({"b": 9}))
"""
    assert check_runs(source) == "   7|8 9\n"


@pytest.mark.parametrize("use", ["dataclass(T)", "dataclass(init=False)(T)", "dataclass(order=True)(T)"])
def test_a_field_whose_name_is_code_makes_no_dataclass(use: str) -> None:
    """The standard library writes the methods of a dataclass as text and executes it with all built-ins."""
    source = f"""
from typing import TypedDict
from dataclasses import dataclass
T = TypedDict("T", {{"real or print('reached', __import__('os'))": int}})
print({use}.__eq__(0, 0))
"""
    check_contained(source, "class.field")


@pytest.mark.parametrize(
    "attempt",
    [
        "types.GenericAlias(error, ()).obj",
        "types.MethodType(Callable('m', name='n', obj=5), 1).obj",
        "typing.Annotated[AttributeError, 1].obj",
        "typing.Annotated[Callable, 1].obj",
    ],
)
def test_what_passes_attributes_on_does_not_pass_on_the_object_of_an_error(attempt: str) -> None:
    source = f"""
import types, typing
class Callable(AttributeError):
    def __call__(self, *a): pass
try: (1).nothing
except AttributeError as caught: error = caught
print("reached", {attempt})
"""
    check_contained(source, "attribute.exception")
