"""From a parsed source to the tree that is compiled: checks every name, guards what must be, leaves the rest native.

RestrictedPython's transformer is the base: a kind of node that it does not know is refused, and what it lets pass
without a guard passes here. Reading a statically named, safe attribute, an item, iterating and unpacking stay plain
bytecode: that is sound only because no host object enters the namespace unwrapped. What is guarded: every attribute
store, reading what begins with an underscore, and the few names that reach further than they look (see words.py).

Runs in the interpreter process.
"""

import ast
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from RestrictedPython.transformer import RestrictingNodeTransformer

from statek_policies.language import nodes
from statek_policies.language.attributes import AttributeRules
from statek_policies.language.boundaries import BRIEF_CALLS
from statek_policies.language.checking import CLASS, MODULE, last_name
from statek_policies.language.definitions import DefinitionRules
from statek_policies.language.errors import SourceTooLarge
from statek_policies.language.imports import Imports
from statek_policies.language.patterns import PatternRules
from statek_policies.language.refusals import REFUSED_BUILTINS, STATEMENTS
from statek_policies.language.words import (
    CLASS_CONSTANTS,
    DEFINABLE,
    MODULE_CONSTANTS,
    READABLE_NAMES,
    is_bindable,
    is_dunder,
    is_matchable,
    is_storable,
)
from statek_policies.rules import Violation

_PASSING = (
    "arguments BinOp BoolOp Compare Dict DictComp Expr FormattedValue For GeneratorExp If IfExp JoinedStr "
    "List ListComp NamedExpr Pass Raise Return Set SetComp Slice Starred Subscript Tuple UnaryOp While "
    "With Yield YieldFrom Assert Assign Break Continue Delete keyword withitem"
)
_ADDED = "Match match_case MatchValue MatchSequence MatchOr"
"""Patterns that read no attribute; RestrictedPython refuses `match` as a whole."""

_UNVISITED = "ctx op ops kind conversion type_comment attr arg simple name rest kwd_attrs names is_async"
"""Fields that hold no syntax tree, or only the name of an operation."""

_NODES_OF_A_BINDING = 4
"""What each name of an import becomes: an assignment, its target, a call and its texts."""

_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class LeanTransformer(AttributeRules, DefinitionRules, PatternRules, RestrictingNodeTransformer):
    """Transforms one source; `violations` and `lasting` are filled as it goes."""

    def __init__(self, imports: Imports, ast_nodes: int) -> None:
        # The base's own `__init__` makes what its methods fill, and none of them is called: see `_HANDLERS`.
        self.violations: list[Violation] = []
        self.lasting: list[bool] = []
        """Of each top-level statement whether it may take long, by its looks: it loops, or calls what may."""
        self._imports = imports
        self._allowed_nodes = ast_nodes
        self._nodes = 0
        self._exits = 0
        self.scopes = [MODULE]
        self._bound: set[str] = set()
        self._refused_calls: list[ast.Name] = []

    def transform(self, statements: list[Any]) -> list[list[ast.stmt]]:
        """Transform each top-level statement; refusals are collected, not raised."""
        self._count(len(statements))
        transformed = [self._instruction(statement) for statement in statements]
        self._count(0)  # what was counted since the last look
        self._report_refused_calls()
        self.violations.sort(key=lambda violation: violation.line or 0)
        return transformed

    def _instruction(self, statement: ast.stmt) -> list[ast.stmt]:
        self.may_last = False
        made = _HANDLERS[type(statement)](self, statement)
        self.lasting.append(self.may_last)
        return made if type(made) is list else [made]

    def refuse(self, node: Any, rule: str, detail: str) -> None:
        """Note a violation at the node's line."""
        self.violations.append(Violation(rule, detail, getattr(node, "lineno", None), "compile"))

    # Walking: by a table of node types, which is three times faster than a method's name built for each node. Most are
    # in lists and fields, and those are walked without a call of `visit` for each.

    def visit(self, node: ast.AST) -> Any:
        """Transform one node."""
        self._count(1)
        return _HANDLERS[type(node)](self, node)

    def _count_bindings(self, names: int) -> None:
        self._count(_NODES_OF_A_BINDING * names)

    def _count(self, nodes: int) -> None:
        """Count what is not in the tree and becomes code all the same."""
        self._nodes += nodes
        if self._nodes > self._allowed_nodes:
            self._say_too_many()

    def _say_too_many(self) -> NoReturn:
        raise SourceTooLarge("ast_nodes", allowed=self._allowed_nodes, used=self._nodes)

    def contents(self, node: ast.AST) -> Any:
        """Transform the children of a node in place; they are counted, and the next list, or the end, looks at that."""
        for field in _CHILDREN[type(node)]:
            child = getattr(node, field)
            kind = type(child)
            if kind is list:
                if child:
                    self.transform_all(child)
            elif child is not None:
                self._nodes += 1
                if kind is _CONSTANT or (kind is _NAME and child.id[0] != "_" and type(child.ctx) is _LOAD):
                    continue
                result = _HANDLERS[kind](self, child)
                if result is not child:
                    setattr(node, field, result)
        return node

    def transform_all(self, children: list[Any]) -> None:
        """Transform the nodes of a list in place; one statement may become several, or none."""
        if self._each(children):
            children[:] = [one for made in children for one in (made if type(made) is list else [made])]

    def _each(self, children: list[Any]) -> bool:
        """Put in the place of each node what it becomes; tells whether that is a list somewhere."""
        self._count(len(children))
        several = False
        for place, child in enumerate(children):
            kind = type(child)
            if kind is _CONSTANT or (kind is _NAME and child.id[0] != "_" and type(child.ctx) is _LOAD):
                continue
            result = _HANDLERS[kind](self, child)
            if result is not child:
                children[place] = result
                several |= type(result) is list
        return several

    # Variables

    def bind(self, node: Any, name: str | None) -> None:
        """Check a name that the source gives a value to."""
        if name is None:
            return
        self._bound.add(name)
        if is_bindable(name) or (self.scopes[-1] == MODULE and name in MODULE_CONSTANTS):
            return
        self.refuse(node, "name.dunder", f"the name {name!r} is reserved; choose one without double underscores")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Check a variable."""
        name = node.id
        if type(node.ctx) is not _LOAD:
            if is_bindable(name):
                self._bound.add(name)
            else:
                self._bind_name(node)
        elif name.startswith("__") and not self._is_readable(name):
            self.refuse(node, "name.dunder", f"the name {name!r} is not available; {self._instead(name)}")
        return node

    def _is_readable(self, name: str) -> bool:
        if not is_dunder(name) or name in READABLE_NAMES:
            return True
        return self.scopes[-1] == CLASS and name in DEFINABLE

    def _bind_name(self, node: ast.Name) -> None:
        if self.scopes[-1] == CLASS and node.id in DEFINABLE:
            return
        self.bind(node, node.id)

    @staticmethod
    def _instead(name: str) -> str:
        if name == "__import__":
            return "use an import statement"
        return "use names without double underscores"

    # Assignments

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Keep annotations where Python keeps them; elsewhere an annotated assignment is an assignment."""
        scope = self.scopes[-1]
        if type(node.target) is ast.Name and scope != MODULE:
            if scope == CLASS and self._is_class_constant(node.target, node.value):
                return nodes.nothing(node) if node.value is None else nodes.assign(node.target, node.value, node)
            return self.contents(node)
        self.visit(node.annotation)
        target = self.visit(node.target)
        if node.value is None:
            return nodes.nothing(node)
        return nodes.assign(target, self.visit(node.value), node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Check what a class body sets for Python to read."""
        target = node.targets[0]
        if len(node.targets) != 1 or type(target) is not ast.Name:
            return self.contents(node)
        if self.scopes[-1] == CLASS and self._is_class_constant(target, node.value):
            return node
        self._nodes += 2
        self.visit_Name(target)
        node.value = _HANDLERS[type(node.value)](self, node.value)
        return node

    def _is_class_constant(self, target: ast.Name, value: ast.expr | None) -> bool:
        if target.id not in CLASS_CONSTANTS:
            return False
        names = None if value is None else _literal_texts(value)
        fits = is_matchable if target.id == "__match_args__" else _is_slot
        if names is None or not all(map(fits, names)):
            detail = f"{target.id} must be a literal tuple of plain attribute names, written out as text"
            self.refuse(target, "class.constant", detail)
        return True

    # Calls and statements

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Note a direct call of a built-in that is not offered; it is refused unless the source defines the name."""
        function = node.func
        if type(function) is not ast.Name:
            self.may_last = True
        elif function.id not in BRIEF_CALLS:
            self.may_last = True
            if function.id in REFUSED_BUILTINS:
                self._refused_calls.append(function)
        return self.contents(node)  # type: ignore[no-any-return]

    def _visit_lasting(self, node: ast.For | ast.While | ast.With) -> ast.AST:
        """Note what may take long: loops, and what is done on the way into a `with` block and out of it."""
        self.may_last = True
        return self.contents(node)  # type: ignore[no-any-return]

    visit_For = visit_While = visit_With = _visit_lasting

    def _report_refused_calls(self) -> None:
        for name in self._refused_calls:
            if name.id not in self._bound:
                self.refuse(name, "builtin.refused", REFUSED_BUILTINS[name.id])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """Check the name of the exception."""
        self.bind(node, node.name)
        return self.contents(node)  # type: ignore[no-any-return]

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """Let a body import packages that are not there where a handler expects it; it fails when it runs."""
        exits = self._exits
        outside = self.expects_import_error
        self.expects_import_error = outside or any(map(_catches_import_error, node.handlers))
        self.transform_all(node.body)
        self.expects_import_error = outside
        self.transform_all(node.handlers)
        self.transform_all(node.orelse)
        self._visit_finally(node, copies=1 + self._exits - exits)
        return node

    def _visit_finally(self, node: ast.Try, copies: int) -> None:
        """Check the `finally` clause, and count it as often as Python compiles it: once more for each way out."""
        nodes, exits = self._nodes, self._exits
        self.transform_all(node.finalbody)
        self._exits += copies * (self._exits - exits)
        self._count(copies * (self._nodes - nodes))

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """Count a way out of what a `finally` clause may stand behind."""
        self._exits += 1
        return self.contents(node)  # type: ignore[no-any-return]

    def visit_Break(self, node: ast.Break | ast.Continue) -> ast.AST:
        """Count a way out of what a `finally` clause may stand behind."""
        self._exits += 1
        return node

    visit_Continue = visit_Break

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> ast.AST:
        """Check the names of `global` and `nonlocal`."""
        for name in node.names:
            self.bind(node, name)
        return node

    visit_Nonlocal = visit_Global

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        """Refuse asynchronous comprehensions."""
        self.may_last = True
        if node.is_async:
            self.refuse(node.target, *STATEMENTS["AsyncFor"])
        return self.contents(node)  # type: ignore[no-any-return]

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """Bind facades instead of modules."""
        self._count_bindings(len(node.names))
        return self._imports.statements(node, self)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        """Bind what facades export."""
        self._count_bindings(len(node.names))
        return self._imports.statements_from(node, self)


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if type(handler.type) is ast.Tuple else [handler.type]
    return any(last_name(kind) in _IMPORT_ERRORS for kind in kinds)


def _is_slot(name: str) -> bool:
    return name in ("__dict__", "__weakref__") or is_storable(name)


def _literal_texts(value: ast.expr) -> list[str] | None:
    """Return the texts of a literal text, tuple, list or set of texts; None for anything else."""
    items = value.elts if type(value) in (ast.Tuple, ast.List, ast.Set) else [value]  # type: ignore[attr-defined]
    texts = [item.value for item in items if type(item) is ast.Constant and type(item.value) is str]
    return texts if len(texts) == len(items) else None


def _refuse_node(transformer: LeanTransformer, node: ast.AST) -> ast.AST:
    kind = type(node).__name__
    fallback = ("statement.not_offered", f"{kind} is not offered; write it with ordinary statements and expressions")
    transformer.refuse(node, *STATEMENTS.get(kind, fallback))
    return node


def _leave_node(_transformer: LeanTransformer, node: ast.AST) -> ast.AST:
    return node


_Handler = Callable[[LeanTransformer, Any], Any]


def _handlers() -> dict[type, _Handler]:
    table: dict[type, _Handler] = dict.fromkeys(_kinds(), _refuse_node) | dict.fromkeys(_LEAVES, _leave_node)
    table |= {getattr(ast, kind): LeanTransformer.contents for kind in _passing()}
    own = {**vars(PatternRules), **vars(DefinitionRules), **vars(AttributeRules), **vars(LeanTransformer)}
    visitors = {name.removeprefix("visit_"): method for name, method in own.items() if name.startswith("visit_")}
    table |= {getattr(ast, kind): method for kind, method in visitors.items()}
    return table


def _kinds() -> Iterable[type[ast.AST]]:
    return (kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST))


def _passing() -> Iterable[str]:
    """List what needs no handler: RestrictedPython must know each kind, apart from the patterns that we vouch for."""
    for kind in _PASSING.split():
        assert hasattr(RestrictingNodeTransformer, f"visit_{kind}"), f"RestrictedPython never audited {kind}"
        yield kind
    yield from _ADDED.split()


_CONSTANT, _NAME, _LOAD = ast.Constant, ast.Name, ast.Load
_LEAVES = frozenset({_CONSTANT, ast.MatchSingleton, ast.Pass, type(None)})
"""What there is nothing to look at in; None stands in a list for what was left out."""
_HANDLERS = _handlers()
_CHILDREN: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(field for field in kind._fields if field not in _UNVISITED.split()) for kind in _kinds()
}
