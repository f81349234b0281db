"""Where Python's own code would look past a `Pending`, the value itself has to stand: those places, and their guards.

Operators, attributes and iteration ask the object, and a pending value passes them on. A function written in C that
wants an exact type does not ask, nor does a `match` statement; and how many elements `left, right = value` wants is
known to the compiler alone. Jobs that can meet a future are compiled with this pass; all others pay nothing.

Runs in the interpreter process.
"""

import ast
import types
from collections.abc import Callable
from typing import Any, Final

from statek_policies.language import nodes
from statek_policies.language.guests import Guests, is_guest_class
from statek_policies.language.pending import FUTURES, Pending, element, force, state, with_values
from statek_policies.language.words import RESERVED_MARK

_BY_FRAME: Final = frozenset({"super", "locals", "globals", "vars", "dir"})
"""What looks at the frame that calls it, and so has to be called by it."""

_DEEP: Final = frozenset(
    {
        *("join", "map", "filter", "sorted", "dumps", "dump", "writerow", "writerows"),
        *("fsum", "prod", "mean", "fmean", "median"),
    }
)
"""Functions of ours that look into a container for exact types, or hand its items to functions that do."""

_DEPTH: Final = 2
"""How many containers deep they look: a list of rows."""

_NAMED: Final = (types.BuiltinFunctionType, types.FunctionType, types.MethodType, type)


def let_wait(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Put guards where values must stand, in statements that the transformer has checked."""
    return [_Waiting().visit(statement) for statement in statements]


class _Waiting(ast.NodeTransformer):
    """Changes a checked tree in place."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not _is_ours(node) and not (type(node.func) is ast.Name and node.func.id in _BY_FRAME):
            node.func = nodes.call(nodes.APPLY, [node.func], node.func)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        node.subject = _forced(self.visit(node.subject))
        node.cases = [self.visit(case) for case in node.cases]
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        """Leave the pattern alone: what looks like a call there is none."""
        if node.guard is not None:
            node.guard = self.visit(node.guard)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if type(node.ops[0]) in (ast.In, ast.NotIn) and not _is_ours(node.left):
            node.left = _forced(node.left)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) is ast.Mod:
            node.right = _forced(node.right)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) == 1 and type(target) in (ast.Tuple, ast.List) and type(node.value) not in _DISPLAYS:
            wanted = target.elts  # type: ignore[attr-defined]  # a tuple or list, seen above
            if not any(type(part) is ast.Starred for part in wanted):
                count = ast.copy_location(ast.Constant(len(wanted)), node.value)
                node.value = nodes.call(nodes.UNPACK, [node.value, count], node.value)
        return node


_DISPLAYS: Final = (ast.Tuple, ast.List, ast.Constant)


def _forced(value: ast.expr) -> ast.expr:
    return value if type(value) is ast.Constant else nodes.call(nodes.FORCE, [value], value)


def _is_ours(node: ast.expr) -> bool:
    """Tell whether this is a call that the transformer put in."""
    return type(node) is ast.Call and type(node.func) is ast.Name and node.func.id.startswith(RESERVED_MARK)


def waiting_guards(guests: Guests) -> dict[str, object]:
    """Return the guards of this pass under their names."""
    return {nodes.APPLY: _apply(guests), nodes.FORCE: force, nodes.UNPACK: _unpack}


def _apply(guests: Guests) -> Callable[[Any], Any]:
    def apply(function: Any) -> Any:
        """Return the function itself if it can take pending values, and else one that fetches them first."""
        if _takes_pending(guests, function):
            return function
        function = force(function)
        depth = _DEPTH if _name_of(function) in _DEEP else 0

        def applied(*arguments: Any, **keywords: Any) -> Any:
            for name in keywords:
                keywords[name] = with_values(keywords[name], depth=depth)
            return function(*[with_values(argument, depth=depth) for argument in arguments], **keywords)

        return applied

    return apply


def _takes_pending(guests: Guests, function: Any) -> bool:
    """Tell whether a function is the guest's own, or one of ours that was written for pending values."""
    kind = type(function)
    if kind is types.MethodType:
        function = function.__func__
        kind = type(function)
    if kind is types.FunctionType:
        return guests.is_function(function) or function in FUTURES.takers
    if issubclass(kind, type):
        return function is super or is_guest_class(function)
    return is_guest_class(kind)


def _name_of(function: Any) -> str:
    return function.__name__ if type(function) in _NAMED else ""


def _unpack(value: Any, count: int) -> Any:
    """Unpack a pending value into elements that are pending themselves; anything else unpacks itself."""
    if type(value) is not Pending or state(value)[4]:
        return value
    return tuple(element(value, index, count) for index in range(count))
