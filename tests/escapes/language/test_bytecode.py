"""The second look: were the transformer to forget a guard, the scan of the finished code would refuse the source."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator

import pytest

from statek_policies import Policy
from statek_policies.language import SourceRefused, compile_batch
from statek_policies.language.boundaries import BOUNDARY
from statek_policies.language.nodes import LOAD, NAME, PRIVATE, TYPE, WRITE
from statek_policies.language.scan import Look, Scope, is_plain, scan

UNGUARDED = [
    ("x.a = 1", "bytecode.store"),
    ("del x.a", "bytecode.store"),
    ("x.a += 1", "bytecode.store"),
    ("x.a, x.b = 1, 2", "bytecode.store"),
    ("for x.a in y: pass", "bytecode.store"),
    ("with y as x.a: pass", "bytecode.store"),
    ("def f(self): self.x = 1", "bytecode.store"),
    ("class C:\n def f(self): self.x += 1", "bytecode.store"),
    ("x.__class__", "bytecode.load"),
    ("x.__globals__", "bytecode.load"),
    ("x._a", "bytecode.load"),
    ("x._a()", "bytecode.load"),
    ("x.format()", "bytecode.load"),
    ("lambda g: [g.gi_frame for _ in ()]", "bytecode.load"),
    ("f'{x.__dict__}'", "bytecode.load"),
    ("import os", "bytecode.operation"),
    ("from os import path", "bytecode.operation"),
    ("from os import *", "bytecode.operation"),
    ("async def f(): await x", "bytecode.operation"),
    ("async def f():\n async with x: pass", "bytecode.operation"),
    ("async def f():\n async for i in x: pass", "bytecode.operation"),
    ("try: pass\nexcept* ValueError: pass", "bytecode.operation"),
    ("__builtins__", "bytecode.name"),
    ("def f(): return __import__", "bytecode.name"),
    ("__builtins__ = 1", "bytecode.bind"),
    ("def f(__class__): pass", "bytecode.bind"),
    ("def f():\n global __builtins__\n __builtins__ = 1", "bytecode.bind"),
    ("class C:\n __reduce_ex__ = 1", "bytecode.bind"),
    ("class C:\n def __del__(self): pass", "bytecode.bind"),
    ("match x:\n case C(__self__=y): pass", "bytecode.match"),
    ("match x:\n case C(_a=y): pass", "bytecode.match"),
    ("x: int = 1", "bytecode.name"),
]


@pytest.mark.parametrize(("source", "rule"), UNGUARDED)
def test_plain_python_is_refused(source: str, rule: str) -> None:
    assert rule in {violation.rule for violation in scan(compile(source, "<test>", "exec"))}


def _compiled(tree: ast.Module) -> set[str]:
    return {violation.rule for violation in scan(compile(ast.fix_missing_locations(tree), "<test>", "exec"))}


def _with(source: str, **changes: str) -> ast.Module:
    """Parse a source and put unspellable names where plain ones stand."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for field in ("id", "arg", "name", "attr"):
            if getattr(node, field, None) in changes:
                setattr(node, field, changes[getattr(node, field)])
    return tree


def test_a_guarded_store_passes() -> None:
    assert _compiled(_with("write(x, name='a').a = 1", write=WRITE, name=NAME)) == set()


@pytest.mark.parametrize(
    "source",
    [
        "write(x, 'a').a = 1",
        "write(x, y, name='a').b.a = 1",
        "(write(x, name='a') or x).a = 1",
        "(x if y else write(x, name='a')).a = 1",
        "(x if kind(x) in z else write(x, name='a')).a = 1",
        "(x if kind(y) in guests else write(x, name='a')).a = 1",
        "(y if kind(x) in guests else write(x, name='a')).a = 1",
        "(x if kind(x) not in guests else write(x, name='a')).a = 1",
        "x.a = write(x, name='a')",
        "write(x, name='a')[0].a = 1",
        "y.a = write(x, name='a').a = 1",
        "x._a = private(x, name='_a')._a",
    ],
)
def test_half_a_guard_does_not(source: str) -> None:
    names = {"write": WRITE, "private": PRIVATE, "name": NAME, "kind": TYPE, "guests": "@guests"}
    assert "bytecode.store" in _compiled(_with(source, **names))


@pytest.mark.parametrize(
    "source",
    ["name = 1", "def f(name): pass", "def name(): pass", "import math as name", "[name for name in x]", "del name"],
)
def test_an_unspellable_name_is_never_bound(source: str) -> None:
    assert _compiled(_with(source, name=WRITE)) & {"bytecode.bind", "bytecode.operation"}


def test_an_unspellable_name_that_is_no_guard_is_not_called() -> None:
    assert _compiled(_with("name(x)", name="@host")) == {"bytecode.name"}
    assert _compiled(_with("f(name=x)", name="@other")) == {"bytecode.call"}


def test_only_a_batch_comes_to_its_boundary_and_keeps_nothing_of_it() -> None:
    assert _compiled(_with("if stop: x = 1\nif stop: pass", stop=BOUNDARY)) == set()


@pytest.mark.parametrize(
    "source",
    [
        "x = stop",
        "stop",
        "stop()",
        "not stop",
        "if not stop: pass",
        "x = stop and y",
        "x = [1 for _ in y if stop]",
        "def f():\n if stop: pass",
        "class C:\n if stop: pass",
        "lambda: stop",
    ],
)
def test_a_boundary_is_no_value(source: str) -> None:
    assert _compiled(_with(source, stop=BOUNDARY)) == {"bytecode.name"}


@pytest.mark.parametrize("number", [0, 1, 2, 90, 91, 95, 98, 101, 106, 110, 116, 160, 230])
def test_a_boundary_is_found_behind_arguments_that_look_like_operations(number: int) -> None:
    before = "if stop: pass\n" + "\n".join(f"thing.name{place}" for place in range(number))
    assert _compiled(_with(before, stop=BOUNDARY)) == set()
    for misuse in ("x = stop", "thing.stop", "thing[stop]", "stop += 1"):
        assert _compiled(_with(f"{before}\n{misuse}\nif stop: pass", stop=BOUNDARY))


@pytest.mark.parametrize("source", ["stop = 1", "def stop(): pass", "del stop", "for stop in x: pass"])
def test_a_boundary_is_never_bound(source: str) -> None:
    assert _compiled(_with(source, stop=BOUNDARY)) == {"bytecode.bind"}


def test_a_transformer_that_forgets_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from statek_policies.language import nodes

    monkeypatch.setattr(nodes, "admitted", lambda _guard, value, _attribute: value)
    with pytest.raises(SourceRefused) as refused:
        compile_batch(b"x = 1\nx.total = 2\n", name="<test>", policy=Policy())
    assert [(violation.rule, violation.line) for violation in refused.value.violations] == [("bytecode.store", 2)]


def test_a_transformer_that_overlooks_a_name_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from statek_policies.language import attributes
    from statek_policies.language.words import Reading

    monkeypatch.setattr(attributes, "reading", lambda _name: Reading.NATIVE)
    with pytest.raises(SourceRefused) as refused:
        compile_batch(b"print(len.__self__)\n", name="<test>", policy=Policy())
    assert {violation.rule for violation in refused.value.violations} == {"bytecode.load"}


def test_guarded_loads_pass() -> None:
    assert _compiled(_with("load(x, name='format')(1)", load=LOAD, name=NAME)) == set()


@pytest.mark.parametrize(("source", "_rule"), UNGUARDED)
def test_a_glance_is_never_enough_for_what_a_long_look_would_find(source: str, _rule: str) -> None:
    for code in _all_codes(compile(source, "<test>", "exec")):
        for scope in Scope:
            if is_plain(code, scope):
                assert Look(code, scope).violations() == []


def _all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from _all_codes(constant)
