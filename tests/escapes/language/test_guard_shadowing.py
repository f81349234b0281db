"""Shadowed guards (CVE-2026-55830): a binding named like a guard would take its place."""

from __future__ import annotations

import pytest
from guest_program import check_contained, run_guest

from statek_policies.language.nodes import GUARD_NAMES

BINDINGS = [
    "{0} = lambda *a: a",
    "def f({0}, /): pass",
    "def f(*{0}): pass",
    "def f(**{0}): pass",
    "def f(*, {0}=1): pass",
    "lambda {0}: 1",
    "def {0}(): pass",
    "class {0}: pass",
    "import math as {0}",
    "from math import pi as {0}",
    "for {0} in (): pass",
    "[1 for {0} in ()]",
    "with x as {0}: pass",
    "try: pass\nexcept Exception as {0}: pass",
    "({0} := 1)",
    "global {0}",
    "def f():\n    x = 1\n    def g():\n        nonlocal {0}",
    "match 1:\n    case {0}: pass",
    "match 1:\n    case [*{0}]: pass",
    "match 1:\n    case {{**{0}}}: pass",
    "match 1:\n    case int() as {0}: pass",
    "del {0}",
    "{0}: int = 1",
    "{0} += 1",
    "class C:\n    {0} = 1",
]


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("name", ["__builtins__", "__build_class__", "__import__", "__module__", "__class__"])
def test_no_binding_takes_a_name_of_pythons_own(binding: str, name: str) -> None:
    outcome = run_guest(binding.format(name))
    assert outcome.invalid is not None or {"name.dunder", "class.method"} & outcome.rules


@pytest.mark.parametrize("name", sorted(GUARD_NAMES))
def test_a_guard_has_a_name_that_no_source_can_spell(name: str) -> None:
    assert not name.isidentifier()
    assert run_guest(f"{name} = 1").invalid is not None


@pytest.mark.parametrize("name", ["_write_", "_getattr_", "_getitem_", "_getiter_", "_print_", "_inplacevar_"])
def test_the_names_of_restrictedpythons_guards_mean_nothing(name: str) -> None:
    source = f"""
        {name} = lambda *a: a[0]
        def f({name}, /):
            len.x = 1
        f(lambda x: x)
        print("reached")
    """
    check_contained(source, "attribute.write")


@pytest.mark.parametrize("name", ["@write", "@guests", "@type", "__builtins__"])
def test_keywords_and_namespaces_do_not_reach_a_guard(name: str) -> None:
    source = f"""
        class C: pass
        def f(**kwargs): return kwargs
        f(**{{"{name}": 1}})
        c = C()
        try:
            setattr(c, "{name}", lambda *a: a[0])
        except Exception:
            pass
        len.x = 1
        print("reached")
    """
    check_contained(source, "attribute.write")
