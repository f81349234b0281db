"""`typing.get_type_hints` and `ast.literal_eval`: text as a value, and none of it run as code."""

import ast
import types
import typing
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from statek_policies.language.guests import Guests, ancestry, class_dict, is_guest_class
from statek_policies.language.words import is_matchable

_DEEPEST = 50
"""Nested annotations that are resolved."""


def literal_eval(node_or_string: str, /) -> Any:
    """Do what `ast.literal_eval` does with a text."""
    if not isinstance(node_or_string, str):
        raise TypeError(f"literal_eval() takes text here, not {type(node_or_string).__name__!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning about the guest's text is none about ours
        return ast.literal_eval(str.__str__(node_or_string))


def own_hints(guests: Guests, function: Any) -> dict[str, Any]:
    """Return the annotations of a function of the guest's, those kept as text resolved."""
    resolve = _Resolver(guests.namespace, {})
    return {name: resolve(hint) for name, hint in _hints(function).items()} if guests.is_definition(function) else {}


def annotation_exports(guests: Guests) -> dict[str, dict[str, object]]:
    """Return the replacements by module."""
    return {"typing": {"get_type_hints": _get_type_hints(guests)}, "ast": {"literal_eval": literal_eval}}


def _get_type_hints(guests: Guests) -> Callable[..., dict[str, Any]]:
    def get_type_hints(
        obj: Any, globalns: Any = None, localns: Any = None, include_extras: bool = False
    ) -> dict[str, Any]:
        if not guests.is_definition(obj):
            return {}
        names = {**(globalns or {}), **(localns or {})}
        resolve = _Resolver(guests.namespace, names)
        return {name: _plain(resolve(hint), include_extras) for name, hint in _hints(obj).items()}

    return get_type_hints


def _hints(obj: Any) -> dict[str, Any]:
    if not isinstance(obj, type):
        return dict(obj.__annotations__)
    own = (class_dict(cls).get("__annotations__", {}) for cls in reversed(ancestry(obj)) if is_guest_class(cls))
    return {name: hint for hints in own for name, hint in hints.items()}


def _plain(hint: Any, include_extras: bool) -> Any:
    strip: Callable[[Any], Any] = vars(typing)["_strip_annotations"]
    return hint if include_extras else strip(hint)


class _Resolver:
    """Turns an annotation that is kept as text into what it names: dotted names, brackets and `|`, no other code."""

    def __init__(self, namespace: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._names = names

    def __call__(self, hint: Any) -> Any:
        if isinstance(hint, typing.ForwardRef):
            hint = hint.__forward_arg__
        if hint is None:
            return types.NoneType
        if not isinstance(hint, str):
            return hint
        try:
            found = self._value(ast.parse(str.__str__(hint).strip(), mode="eval").body)
        except SyntaxError:
            raise SyntaxError(f"the annotation {str.__str__(hint)!r} is not an expression") from None
        return types.NoneType if found is None else found

    def _value(self, node: ast.expr, depth: int = 0, *, literally: bool = False) -> Any:
        """Return what a node names; text in it is an annotation kept as text, or a text where it is meant literally."""
        if depth > _DEEPEST:
            raise RecursionError("the annotation is nested too deeply")
        match node:
            case ast.Name(id=name):
                return self._named(name)
            case ast.Constant(value=str(text)) if not literally:
                return self(text)
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return -number
            case ast.Attribute(value=value, attr=name) if is_matchable(name):
                return getattr(self._value(value, depth + 1), name)
            case ast.Subscript(value=value, slice=index):
                form = self._value(value, depth + 1)
                return form[self._index(form, index, depth + 1)]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._value(left, depth + 1) | self._value(right, depth + 1)
            case ast.Tuple(elts=items):
                return tuple(self._value(item, depth + 1, literally=literally) for item in items)
            case ast.List(elts=items):
                return [self._value(item, depth + 1) for item in items]
        raise TypeError("an annotation kept as text may hold dotted names, brackets and `|` only")

    def _index(self, form: Any, index: ast.expr, depth: int) -> Any:
        """Return what stands in a form's brackets: in `Literal` all is meant literally, in `Annotated` all but one."""
        if form is typing.Annotated and type(index) is ast.Tuple and index.elts:
            annotated, *said = index.elts
            return (self._value(annotated, depth), *(self._value(item, depth, literally=True) for item in said))
        return self._value(index, depth, literally=form is typing.Literal)

    def _named(self, name: str) -> Any:
        builtin: Mapping[str, Any] = self._namespace["__builtins__"]
        for names in (self._names, self._namespace, builtin):
            if name in names and not name.startswith("__"):
                return names[name]
        raise NameError(f"name {name!r} is not defined", name=name)
