"""How are the forms of `typing` kept that stand in annotations and in the bases of generic classes?"""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, Final

from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    FORWARD,
    GENERIC_ALIAS,
    TYPE_VARIABLE,
    TYPING_ALIAS,
    UNION,
    Fill,
    Make,
    Node,
    Portray,
    Sight,
    Workshop,
    lost_node,
)

_FORMS: Final[Any] = typing
_ALIASES: Final[tuple[type, ...]] = (
    _FORMS._GenericAlias,
    _FORMS._UnionGenericAlias,
    _FORMS._CallableGenericAlias,
    _FORMS._LiteralGenericAlias,
)
"""The index is stored. All are made of an origin, arguments, a name and whether they may be called."""

SHARED_FORMS: Final = frozenset({*_ALIASES, types.GenericAlias, types.UnionType})
"""Forms that never change and that `typing` hands out again for equal arguments, to variables that share nothing."""


def parts_of_form(form: Any) -> tuple[Any, ...]:
    """Give what a shared form is made of."""
    return (*form.__args__,) if type(form) is types.UnionType else (form.__origin__, *form.__args__)


def _depict_alias(alias: Any, sight: Sight) -> Node:
    head = (_ALIASES.index(type(alias)), alias.__origin__, alias.__args__, alias._name, alias._inst)
    return Node(alias, TYPING_ALIAS, head)


def _make_alias(head: Sequence[Any], shop: Workshop) -> object:
    index, origin, arguments, name, may_be_called = head
    return _ALIASES[index](origin, arguments, name=name, inst=may_be_called)


def _depict_variable(variable: Any, sight: Sight) -> Node:
    variance = (variable.__covariant__, variable.__contravariant__)
    return Node(variable, TYPE_VARIABLE, (variable.__name__, variable.__constraints__, variable.__bound__, *variance))


def _make_variable(head: Sequence[Any], shop: Workshop) -> object:
    name, constraints, bound, covariant, contravariant = head
    return typing.TypeVar(name, *constraints, bound=bound, covariant=covariant, contravariant=contravariant)


def _make_forward(head: Sequence[Any], shop: Workshop) -> object:
    """Make a reference to a type by its name; its text is never evaluated here, nor by what guests are offered."""
    (text,) = head
    if not _is_dotted_name(text):
        raise MalformedWorkspace("a name of a type that is no name")
    return typing.ForwardRef(text)


def _make_generic_alias(head: Sequence[Any], shop: Workshop) -> object:
    origin, arguments = head
    return types.GenericAlias(origin, arguments)


def _make_union(head: Sequence[Any], shop: Workshop) -> object:
    union, *others = head
    for other in others:
        union = union | other
    return union


def _depict_forward(forward: typing.ForwardRef, sight: Sight) -> Node:
    text = forward.__forward_arg__
    if not _is_dotted_name(text):
        return lost_node(forward, "a type given as text that is more than a name")
    return Node(forward, FORWARD, (text,))


def _is_dotted_name(text: object) -> bool:
    return type(text) is str and all(part.isidentifier() for part in text.split("."))


PORTRAITS: Final[dict[type, Portray]] = {
    typing.ForwardRef: _depict_forward,
    **dict.fromkeys(_ALIASES, _depict_alias),
    typing.TypeVar: _depict_variable,
    types.GenericAlias: lambda alias, sight: Node(alias, GENERIC_ALIAS, (alias.__origin__, alias.__args__)),
    types.UnionType: lambda union, sight: Node(union, UNION, union.__args__),
}
MAKERS: Final[dict[int, Make]] = {
    TYPING_ALIAS: _make_alias,
    TYPE_VARIABLE: _make_variable,
    FORWARD: _make_forward,
    GENERIC_ALIAS: _make_generic_alias,
    UNION: _make_union,
}
FILLERS: Final[dict[int, Fill]] = {}
