"""The pieces of syntax tree that the transformer puts in: calls of guards that no source could spell.

A guarded place looks the same everywhere, so that the scan of the finished code recognises it. `thing.total = 1` is:

    @write(thing, @name="total").total = 1                                                   any expression
    (thing if @type(thing) in @guests else @write(thing, @name="total")).total = 1           a plain name

The second form costs a set lookup instead of a call. No guest code runs between the look at a name and its use: the
only calls in between are `type()` and a set's lookup by identity.
"""

import ast

from statek_policies.language.words import RESERVED_MARK

TYPE = RESERVED_MARK + "type"
GUESTS = RESERVED_MARK + "guests"
WRITE = RESERVED_MARK + "write"
PRIVATE = RESERVED_MARK + "private"
LOAD = RESERVED_MARK + "load"
IMPORT = RESERVED_MARK + "import"
IMPORT_FROM = RESERVED_MARK + "import_from"
INPLACE = RESERVED_MARK + "inplace"
APPLY = RESERVED_MARK + "apply"
FORCE = RESERVED_MARK + "force"
UNPACK = RESERVED_MARK + "unpack"
NAME = RESERVED_MARK + "name"
"""The keyword under which a guard is told the attribute: its presence in the code proves who wrote the call."""

GUARD_NAMES = frozenset({TYPE, GUESTS, WRITE, PRIVATE, LOAD, IMPORT, IMPORT_FROM, INPLACE, APPLY, FORCE, UNPACK})

_LOAD = ast.Load()
_IN = ast.In()


def _at(node: ast.expr, place: ast.expr | ast.stmt) -> ast.expr:
    node.lineno, node.col_offset = place.lineno, place.col_offset
    node.end_lineno, node.end_col_offset = place.end_lineno, place.end_col_offset
    return node


def name(identifier: str, place: ast.expr | ast.stmt) -> ast.expr:
    """Load a variable."""
    return _at(ast.Name(identifier, _LOAD), place)


def text(value: str, place: ast.expr | ast.stmt) -> ast.expr:
    """Load a constant text."""
    return _at(ast.Constant(value), place)


def call(guard: str, arguments: list[ast.expr], place: ast.expr | ast.stmt) -> ast.expr:
    """Call a guard by position."""
    return _at(ast.Call(name(guard, place), arguments, []), place)


def guarded(guard: str, value: ast.expr, attribute: str) -> ast.expr:
    """Call a guard about an attribute of a value; the keyword is the evidence that the scan looks for."""
    keyword = ast.keyword(NAME, text(attribute, value))
    keyword.lineno, keyword.col_offset = value.lineno, value.col_offset
    keyword.end_lineno, keyword.end_col_offset = value.end_lineno, value.end_col_offset
    return _at(ast.Call(name(guard, value), [value], [keyword]), value)


def admitted(guard: str, value: ast.expr, attribute: str) -> ast.expr:
    """Let a value pass if the guest defined its class, at once where it is a plain name, by the guard otherwise."""
    if type(value) is not ast.Name:
        return guarded(guard, value, attribute)
    kind = _at(ast.Call(name(TYPE, value), [value], []), value)
    test = _at(ast.Compare(kind, [_IN], [name(GUESTS, value)]), value)
    return _at(ast.IfExp(test, value, guarded(guard, value, attribute)), value)


def assign(target: ast.expr, value: ast.expr, place: ast.stmt) -> ast.stmt:
    """Assign to one target."""
    node = ast.Assign([target], value)
    return ast.copy_location(node, place)


def nothing(place: ast.stmt) -> ast.stmt:
    """Do nothing, at that line."""
    return ast.copy_location(ast.Pass(), place)


def store(identifier: str, place: ast.stmt) -> ast.expr:
    """Bind a variable."""
    return _at(ast.Name(identifier, ast.Store()), place)
