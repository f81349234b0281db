"""Annotations kept as text: whoever evaluates them runs them as code that no check has seen."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

EVIL = "print('reached', ().__class__)"


@pytest.mark.parametrize(
    "use",
    [
        "typing.get_type_hints(f)",
        "typing.ForwardRef(evil)._evaluate(None, None, frozenset())",
        "typing.get_args(typing.List[evil])[0]._evaluate({}, {}, frozenset())",
        "type(typing.get_args(typing.List[evil])[0])(evil)",
        "functools.singledispatch(lambda x: 1).register(f)",
        "typing.NamedTuple('N', [('a', evil)])(1)",
        "typing.TypedDict('N', {'a': evil})(a=1)",
        "dataclasses.make_dataclass('N', [('a', evil)])(1)",
        "dataclasses.dataclass(C)(1)",
        "typing.TypeVar('T', bound=evil).__bound__._evaluate({}, {}, frozenset())",
    ],
)
def test_nobody_evaluates_an_annotation(use: str) -> None:
    source = f"""
        from __future__ import annotations
        import dataclasses, functools, typing
        evil = "{EVIL}"
        def f(x: "{EVIL}") -> {EVIL}: pass
        class C:
            a: {EVIL}
        y: "{EVIL}" = 1
        {use}
    """
    source = source.replace(f"-> {EVIL}", "-> int").replace(f"a: {EVIL}", f'a: "{EVIL}"')
    check_contained(source)


@pytest.mark.parametrize(
    "source", ["x: {} = 1", "def f(x: {}): pass", "def f() -> {}: pass", "class C:\n    x: {}", "def f():\n    x: {}"]
)
def test_an_annotation_that_is_written_out_is_checked_like_any_expression(source: str) -> None:
    check_contained(source.format("print('reached', ().__globals__)"), "attribute.dunder")


def test_annotations_of_every_kind_work() -> None:
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import ClassVar, Optional
        total: int = 0
        nothing: "list[Later]"
        def add(a: int, *rest: Undefined, key: "str | None" = None) -> Optional[Later]:
            local: dict[str, int] = {}
            unset: int
            local["a"] = a
            return local
        @dataclass
        class Node:
            value: int
            next: Optional[Node] = None
            count: ClassVar[int] = 0
        class Later:
            def __init__(self): self.x: int = 4
        print(add(1), Node(1, Node(2)), Later().x, total)
    """
    assert check_runs(source) == "{'a': 1} Node(value=1, next=Node(value=2, next=None)) 4 0\n"


def test_generic_functions_work() -> None:
    source = """
        from functools import singledispatch
        @singledispatch
        def show(x): return "any"
        @show.register
        def _(x: int): return "int"
        @show.register(str)
        def _(x): return "str"
        print(show(1), show("a"), show(1.0))
    """
    assert check_runs(source) == "int str any\n"
