"""Imports: a module object, or a name in one that was not handed out, is a way to everything that it imported."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest

from statek_policies import Policy
from statek_policies.offered import MODULES


@pytest.mark.parametrize(
    "module",
    [
        "os",
        "subprocess",
        "socket",
        "ctypes",
        "builtins",
        "importlib",
        "gc",
        "inspect",
        "pickle",
        "asyncio",
        "_io",
        "nt",
        "numpy",
    ],
)
def test_a_module_that_is_not_offered_is_refused_with_advice(module: str) -> None:
    outcome = check_contained(f"def later():\n    import {module}\nprint('reached')", "import.not_offered")
    assert module in outcome.refusals[0].detail
    assert outcome.refusals[0].line == 2
    check_contained(f"from {module} import x\nprint('reached')", "import.not_offered")


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("from math import *", "import.star"),
        ("from . import x", "import.relative"),
        ("from ..a import x", "import.relative"),
        ("import os.path", "import.not_offered"),
        ("import json.decoder", "import.not_offered"),
        ("import collections.abc as x, os", "import.not_offered"),
        ("from json import decoder", "import.name"),
        ("from json import codecs", "import.name"),
        ("from random import _os", "import.name"),
        ("from random import SystemRandom", "import.name"),
        ("from datetime import sys", "import.name"),
        ("from math import __loader__", "import.name"),
        ("from math import __builtins__", "import.name"),
        ("from dataclasses import sys as s", "import.name"),
        ("from enum import sys", "import.name"),
        ("from collections import _sys", "import.name"),
        ("from typing import ForwardRef", "import.name"),
        ("from contextlib import os", "import.name"),
    ],
)
def test_only_exported_names_are_imported(statement: str, rule: str) -> None:
    check_contained(f"{statement}\nprint('reached')", rule)


@pytest.mark.parametrize(
    "name", ["codecs", "decoder", "scanner", "__loader__", "__spec__", "_default_encoder", "detect_encoding"]
)
def test_nor_is_anything_else_an_attribute(name: str) -> None:
    outcome = check_contained(f"import json\nprint('reached', getattr(json, '{name}'))")
    assert outcome.rules or isinstance(outcome.error, AttributeError)


@pytest.mark.parametrize("module", sorted(MODULES - {"__future__"}))
def test_every_offered_module_is_a_facade_and_stays_as_it_is(module: str) -> None:
    source = f"""
        import {module}
        import {module} as m
        attempts = 0
        def swap(*a): print("reached")
        for name in dir(m):
            for attempt in (lambda: setattr(m, name, swap), lambda: delattr(m, name)):
                try:
                    attempt()
                except Exception:
                    attempts += 1
        print(attempts == 2 * len(dir(m)) > 0, type(m).__name__ == "{module}")
    """
    outcome = check_contained(source, "attribute.write")
    assert outcome.output == "True True\n"


def test_the_name_of_an_import_is_not_computed() -> None:
    for attempt in ("__import__('os')", "x = __import__"):
        outcome = check_contained(f"{attempt}\nprint('reached')")
        assert outcome.rules & {"builtin.refused", "name.dunder"}


def test_what_python_imports_in_the_guests_name_stays_out_of_its_hands() -> None:
    source = """
        import datetime, re, time
        print(datetime.datetime.strptime("2024-02-03", "%Y-%m-%d").day, re.compile("a(b)").sub(r"<\\1>", "ab"))
        print(time.strptime("03", "%d").tm_mday)
    """
    assert check_runs(source) == "3 <b>\n3\n"
    assert "_strptime" not in run_guest(source).environment.globals  # type: ignore[union-attr]


def test_a_policy_offers_fewer_modules() -> None:
    policy = Policy(imports=("math", "collections"))
    refused = run_guest("import math, json, collections.abc", policy)
    assert [violation.rule for violation in refused.refusals] == ["import.not_offered"] * 2
    assert "choose from collections, math" in refused.refusals[0].detail
    assert isinstance(run_guest("import collections\ncollections.abc", policy).error, AttributeError)
    assert run_guest("import math", Policy(imports=())).rules == {"import.not_offered"}


def test_a_missing_name_is_answered_with_the_nearest() -> None:
    assert "did you mean 'sqrt'?" in run_guest("from math import sqr").refusals[0].detail
    assert "did you mean 'statistics'?" in run_guest("import statistic").refusals[0].detail
