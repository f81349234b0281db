"""The fields `language` and `builtins` of a policy take something away, and say so before anything runs."""

from __future__ import annotations

import pytest
from guest_program import RecordingHost, run_guest

from statek_policies import Policy
from statek_policies.features import FEATURES
from statek_policies.language.builtin_names import builtin_exports
from statek_policies.language.environment import build_environment
from statek_policies.language.refusals import REFUSED_BUILTINS
from statek_policies.offered import BUILTINS

USES = {
    "classes": "class Point: pass\n",
    "functions": "double = lambda x: 2 * x\n",
    "generators": "total = sum(x for x in [1, 2])\n",
    "match": "match 1:\n    case 1: pass\n",
    "special_methods": "class Odd:\n    def __eq__(self, other): return True\n",
    "while": "while False: pass\n",
}


def without(feature: str) -> Policy:
    """Everything but one feature, and what needs it."""
    needs = {"classes": {"special_methods"}}.get(feature, set())
    return Policy(language=tuple(sorted(FEATURES.keys() - {feature} - needs)))


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_is_refused_where_it_is_left_out_and_runs_where_it_is_not(feature: str) -> None:
    outcome = run_guest(USES[feature], without(feature))
    assert outcome.rules == {f"language.{feature}"}
    assert outcome.refusals[0].detail == FEATURES[feature]
    assert outcome.refusals[0].line in (1, 2)
    assert not run_guest(USES[feature]).rules


@pytest.mark.parametrize(
    ("feature", "source"),
    [
        ("functions", "def f(): pass"),
        ("functions", "class C:\n    def method(self): pass"),
        ("generators", "def f():\n    yield 1"),
        ("generators", "def f():\n    x = yield from []"),
        ("special_methods", "class C:\n    if True:\n        __hash__ = None"),
        ("special_methods", "class C:\n    for __len__ in [1]: pass"),
        ("special_methods", "class C:\n    (__call__ := print)"),
        ("special_methods", "def f():\n    class Inner:\n        def __getattr__(self, name): return 1"),
        ("while", "def f():\n    while True: pass"),
        ("classes", "def f():\n    class C: pass"),
    ],
)
def test_no_way_of_writing_it_gets_past(feature: str, source: str) -> None:
    assert f"language.{feature}" in run_guest(source, without(feature)).rules


def test_plain_classes_are_left_when_special_methods_are_not() -> None:
    source = (
        "class P:\n    def __init__(self, x): self.x = x\n    def twice(self): return 2 * self.x\nprint(P(4).twice())"
    )
    assert run_guest(source, without("special_methods")).output == "8\n"


def test_refusals_of_the_policy_and_of_the_language_are_told_together_in_the_order_of_lines() -> None:
    outcome = run_guest("import os\nwhile True: pass\nopen('x')\n", without("while"))
    assert [violation.rule for violation in outcome.refusals] == [
        "import.not_offered",
        "language.while",
        "builtin.refused",
    ]


def test_what_a_policy_can_offer_are_the_built_ins_of_the_language() -> None:
    environment = build_environment(Policy(), RecordingHost())
    names = {name for name in environment.globals["__builtins__"] if name.isidentifier() and not name.startswith("__")}  # type: ignore[attr-defined]
    assert names - set(REFUSED_BUILTINS) == BUILTINS
    assert builtin_exports.__module__.endswith("builtin_names")


def test_a_call_of_a_built_in_that_is_not_offered_is_refused_before_anything_runs() -> None:
    policy = Policy(builtins=("print", "int", "len"))
    outcome = run_guest("print('effect')\ngetattr(1, 'real')\n", policy)
    assert (outcome.output, outcome.rules, outcome.lines) == ("", {"builtin.not_offered"}, [2])
    assert "'getattr' is not offered under this policy" in outcome.refusals[0].detail


def test_a_built_in_reached_without_a_written_call_is_refused_when_it_is_called() -> None:
    outcome = run_guest("find = sorted\nprint('before')\nfind([2, 1])\n", Policy(builtins=("print",)))
    assert outcome.output == "before\n"
    assert outcome.rules == {"builtin.not_offered"}
    assert outcome.lines == [3]


def test_a_built_in_of_ones_own_takes_the_place_of_one_that_is_not_offered() -> None:
    source = "def sum(values):\n    return 'mine'\nprint(sum([1]))"
    assert run_guest(source, Policy(builtins=("print",))).output == "mine\n"


def test_classes_and_imports_work_without_a_single_built_in() -> None:
    source = "import math\nclass P:\n    x = math.sqrt(16)\nassert P.x == 4\n"
    outcome = run_guest(source, Policy(builtins=()))
    assert outcome.error is None
    assert not outcome.rules
