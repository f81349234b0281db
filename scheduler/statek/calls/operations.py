"""What a guest does to an application's object, done. In dbzero's thread; the arguments are the objects themselves.

Each function takes the object and what came with it, and gives the result, which has yet to cross. What the object's
own code raises goes on to the guest; what a guest may not do raises `MemberRefused`, what makes no sense `TypeError`.
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from statek.calls import members
from statek.store import containers
from statek_policies import Policy
from statek_protocol import operations

ITEMS: Final = 1_000
"""Items that one call of an iteration may ask for."""
FURTHEST: Final = 1_000_000
"""Items that an iteration may have behind it: each call goes over them again, and some iterators never end."""
_WIDE: Final = re.compile(r"\d{4}")
"""A width or precision in a format that can only be meant to fill this process's memory."""

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""What `object.__repr__` tells of this process's memory; it is different in each, and nobody's business."""
_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class IsMethod(Exception):
    """The guest read as an attribute what is a method; it will call it instead."""


class GuestRaised(Exception):
    """What an object's `__exit__` is given where guest code left its `with` block by an exception."""


class Chunk:
    """Some items of an iteration, of which the last ones may be left out, and whether they are the last there are."""

    def __init__(self, items: list[Any], *, ended: bool) -> None:
        self.items = items
        self.ended = ended

    def half(self) -> Chunk:
        """Give the first half, for a chunk that is too large to cross."""
        return Chunk(self.items[: len(self.items) // 2], ended=False)


def perform(operation: str, arguments: Sequence[Any], policy: Policy) -> Any:
    """Do one of `statek_protocol.operations.OBJECT_OPERATIONS`."""
    return _OPERATIONS[operation](policy, *arguments)


def _describe(policy: Policy, owner: Any, what: Any = None) -> tuple[str, ...]:
    methods = members.method_names(type(owner))
    return methods if what is None else members.public_names(owner, methods, policy)


def _get(policy: Policy, owner: Any, name: Any) -> Any:
    exact = members.check(owner, name, policy)
    if members.method(owner, exact) is not None:
        raise IsMethod(exact)
    return getattr(owner, exact)


def _set(policy: Policy, owner: Any, name: Any, value: Any) -> None:
    exact = members.check(owner, name, policy)
    if not members.may_set(owner, exact):
        raise AttributeError(f"{exact!r} of a {type(owner).__name__} is defined by its class and cannot be set")
    setattr(owner, exact, value)


def _delete(policy: Policy, owner: Any, name: Any) -> None:
    delattr(owner, members.check(owner, name, policy))


def _invoke(policy: Policy, owner: Any, name: Any, args: Any, kwargs: Any) -> Any:
    if type(args) is not tuple or type(kwargs) is not dict or not all(type(key) is str for key in kwargs):
        raise TypeError("a tuple and a dict of arguments are needed")
    if name is None:
        return _special(owner, members.ITSELF, policy, "cannot be called")(*args, **kwargs)
    if name in members.CONTEXT:
        bound = _special(owner, name, policy, "does not support the context manager protocol")
        return bound() if name == "__enter__" else bound(*_failure(args))
    exact = members.check(owner, name, policy)
    bound_method = members.method(owner, exact)
    if bound_method is None:
        getattr(owner, exact)  # says so if there is no such attribute either
        raise TypeError(f"{exact!r} of a {type(owner).__name__} is no method; what an attribute holds is not called")
    return bound_method(*args, **kwargs)


def _special(owner: Any, name: str, policy: Policy, otherwise: str) -> Callable[..., Any]:
    members.check_offered(owner, name, policy)
    bound = members.method(owner, name)
    if bound is None:
        raise TypeError(f"a {type(owner).__name__} {otherwise}")
    return bound


def _failure(args: tuple[Any, ...]) -> tuple[Any, Any, None]:
    """Make the arguments of `__exit__` from the name and the text of the guest's exception; it had none if empty."""
    match args:
        case ():
            return None, None, None
        case (str() as kind, str() as text):
            return GuestRaised, GuestRaised(f"{kind}: {text}"), None
    raise TypeError("the name and the text of an exception are needed")


def _item(policy: Policy, owner: Any, *key: Any) -> Any:
    members.check_offered(owner, "__getitem__", policy)
    return owner[key[0] if len(key) == 1 else slice(*key)]


def _set_item(policy: Policy, owner: Any, key: Any, value: Any) -> None:
    members.check_offered(owner, "__setitem__", policy)
    owner[key] = value


def _delete_item(policy: Policy, owner: Any, key: Any) -> None:
    members.check_offered(owner, "__delitem__", policy)
    del owner[key]


def _length(policy: Policy, owner: Any) -> int:
    members.check_offered(owner, "__len__", policy)
    return len(owner)


def _iterate(policy: Policy, owner: Any, start: Any, count: Any) -> Chunk:
    members.check_offered(owner, "__iter__", policy)
    if not (type(start) is int and type(count) is int and start >= 0 and 0 < count <= ITEMS):
        raise TypeError("a place to start from and a number of items are needed")
    if start > FURTHEST:
        raise ValueError(f"only the first {FURTHEST} items of an object can be gone through")
    iterator = iter(owner)
    if iterator is owner:
        start = 0  # it goes on from where it is, since nobody can begin it anew
    items = list(itertools.islice(iterator, start, start + count))
    return Chunk(items, ended=len(items) < count)


def _contains(policy: Policy, owner: Any, item: Any) -> bool:
    members.check_offered(owner, "__contains__", policy)
    return item in owner


def _compare(policy: Policy, owner: Any, how: Any, other: Any) -> Any:
    if how not in _COMPARISONS:
        raise TypeError("no such comparison")
    return _COMPARISONS[how](owner, other)


def _text(policy: Policy, owner: Any, how: Any) -> str:
    match how:
        case "str":
            return _ADDRESS.sub("", str(owner))
        case "repr":
            return _ADDRESS.sub("", repr(owner))
        case str() if how.startswith("format:") and not _WIDE.search(how):
            return _ADDRESS.sub("", format(owner, how.removeprefix("format:")))
    raise TypeError("no such text")


def _truth(policy: Policy, owner: Any) -> bool:
    return bool(owner)


_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    operations.OBJECT_DESCRIBE: _describe,
    operations.OBJECT_GET: _get,
    operations.OBJECT_SET: _set,
    operations.OBJECT_DELETE: _delete,
    operations.OBJECT_INVOKE: _invoke,
    operations.OBJECT_ITEM: _item,
    operations.OBJECT_SET_ITEM: _set_item,
    operations.OBJECT_DELETE_ITEM: _delete_item,
    operations.OBJECT_LENGTH: _length,
    operations.OBJECT_ITERATE: _iterate,
    operations.OBJECT_CONTAINS: _contains,
    operations.OBJECT_COMPARE: _compare,
    operations.OBJECT_TEXT: _text,
    operations.OBJECT_TRUTH: _truth,
}

KEEPS_PART: Final = frozenset({operations.OBJECT_GET, operations.OBJECT_ITEM})
"""Operations whose result stays part of the object where it is one of dbzero's containers that can be changed."""


def is_part(operation: str, result: object) -> bool:
    """Tell whether the result is to cross as an object although it is a container."""
    return operation in KEEPS_PART and containers.is_changeable(result)
