"""How are instances kept: of the guest's classes and of handed-out ones, of kinds of built-in classes, and exceptions?

An instance is made by the built-in class that it rests on and filled through descriptors: no `__init__`, `__reduce__`,
`__setattr__` or `__setstate__` runs, on either side.
"""

from __future__ import annotations

import collections
import enum
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.containers import put_items, put_members
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    ENUM_MEMBER,
    EXCEPTION,
    INSTANCE,
    LOST,
    REFERENCE,
    Fill,
    Make,
    Node,
    Sight,
    Workshop,
    hashes_plainly,
    lost_node,
)

_PARTS: Final[dict[type, Callable[[Any], object]]] = {
    int: int.__pos__,
    str: str.__str__,
    float: float.__pos__,
    complex: complex.__pos__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    frozenset: lambda value: tuple(frozenset.__iter__(value)),
    collections.deque: lambda value: _MAXLEN.__get__(value),
    collections.defaultdict: lambda value: None,
}
"""What has to be known to make an instance of each built-in class; none for those not named here."""

_ITEMS: Final[dict[type, Callable[[Any], list[Any]]]] = {
    list: lambda value: list(list.__iter__(value)),
    collections.deque: lambda value: list(collections.deque.__iter__(value)),
    set: lambda value: list(set.__iter__(value)),
    bytearray: lambda value: [bytearray.__getitem__(value, slice(None))],
    dict: lambda value: [list(item) for item in dict.items(value)],
    collections.defaultdict: lambda value: [list(item) for item in dict.items(value)],
    collections.OrderedDict: lambda value: [list(item) for item in collections.OrderedDict.items(value)],
}
_DEQUE_INIT: Final[Any] = collections.deque.__init__
_MAXLEN: Final[Any] = collections.deque.__dict__["maxlen"]
_FACTORY: Final[Any] = collections.defaultdict.__dict__["default_factory"]
_MAPPINGS: Final = frozenset({dict, collections.defaultdict, collections.OrderedDict})


def depict_instance(obj: Any, sight: Sight) -> Node:
    """Describe an object of a class that is the guest's or was handed out."""
    cls = type(obj)
    owner = sight.node_of(cls)
    if owner.kind == LOST:
        is_iterator = any("__next__" in layout.namespace(above) for above in layout.mro(cls))
        return lost_node(obj, "a live iterator" if is_iterator else f"its class cannot be kept: {owner.head[2]}")
    if owner.kind == REFERENCE and issubclass(type(cls), enum.EnumType):
        return Node(obj, ENUM_MEMBER, (cls, obj.value))
    if issubclass(cls, BaseException):
        return _depict_exception(obj, sight)
    if layout.has_hidden_state(cls):
        return lost_node(obj, "it has state that Python code cannot see")
    base = layout.base_of(cls)
    if base is frozenset and not hashes_plainly(frozenset.__iter__(obj)):
        return lost_node(obj, "a kind of frozenset whose members have hashes of their own")
    head = (cls, layout.BASES.index(base), _PARTS.get(base, lambda _: None)(obj))
    slots = sight.own([list(slot) for slot in layout.slot_values(obj)])
    node = Node(
        obj, INSTANCE, head, sight.own([layout.instance_dict(obj) or None, slots or None, *_content(obj, base, sight)])
    )
    for slot in slots:
        sight.own(slot)
    return node


def _content(obj: Any, base: type, sight: Sight) -> Iterator[Any]:
    """Give the members of an instance of a container, whether their hashes must wait, and the factory of defaults."""
    if base not in _ITEMS:
        return
    items = sight.own(_ITEMS[base](obj))
    yield items
    if base in _MAPPINGS:
        yield not hashes_plainly(key for key, _ in items)
        for item in items:
            sight.own(item)
    elif base is set:
        yield not hashes_plainly(items)
    if base is collections.defaultdict:
        yield _FACTORY.__get__(obj)


def _make_instance(head: Sequence[Any], shop: Workshop) -> object:
    cls, base_index, part = head
    base = layout.BASES[base_index]
    if not isinstance(cls, type) or layout.base_of(cls) is not base or issubclass(cls, BaseException | type):
        raise MalformedWorkspace("an instance of a class of another build")
    if layout.has_hidden_state(cls):
        raise MalformedWorkspace("an instance with state that cannot be stored")
    if base is collections.deque:
        made = collections.deque.__new__(cls)
        _DEQUE_INIT(made, (), part)  # the built-in method: it only sets the greatest length
        return made
    new: Any = base.__new__
    return new(cls) if part is None else new(cls, part)


def _fill_instance(made: Any, body: Any, shop: Workshop) -> None:
    attributes, slots, *content = body
    set_attributes(made, attributes)
    for place, name, value in slots or ():
        layout.set_slot(made, place, name, value)
    base = layout.base_of(type(made))
    if base not in _ITEMS:
        return
    items = content[0]
    if base is collections.defaultdict:
        _FACTORY.__set__(made, content[2])
    if base in _MAPPINGS:
        put_items(made, items if content[1] else dict(items), shop)
    elif base is set:
        put_members(made, content[1], items, shop)
    elif base is bytearray:
        bytearray.extend(made, items[0])
    else:
        base.extend(made, items)  # type: ignore[attr-defined]


def set_attributes(made: object, attributes: dict[str, Any] | None) -> None:
    """Give an object its dictionary of attributes: the very one that was stored, which others may hold as well."""
    if attributes is None:
        return
    descriptor = layout.dict_descriptor(type(made))
    if type(attributes) is not dict or descriptor is None:
        raise MalformedWorkspace("attributes of an object that has none")
    if type(descriptor) is types.GetSetDescriptorType:
        descriptor.__set__(made, attributes)
    else:
        descriptor.__get__(made).update(attributes)


def _depict_exception(error: BaseException, sight: Sight) -> Node:
    native = _native_error(type(error))
    if issubclass(native, BaseExceptionGroup):
        return lost_node(error, "a group of exceptions")
    fields = [list(field) for field in _filled_fields(native, error)]
    body = [
        *(BaseException.args.__get__(error), fields, layout.instance_dict(error) or None),  # type: ignore[attr-defined]
        *(_CAUSE.__get__(error), _CONTEXT.__get__(error), _SUPPRESS.__get__(error)),
        [list(slot) for slot in layout.slot_values(error)],
    ]
    for part in (fields, *fields, body[-1], *body[-1]):
        sight.own(part)
    return Node(error, EXCEPTION, (type(error),), sight.own(body))


_CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
_CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
_SUPPRESS: Final[Any] = BaseException.__dict__["__suppress_context__"]


def _native_error(cls: type) -> Any:
    """Find the built-in exception that a class rests on."""
    return next(above for above in layout.mro(cls) if not layout.is_made_at_run_time(above))


def _filled_fields(native: type, error: BaseException) -> Iterator[tuple[str, object]]:
    """Give the fields that are set; the object that an AttributeError happened to is not the error's to keep."""
    for name, member in _error_fields(native).items():
        value = None if name == "obj" else member.__get__(error)
        if value is not None:
            yield name, value


def _error_fields(native: type) -> dict[str, Any]:
    """Give the descriptors of what built-in exceptions hold beside their arguments."""
    fields: dict[str, Any] = {}
    for above in reversed(layout.mro(native)):
        for name, member in layout.namespace(above).items():
            if type(member) is types.MemberDescriptorType and name != "__suppress_context__":
                fields[name] = member
    return fields


def _make_exception(head: Sequence[Any], shop: Workshop) -> object:
    (cls,) = head
    if not isinstance(cls, type) or not issubclass(cls, BaseException) or issubclass(cls, BaseExceptionGroup):
        raise MalformedWorkspace("an exception of another class")
    return _native_error(cls).__new__(cls)


def _fill_exception(made: Any, body: Any, shop: Workshop) -> None:
    arguments, fields, attributes, cause, context, suppress, slots = body
    native = _native_error(type(made))
    if issubclass(native, UnicodeError) and arguments:
        native.__init__(made, *arguments)
    BaseException.args.__set__(made, arguments)  # type: ignore[attr-defined]
    members = _error_fields(native)
    for name, value in fields:
        members[name].__set__(made, value)
    set_attributes(made, attributes)
    for place, name, value in slots:
        layout.set_slot(made, place, name, value)
    _CAUSE.__set__(made, cause if isinstance(cause, BaseException) else None)
    _CONTEXT.__set__(made, context if isinstance(context, BaseException) else None)
    _SUPPRESS.__set__(made, suppress)


def _make_enum_member(head: Sequence[Any], shop: Workshop) -> object:
    cls, value = head
    if not isinstance(cls, enum.EnumType):
        raise MalformedWorkspace("a member of something that is no enumeration")
    return cls(value)


MAKERS: Final[dict[int, Make]] = {
    INSTANCE: _make_instance,
    EXCEPTION: _make_exception,
    ENUM_MEMBER: _make_enum_member,
}
FILLERS: Final[dict[int, Fill]] = {INSTANCE: _fill_instance, EXCEPTION: _fill_exception}
