"""How are the guest's functions kept: by the place of their code, with defaults, closure and attributes?

A cell of a closure is a node of its own, so functions that share a variable go on sharing it.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Sequence
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    BUILTIN_METHOD,
    CELL,
    CLASSMETHOD,
    DECORATED,
    DESCRIPTOR,
    FUNCTION,
    METHOD,
    PROPERTY,
    STATICMETHOD,
    Fill,
    Make,
    Node,
    Portray,
    Sight,
    Workshop,
    lost_node,
)

_PLAIN_METHODS = (types.WrapperDescriptorType, types.MethodDescriptorType)
_KNOWN_CLASSES: Final = frozenset(layout.BASES)


def _depict_function(function: types.FunctionType, sight: Sight) -> Node:
    if id(function.__code__) in _DECORATORS:
        return Node(function, DECORATED, (_DECORATORS[id(function.__code__)], function.__dict__.get("__wrapped__")))
    position = sight.definitions.position(function.__code__)
    if position is None or function.__globals__ is not sight.definitions.namespace:
        return lost_node(function, "a function that no batch of this job defined")
    sight.batches.add(position[0])
    batch, path = position
    body = [
        *(function.__name__, function.__qualname__, function.__module__, function.__doc__, function.__defaults__),
        *(function.__kwdefaults__, function.__annotations__ or None, function.__dict__ or None),
    ]
    return Node(function, FUNCTION, (batch, path, *(function.__closure__ or ())), sight.own(body))


_DECORATORS: Final = {
    id(code): name
    for name in ("contextmanager",)
    for code in getattr(contextlib, name).__code__.co_consts
    if type(code) is types.CodeType
}
"""Decorators of the library that answer with a function of their own, by the identity of its code."""


def _make_decorated(head: Sequence[Any], shop: Workshop) -> object:
    name, wrapped = head
    if name not in _DECORATORS.values():
        raise MalformedWorkspace("a decorator of another release")
    return getattr(contextlib, name)(wrapped)


def _make_function(head: Sequence[Any], shop: Workshop) -> object:
    batch, path, *cells = head
    code = shop.definitions.code(batch, path)
    return types.FunctionType(code, shop.definitions.namespace, None, None, tuple(cells))


def _fill_function(function: types.FunctionType, body: Any, shop: Workshop) -> None:
    name, qualname, module, doc, defaults, kwdefaults, annotations, attributes = body
    function.__name__ = name
    function.__qualname__ = qualname
    function.__module__ = module
    function.__doc__ = doc
    function.__defaults__ = defaults
    function.__kwdefaults__ = kwdefaults
    if annotations is not None:
        function.__annotations__ = annotations
    if attributes is not None:
        function.__dict__.update(attributes)


def _depict_cell(cell: types.CellType, sight: Sight) -> Node:
    try:
        return Node(cell, CELL, (), sight.own([cell.cell_contents]))
    except ValueError:  # the variable is not bound
        return Node(cell, CELL)


def _fill_cell(cell: types.CellType, body: Any, shop: Workshop) -> None:
    (cell.cell_contents,) = body


def _depict_builtin(method: types.BuiltinMethodType, sight: Sight) -> Node:
    owner: Any = method.__self__
    if owner is None or type(owner) is types.ModuleType:
        return lost_node(method, "a function that was not handed out by name")
    cls = owner if issubclass(type(owner), type) else type(owner)
    if not any(method.__name__ in layout.namespace(above) for above in layout.mro(cls) if above in _KNOWN_CLASSES):
        return lost_node(method, "a method of an object whose state is not known")
    return Node(method, BUILTIN_METHOD, (owner, method.__name__))


def _make_builtin(head: Sequence[Any], shop: Workshop) -> object:
    owner, name = head
    is_class = issubclass(type(owner), type)
    for above in layout.mro(owner if is_class else type(owner)):
        if above in _KNOWN_CLASSES and name in layout.namespace(above):
            descriptor = layout.namespace(above)[name]
            if name == "__new__" and type(descriptor) is types.BuiltinMethodType:
                return descriptor
            if type(descriptor) is (types.ClassMethodDescriptorType if is_class else types.MethodDescriptorType):
                return descriptor.__get__(None if is_class else owner, type(owner) if not is_class else owner)
    raise MalformedWorkspace("no such built-in method")


def _depict_descriptor(descriptor: Any, sight: Sight) -> Node:
    if descriptor.__objclass__ not in _KNOWN_CLASSES and not issubclass(descriptor.__objclass__, BaseException):
        return lost_node(descriptor, "a method of a class that is not known")
    return Node(descriptor, DESCRIPTOR, (descriptor.__objclass__, descriptor.__name__))


def _make_descriptor(head: Sequence[Any], shop: Workshop) -> object:
    cls, name = head
    known = type(cls) is type and (cls in _KNOWN_CLASSES or issubclass(cls, BaseException))
    descriptor = layout.namespace(cls).get(name) if known else None
    if type(descriptor) not in _PLAIN_METHODS:
        raise MalformedWorkspace("no such built-in method")
    return descriptor


def _depict_property(attribute: property, sight: Sight) -> Node:
    parts = [attribute.fget, attribute.fset, attribute.fdel, attribute.__doc__]
    return Node(attribute, PROPERTY, (), sight.own(parts))


def _fill_property(made: property, body: Any, shop: Workshop) -> None:
    getter, setter, deleter, doc = body
    property.__init__(made, getter, setter, deleter, doc)


def _fill_wrapper(made: Any, body: Any, shop: Workshop) -> None:
    type(made).__init__(made, body[0])


PORTRAITS: Final[dict[type, Portray]] = {
    types.FunctionType: _depict_function,
    types.CellType: _depict_cell,
    types.MethodType: lambda method, sight: Node(method, METHOD, (method.__func__, method.__self__)),
    types.BuiltinMethodType: _depict_builtin,
    types.WrapperDescriptorType: _depict_descriptor,
    types.MethodDescriptorType: _depict_descriptor,
    property: _depict_property,
    staticmethod: lambda made, sight: Node(made, STATICMETHOD, (), sight.own([made.__func__])),
    classmethod: lambda made, sight: Node(made, CLASSMETHOD, (), sight.own([made.__func__])),
}
MAKERS: Final[dict[int, Make]] = {
    FUNCTION: _make_function,
    DECORATED: _make_decorated,
    CELL: lambda head, shop: types.CellType(),
    METHOD: lambda head, shop: types.MethodType(*head),
    BUILTIN_METHOD: _make_builtin,
    DESCRIPTOR: _make_descriptor,
    PROPERTY: lambda head, shop: property(),
    STATICMETHOD: lambda head, shop: staticmethod(_nothing),
    CLASSMETHOD: lambda head, shop: classmethod(_nothing),
}
FILLERS: Final[dict[int, Fill]] = {
    FUNCTION: _fill_function,
    CELL: _fill_cell,
    PROPERTY: _fill_property,
    STATICMETHOD: _fill_wrapper,
    CLASSMETHOD: _fill_wrapper,
}


def _nothing(*_: object) -> None:
    """Stand in a static or class method until the function that it wraps is there."""
