"""What a policy leaves out of the language, beyond what nobody has: refused by the tree alone, before anything runs."""

import ast
from collections.abc import Iterator

from statek_policies.features import FEATURES, PLAIN_METHODS
from statek_policies.language.words import DEFINABLE
from statek_policies.offered import BUILTINS
from statek_policies.patterns import EVERYTHING
from statek_policies.policy import Policy
from statek_policies.rules import Violation

_FEATURE_OF: dict[type[ast.AST], str] = {
    ast.ClassDef: "classes",
    ast.FunctionDef: "functions",
    ast.Lambda: "functions",
    ast.GeneratorExp: "generators",
    ast.Yield: "generators",
    ast.YieldFrom: "generators",
    ast.Match: "match",
    ast.While: "while",
}
_SPECIAL_METHODS = DEFINABLE - PLAIN_METHODS
"""A class body is the only place where such a name can be bound at all."""


def uses_of_withheld(tree: ast.Module, policy: Policy) -> list[Violation]:
    """Return a violation for each place that uses what the policy leaves out; costs nothing where that is nothing."""
    if policy.language == policy.builtins == EVERYTHING:
        return []
    features = {name for name in FEATURES if not policy.offers_feature(name)}
    builtins = withheld_builtins(policy)
    bound = {name for node in ast.walk(tree) for name in _bound_by(node)} if builtins else set()
    return [violation for node in ast.walk(tree) for violation in _in_node(node, features, builtins - bound)]


def withheld_builtins(policy: Policy) -> frozenset[str]:
    """Return the built-in names that the language has and the policy does not offer."""
    if policy.builtins == EVERYTHING:
        return frozenset()
    return frozenset(name for name in BUILTINS if not policy.offers_builtin(name))


def why_no_builtin(name: str) -> str:
    """Say that a built-in is not there, and what to do."""
    return f"the built-in {name!r} is not offered under this policy; do without it, or define a {name} of your own"


def _in_node(node: ast.AST, features: set[str], builtins: frozenset[str]) -> Iterator[Violation]:
    for feature in _features_of(node):
        if feature in features:
            yield Violation(f"language.{feature}", FEATURES[feature], getattr(node, "lineno", None), "compile")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in builtins:
        yield Violation("builtin.not_offered", why_no_builtin(node.func.id), node.lineno, "compile")


def _features_of(node: ast.AST) -> Iterator[str]:
    if type(node) in _FEATURE_OF:
        yield _FEATURE_OF[type(node)]
    if any(name in _SPECIAL_METHODS for name in _bound_by(node)):
        yield "special_methods"


def _bound_by(node: ast.AST) -> Iterator[str]:
    """List the names to which a node gives a value, all but those that a guest cannot call."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.alias():
            yield node.asname or node.name.partition(".")[0]
        case _:
            pass
