"""How are exceptions kept: arguments, fields, attributes, notes, cause and context, and no traceback?"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import EXCEPTION, Fill, Make, Node, Sight, Workshop, lost_node

_ARGS: Final[Any] = BaseException.__dict__["args"]
_CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
_CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
_SUPPRESS: Final[Any] = BaseException.__dict__["__suppress_context__"]


def depict_exception(error: BaseException, laid_out: layout.Layout, sight: Sight) -> Node:
    """Describe an exception of a built-in class or of one that the guest derived."""
    if issubclass(laid_out.base, BaseExceptionGroup):
        return lost_node(error, "a group of exceptions")
    body = [
        _ARGS.__get__(error),
        sight.own([sight.own(field) for field in _filled_fields(laid_out.base, error)]),
        laid_out.attributes(error),
        sight.own([sight.own(slot) for slot in laid_out.filled_slots(error)]),
        *(_CAUSE.__get__(error), _CONTEXT.__get__(error), _SUPPRESS.__get__(error)),
    ]
    return Node(error, EXCEPTION, (type(error),), sight.own(body))


def _filled_fields(native: type, error: BaseException) -> Iterator[list[Any]]:
    """Give the fields that are set; the object that an AttributeError happened to is not the error's to keep."""
    for name, member in _fields(native).items():
        value = None if name == "obj" else member.__get__(error)
        if value is not None:
            yield [name, value]


def _fields(native: type) -> dict[str, Any]:
    """Give the descriptors of what a built-in exception holds beside its arguments."""
    return {
        name: member
        for above in reversed(layout.mro(native))
        for name, member in layout.namespace(above).items()
        if type(member) is types.MemberDescriptorType and name != "__suppress_context__"
    }


def _make_exception(head: Sequence[Any], shop: Workshop) -> object:
    (cls,) = head
    laid_out = shop.layout(cls)
    if not laid_out.is_error or laid_out.has_hidden_state or issubclass(cls, BaseExceptionGroup):
        raise MalformedWorkspace("an exception of another class")
    new: Any = laid_out.base.__new__
    return new(cls)


def _fill_exception(made: Any, body: Any, shop: Workshop) -> None:
    laid_out = shop.layout(type(made))
    native: Any = laid_out.base
    arguments, fields, attributes, slots, cause, context, suppress = body
    if issubclass(native, UnicodeError) and arguments:
        native.__init__(made, *arguments)  # the built-in method: it takes the fields apart
    _ARGS.__set__(made, arguments)
    members = _fields(native)
    for name, value in fields:
        members[name].__set__(made, value)
    laid_out.set_attributes(made, attributes)
    laid_out.set_slots(made, slots)
    _CAUSE.__set__(made, cause if issubclass(type(cause), BaseException) else None)
    _CONTEXT.__set__(made, context if issubclass(type(context), BaseException) else None)
    _SUPPRESS.__set__(made, suppress)


MAKERS: Final[dict[int, Make]] = {EXCEPTION: _make_exception}
FILLERS: Final[dict[int, Fill]] = {EXCEPTION: _fill_exception}
