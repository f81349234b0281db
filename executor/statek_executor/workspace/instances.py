"""How are instances kept: of the guest's classes and of handed-out ones, of kinds of built-in classes?

An instance is made by the built-in class that it rests on and filled through descriptors: no `__init__`, `__reduce__`,
`__setattr__` or `__setstate__` runs, on either side.
"""

from __future__ import annotations

import collections
import enum
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.containers import put_items, put_members
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.exceptions import depict_exception
from statek_executor.workspace.nodes import (
    ENUM_MEMBER,
    INSTANCE,
    LOST,
    RANDOM,
    REFERENCE,
    Fill,
    Make,
    Node,
    Sight,
    Workshop,
    hashes_plainly,
    lost_node,
)

_DEQUE_INIT: Final[Any] = collections.deque.__init__
_MAXLEN: Final[Any] = collections.deque.__dict__["maxlen"]
_FACTORY: Final[Any] = collections.defaultdict.__dict__["default_factory"]
_SEEDABLE: Final[Any] = random.Random.__base__  # written in C: making one does not draw from the system

_PARTS: Final[dict[type, Callable[[Any], object]]] = {
    int: int.__pos__,
    str: str.__str__,
    float: float.__pos__,
    complex: complex.__pos__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    frozenset: lambda value: tuple(frozenset.__iter__(value)),
    collections.deque: lambda value: _MAXLEN.__get__(value),
}
"""What has to be known to make an instance of a kind of these built-in classes: the exact value that it is."""

_ITEMS: Final[dict[type, Callable[[Any], list[Any]]]] = {
    list: lambda value: list(list.__iter__(value)),
    collections.deque: lambda value: list(collections.deque.__iter__(value)),
    set: lambda value: list(set.__iter__(value)),
    bytearray: lambda value: [bytearray.__getitem__(value, slice(None))],
    dict: lambda value: [list(item) for item in dict.items(value)],
    collections.defaultdict: lambda value: [list(item) for item in dict.items(value)],
    collections.OrderedDict: lambda value: [list(item) for item in collections.OrderedDict.items(value)],
}
_MAPPINGS: Final = frozenset({dict, collections.defaultdict, collections.OrderedDict})


def depict_instance(obj: Any, sight: Sight) -> Node:
    """Describe an object of a class that is the guest's or was handed out."""
    cls = type(obj)
    owner = sight.judge(cls)
    if owner.kind == LOST:
        return lost_node(obj, _iterates(cls) or f"its class cannot be kept: {owner.head[2]}")
    if owner.kind == REFERENCE and issubclass(type(cls), enum.EnumType):
        return Node(obj, ENUM_MEMBER, (cls, obj.value))
    if owner.kind == REFERENCE and issubclass(cls, random.Random):
        return Node(obj, RANDOM, (cls,), sight.own(list(random.Random.getstate(obj))))
    laid_out = sight.layout(cls)
    if laid_out.has_hidden_state:
        return lost_node(obj, _iterates(cls) or "it has state that Python code cannot see")
    if laid_out.is_error:
        return depict_exception(obj, laid_out, sight)
    return _depict_parts(obj, laid_out, sight)


def _iterates(cls: type) -> str | None:
    return "a live iterator" if any("__next__" in layout.namespace(above) for above in layout.mro(cls)) else None


def _depict_parts(obj: Any, laid_out: layout.Layout, sight: Sight) -> Node:
    base = laid_out.base
    if base is frozenset and not hashes_plainly(frozenset.__iter__(obj)):
        return lost_node(obj, "a kind of frozenset whose members have hashes of their own")
    part = _PARTS[base](obj) if base in _PARTS else None
    body: list[Any] = [laid_out.attributes(obj)]
    if laid_out.slots or base in _ITEMS:
        slots = sight.own([sight.own(slot) for slot in laid_out.filled_slots(obj)])
        body += [slots or None, *_content(obj, base, sight)]
    return Node(obj, INSTANCE, (type(obj), laid_out.base_index, part), sight.own(body))


def _content(obj: Any, base: type, sight: Sight) -> Iterator[Any]:
    """Give the members of an instance of a container, whether their hashes must wait, and the factory of defaults."""
    if base not in _ITEMS:
        return
    items = sight.own(_ITEMS[base](obj))
    yield items
    if base in _MAPPINGS:
        yield not hashes_plainly(sight.own(item)[0] for item in items)
    elif base is set:
        yield not hashes_plainly(items)
    if base is collections.defaultdict:
        yield _FACTORY.__get__(obj)


def _make_instance(head: Sequence[Any], shop: Workshop) -> object:
    cls, base_index, part = head
    laid_out = shop.layout(cls)
    if laid_out.base_index != base_index or laid_out.has_hidden_state or laid_out.is_error:
        raise MalformedWorkspace("an instance of a class of another build")
    new: Any = laid_out.base.__new__
    if laid_out.base is collections.deque:
        made = new(cls)
        _DEQUE_INIT(made, (), part)  # the built-in method: it only sets the greatest length
        return made
    return new(cls) if part is None else new(cls, part)


def _fill_instance(made: Any, body: Any, shop: Workshop) -> None:
    laid_out = shop.layout(type(made))
    attributes, *more = body
    laid_out.set_attributes(made, attributes)
    if not more:
        return
    slots, *content = more
    laid_out.set_slots(made, slots)
    if laid_out.base in _ITEMS:
        _fill_content(made, laid_out.base, content, shop)


def _fill_content(made: Any, base: Any, content: list[Any], shop: Workshop) -> None:
    items, *facts = content
    if base is collections.defaultdict:
        _FACTORY.__set__(made, facts[1])
    if base in _MAPPINGS:
        put_items(made, items if facts[0] else dict(items), shop)
    elif base is set:
        put_members(made, facts[0], items, shop)
    elif base is bytearray:
        bytearray.extend(made, items[0])
    else:
        base.extend(made, items)


def _make_enum_member(head: Sequence[Any], shop: Workshop) -> object:
    cls, value = head
    if type(cls) is not enum.EnumType:
        raise MalformedWorkspace("a member of something that is no enumeration")
    return cls(value)


def _make_random(head: Sequence[Any], shop: Workshop) -> object:
    (cls,) = head
    if not issubclass(cls, random.Random):
        raise MalformedWorkspace("a generator of another class")
    return _SEEDABLE.__new__(cls, 0)


def _fill_random(made: random.Random, body: Any, shop: Workshop) -> None:
    version, state, gauss = body
    random.Random.setstate(made, (version, tuple(state), gauss))


MAKERS: Final[dict[int, Make]] = {
    INSTANCE: _make_instance,
    ENUM_MEMBER: _make_enum_member,
    RANDOM: _make_random,
}
FILLERS: Final[dict[int, Fill]] = {INSTANCE: _fill_instance, RANDOM: _fill_random}
