"""Every rule, limit and layer that a refusal can name is explained, and the examples do what is said of them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from guest_program import run_guest

import statek_policies
from statek_policies import Limits, Policy
from statek_policies.explanations import Rule, limits, rules
from statek_policies.features import FEATURES

TREE = Path(__file__).parents[2]
PACKAGES = ("sandbox_policies/statek_policies", "executor/statek_executor", "scheduler/statek")
REPORTING = frozenset(
    ["refuse", "_refuse", "_refusing", "Violation", "Violated", "PolicyViolated", "__init__", "MemberRefused", "failed"]
)
"""What is called with the rule among its arguments, wherever something is refused."""
RULE = re.compile(r"[a-z_]+\.[a-z_]+")
WITHOUT_A_DOT = {"seccomp"}


@cache
def emitted() -> frozenset[str]:
    """Collect every rule that our code can report, from the places where it reports."""
    files = [file for package in PACKAGES for file in sorted((TREE / package).rglob("*.py"))]
    trees = [ast.parse(file.read_text("utf-8")) for file in files]
    named = dict(constant for tree in trees for constant in _constants_of(tree))
    found = {rule for tree in trees for rule in _rules_in(tree, named)}
    return frozenset(found | {f"language.{feature}" for feature in FEATURES})


def _constants_of(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((_name(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _name(node.target), node.value


def _rules_in(tree: ast.Module, named: dict[str, ast.expr]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in REPORTING:
            rules = (keyword.value for keyword in node.keywords if keyword.arg == "rule")
            yield from _rules_among([*node.args, *rules], named)
        elif isinstance(node, ast.Assign | ast.FunctionDef) and _makes_rules(node):
            yield from _rules_among(list(ast.walk(node)), named)


def _makes_rules(node: ast.Assign | ast.FunctionDef) -> bool:
    """Tell whether it is a table of refusals, or a function that chooses a rule."""
    names = [node.name] if isinstance(node, ast.FunctionDef) else [_name(target) for target in node.targets]
    return any(name in ("rule", "_rule", "_RULE", "STATEMENTS", "_NO_ASYNC", "fallback") for name in names)


def _rules_among(nodes: list[ast.AST] | list[ast.expr], named: dict[str, ast.expr]) -> Iterator[str]:
    for node in nodes:
        value = named.get(node.id) if isinstance(node, ast.Name) else node
        for constant in ast.walk(value) if isinstance(value, ast.Constant | ast.IfExp | ast.Tuple) else ():
            text = constant.value if isinstance(constant, ast.Constant) else None
            if isinstance(text, str) and (RULE.fullmatch(text) or text in WITHOUT_A_DOT):
                yield text


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_the_rules_are_found_where_they_are_reported() -> None:
    found = emitted()
    assert {
        "tool.denied",
        "seccomp",
        "statement.async",
        "attribute.dunder",
        "format.attribute",
        "import.name",
        "bytecode.load",
    } <= found


def test_every_rule_that_is_reported_is_explained_and_no_other() -> None:
    missing, unused = emitted() - set(rules()), set(rules()) - emitted()
    assert not missing, f"explain these in statek_policies/explained/rules.toml: {sorted(missing)}"
    assert not unused, f"nothing reports these any more: {sorted(unused)}"


def test_every_limit_is_explained_and_no_other() -> None:
    assert tuple(limits()) == Limits.names()


def test_the_texts_are_sentences_of_one_line() -> None:
    for rule in rules().values():
        for text in (rule.forbids, rule.why, rule.instead):
            assert text.isprintable()
            assert 0 < len(text) < 140
            assert not text.endswith(".")


def _under(rule: Rule) -> Policy:
    return Policy().with_fields(**tomllib.loads(rule.under))


RUNNABLE = [rule for rule in rules().values() if not rule.refused.startswith("#")]


@pytest.mark.parametrize("rule", RUNNABLE, ids=lambda rule: rule.name)
def test_the_example_that_is_refused_is_refused_by_that_rule(rule: Rule) -> None:
    outcome = run_guest(rule.refused, _under(rule))
    assert outcome.invalid is None
    assert rule.name in outcome.rules


@pytest.mark.parametrize("rule", RUNNABLE, ids=lambda rule: rule.name)
def test_the_example_that_works_works_under_the_same_policy(rule: Rule) -> None:
    outcome = run_guest(rule.works, _under(rule))
    assert (outcome.rules, outcome.error, outcome.invalid) == (set(), None, None)


def test_only_what_no_short_program_can_do_has_no_example() -> None:
    without = {rule.name.partition(".")[0] for rule in rules().values() if rule.refused.startswith("#")}
    assert without == {"bytecode", "future", "handle", "member", "seccomp", "statement", "tool"}
    assert not rules()["statement.async"].refused.startswith("#")
    assert statek_policies.Policy(tools=("mail_*",)).offers_tool("mail_send")
