"""How are the guest's classes kept, and what the standard library put into them?

A class is made empty, its bases before it, and gets its attributes one by one afterwards: so neither
`__init_subclass__` nor `__set_name__` nor a decorator runs again. What `dataclasses` generated is generated again from
the stored fields; a named tuple is made again by `collections.namedtuple`.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import keyword
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    CLASS,
    GENERATED,
    LOST,
    NAMEDTUPLE,
    REFERENCE,
    Fill,
    Make,
    Node,
    Sight,
    Workshop,
    lost_node,
)

_NOT_STORED: Final = frozenset({"__dict__", "__weakref__", "_abc_impl", "__qualname__", "__name__"})
_SETTABLE: Final = frozenset({"__module__", "__doc__", "__abstractmethods__", "__annotations__"})
"""Attributes whose names `type` itself has a descriptor for, and which mean the class's own all the same."""

_COMPARISONS: Final = {"__eq__": "==", "__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}
_GENERATED_NAMES: Final = frozenset({"__init__", "__repr__", "__hash__", "__setattr__", "__delattr__", *_COMPARISONS})
_NAMEDTUPLE_PARTS: Final = frozenset(
    {"__slots__", "_fields", "__new__", "_make", "_replace", "__repr__", "_asdict", "__getnewargs__", "__match_args__"}
)


def depict_class(cls: Any, sight: Sight) -> Node:
    """Describe a class that the guest defined; its bases are described before it."""
    if _belongs_to_library(cls, sight):
        return lost_node(cls, "it was not handed out by name")
    for above in reversed(layout.mro(cls)[1:]):
        if not _belongs_to_library(above, sight):
            sight.judge(above)  # from the top down, so that a long line of inheritance is no deep recursion
    for base in layout.bases(cls):
        if sight.judge(base).kind == LOST:
            return lost_node(cls, f"its base {layout.class_name(base)} cannot be kept")
    meta = None if type(cls) is _metaclass_of(layout.bases(cls)) else type(cls)
    if meta is not None and sight.judge(meta).kind != REFERENCE:
        return lost_node(cls, "it has a metaclass of its own")
    if _is_namedtuple(cls, sight):
        return _depict_namedtuple(cls, sight)
    attributes = layout.namespace(cls)
    slots = (*layout.own_slots(cls), *(name for name in ("__dict__", "__weakref__") if name in attributes))
    names = (layout.class_name(cls), layout.qualified_name(cls))
    head = (meta, *names, layout.bases(cls), slots if "__slots__" in attributes else None)
    body = sight.own({name: value for name, value in attributes.items() if _is_stored(cls, name, value)})
    _note_generated(cls, attributes, sight)
    return Node(cls, CLASS, head, body)


def _belongs_to_library(cls: type, sight: Sight) -> bool:
    return belongs_to_library(cls) or sight.layout(cls).has_hidden_state


def belongs_to_library(cls: type) -> bool:
    """Tell whether a class is built into the interpreter, or stands in a module under its name."""
    if not layout.is_made_at_run_time(cls):
        return True
    name = layout.namespace(cls).get("__module__")
    module = sys.modules.get(name) if type(name) is str else None
    return module is not None and vars(module).get(layout.class_name(cls)) is cls


def _is_stored(cls: type, name: str, value: object) -> bool:
    if name in _NOT_STORED or name in layout.own_slots(cls):
        return False
    if name == "__subclasshook__" and type(value) is types.FunctionType and value.__globals__ is vars(typing):
        return False  # Protocol puts it into every class that is made of it, also into the empty one
    return name in _SETTABLE or not _is_type_attribute(cls, name)


def _is_type_attribute(cls: type, name: str) -> bool:
    """Tell whether setting this on a class would change the class itself, `__bases__` for one."""
    return any(hasattr(type(layout.namespace(above).get(name)), "__set__") for above in layout.mro(type(cls)))


def _note_generated(cls: type, attributes: Mapping[str, Any], sight: Sight) -> None:
    """Take up the functions that `dataclass` generated: they have no source of their own."""
    if "__dataclass_params__" not in attributes:
        return
    for name in _GENERATED_NAMES & attributes.keys():
        function = attributes[name]
        if type(function) is types.FunctionType and sight.definitions.position(function.__code__) is None:
            sight.add(Node(function, GENERATED, (cls, name)))


def _make_class(head: Sequence[Any], shop: Workshop) -> object:
    meta, name, qualname, bases, slots = head
    own: dict[str, Any] = {"__qualname__": qualname}
    if slots is not None:
        own["__slots__"] = tuple(slots)
    if typing.Generic in bases:
        own["__orig_bases__"] = ()  # the real ones follow; Generic asks for some before a class may exist
    meta = _metaclass_of(bases) if meta is None else meta
    if not issubclass(meta, abc.ABCMeta):
        return type.__new__(meta, name, bases, own)
    made = abc.ABCMeta.__new__(meta, name, bases, own)
    type.__setattr__(made, "__abstractmethods__", frozenset())  # its methods are not there yet
    return made


def _metaclass_of(bases: tuple[type, ...]) -> type:
    """Give the metaclass that a class with these bases gets by itself."""
    metaclasses = [type(base) for base in bases]
    return next(meta for meta in metaclasses if all(issubclass(meta, other) for other in metaclasses))


def _fill_class(made: Any, attributes: Any, shop: Workshop) -> None:
    for name, value in attributes.items():
        if name not in _SETTABLE and (name in _NOT_STORED or _is_type_attribute(made, name)):
            raise MalformedWorkspace("an attribute that a class does not have")
        type.__setattr__(made, name, value)


def _is_namedtuple(cls: type, sight: Sight) -> bool:
    attributes = layout.namespace(cls)
    maker = attributes.get("__new__")
    maker = maker.__func__ if type(maker) is staticmethod else maker
    return (
        layout.mro(cls) == (cls, tuple, object)
        and type(maker) is types.FunctionType
        and maker.__globals__ is not sight.definitions.namespace
        and maker.__globals__.get("__name__") == f"namedtuple_{layout.class_name(cls)}"
        and type(attributes.get("_fields")) is tuple
    )


def _depict_namedtuple(cls: Any, sight: Sight) -> Node:
    attributes = layout.namespace(cls)
    fields = attributes["_fields"]
    body = {
        name: value
        for name, value in attributes.items()
        if name not in _NAMEDTUPLE_PARTS and name not in fields and _is_stored(cls, name, value)
    }
    body["__qualname__"] = layout.qualified_name(cls)
    return Node(cls, NAMEDTUPLE, (layout.class_name(cls), fields), sight.own(body))


def _make_namedtuple(head: Sequence[Any], shop: Workshop) -> object:
    name, fields = head
    return collections.namedtuple(name, fields)


def _fill_namedtuple(made: Any, attributes: Any, shop: Workshop) -> None:
    qualname = attributes.pop("__qualname__", None)
    if qualname is not None:
        made.__qualname__ = qualname
    defaults = attributes.get("_field_defaults")
    if defaults:
        made.__new__.__defaults__ = tuple(defaults.values())
    _fill_class(made, attributes, shop)


def _make_generated(head: Sequence[Any], shop: Workshop) -> object:
    """Generate a method of a data class again, from fields that are complete by now."""
    cls, name = head
    fields = _checked_fields(cls)
    function = _generate(cls, name, fields)
    dataclasses._set_qualname(cls, function)  # type: ignore[attr-defined]
    return function


def _checked_fields(cls: Any) -> list[Any]:
    """Give a data class's fields; their names become source text, so they must be names and nothing else."""
    fields = list(layout.namespace(cls)["__dataclass_fields__"].values())
    for field in fields:
        if type(field) is not dataclasses.Field or type(field.name) is not str:
            raise MalformedWorkspace("a data class with something else for a field")
        if not field.name.isidentifier() or keyword.iskeyword(field.name):
            raise MalformedWorkspace("a field whose name is no name")
    return fields


def _generate(cls: Any, name: str, fields: list[Any]) -> Any:
    module: Any = dataclasses  # its generators are private; the version of Python is fixed
    real = [field for field in fields if field._field_type is module._FIELD]
    if name == "__init__":
        return _generate_init(cls, fields, module)
    if name == "__repr__":
        return module._repr_fn([field for field in real if field.repr], {})
    if name in _COMPARISONS:
        compared = [field for field in real if field.compare]
        return module._cmp_fn(
            name, _COMPARISONS[name], module._tuple_str("self", compared), module._tuple_str("other", compared), {}
        )
    if name == "__hash__":
        return module._hash_fn([f for f in real if (f.compare if f.hash is None else f.hash)], {})
    setter, deleter = module._frozen_get_del_attr(cls, real, {})
    return {"__setattr__": setter, "__delattr__": deleter}[name]


def _generate_init(cls: Any, fields: list[Any], module: Any) -> Any:
    taken = [field for field in fields if field._field_type in (module._FIELD, module._FIELD_INITVAR)]
    attributes = layout.namespace(cls)
    return module._init_fn(
        taken,
        *module._fields_in_init_order(taken),
        attributes["__dataclass_params__"].frozen,
        any("__post_init__" in layout.namespace(above) for above in layout.mro(cls)),
        "__dataclass_self__" if any(field.name == "self" for field in fields) else "self",
        {},
        "__slots__" in attributes,
    )


def is_class(obj: object) -> bool:
    """Tell whether an object is a class, whatever it says of itself."""
    return issubclass(type(obj), type)


MAKERS: Final[dict[int, Make]] = {CLASS: _make_class, NAMEDTUPLE: _make_namedtuple, GENERATED: _make_generated}
FILLERS: Final[dict[int, Fill]] = {CLASS: _fill_class, NAMEDTUPLE: _fill_namedtuple}
