"""How are built-in containers kept that are shared, cyclic, deeply nested, or hold keys that the guest hashes?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    BYTEARRAY,
    DICT,
    FROZENSET,
    LIST,
    SET,
    TEXT,
    TUPLE,
    Fill,
    Make,
    Node,
    Portray,
    Sight,
    Workshop,
    hashes_plainly,
)


def depict_container(container: Any, sight: Sight) -> Node:
    """Describe a container or long text that has to be a node; its parts are explored where it is met."""
    kind = _KINDS[type(container)]
    if kind == TUPLE:
        return Node(container, TUPLE, container)
    if kind == TEXT:
        return Node(container, TEXT, (container,))
    if kind == LIST:
        return Node(container, LIST, (), container)
    node = Node(container, kind)
    node.hashes_late = not hashes_plainly(container)
    if kind == FROZENSET:
        node.head, node.body = tuple(container), node.hashes_late
    elif kind == SET:
        node.body = sight.own([node.hashes_late, sight.own(list(container))])
    else:
        node.body = sight.own([list(item) for item in container.items()]) if node.hashes_late else container
    return node


_KINDS: Final[dict[Any, int]] = {
    list: LIST,
    dict: DICT,
    set: SET,
    frozenset: FROZENSET,
    tuple: TUPLE,
    str: TEXT,
    bytes: TEXT,
}


def _depict_bytearray(array: bytearray, sight: Sight) -> Node:
    return Node(array, BYTEARRAY, (), bytes(array))


def put_members(target: set[Any], late: object, members: Sequence[Any], shop: Workshop) -> None:
    """Fill a set, or an instance of a subclass, at once or when its members' hashes can be asked."""
    if late:
        shop.later(target, lambda: set.update(target, members))
    else:
        set.update(target, members)


def put_items(target: dict[Any, Any], items: Any, shop: Workshop) -> None:
    """Fill a dictionary, or an instance of a subclass; a list of pairs means that its keys' hashes must wait."""
    if type(items) is dict:
        _store(target, items)
    elif type(items) is list:
        shop.later(target, lambda: _store(target, items))
    else:
        raise MalformedWorkspace("a dictionary without items")


def _store(target: dict[Any, Any], items: Any) -> None:
    """Put items in through the built-in class; an ordered dictionary keeps an order of its own."""
    if not issubclass(type(target), OrderedDict):
        dict.update(target, items)
        return
    for key, value in dict(items).items():
        OrderedDict.__setitem__(target, key, value)


def _fill_list(made: list[Any], body: Any, shop: Workshop) -> None:
    made.extend(body)


def _fill_dict(made: dict[Any, Any], body: Any, shop: Workshop) -> None:
    put_items(made, body, shop)


def _fill_set(made: set[Any], body: Any, shop: Workshop) -> None:
    late, members = body
    put_members(made, late, members, shop)


PORTRAITS: Final[dict[type, Portray]] = {bytearray: _depict_bytearray}
MAKERS: Final[dict[int, Make]] = {
    LIST: lambda head, shop: [],
    DICT: lambda head, shop: {},
    SET: lambda head, shop: set(),
    TUPLE: lambda head, shop: tuple(head),
    FROZENSET: lambda head, shop: frozenset(head),
    TEXT: lambda head, shop: head[0],
    BYTEARRAY: lambda head, shop: bytearray(),
}
FILLERS: Final[dict[int, Fill]] = {
    LIST: _fill_list,
    DICT: _fill_dict,
    SET: _fill_set,
    BYTEARRAY: lambda made, body, shop: made.extend(body),
}
