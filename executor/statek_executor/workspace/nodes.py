"""What is known of an object that has an identity of its own in a stored workspace?

A segment is stored as expressions (one per variable) and a table of nodes. An expression is a tree of plain values in
which a reference stands for a node. A node has a kind, a head and a body. The head is what is needed to make the object
at all, the body is what can be put into it afterwards; so cycles, which always pass through something that can be
filled later, are no problem, and nodes are made in an order in which every head is ready.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.layout import Layout
from statek_executor.workspace.references import References
from statek_protocol import leaves, values

T = TypeVar("T")

REF: Final = values.FIRST_FREE
"""Extension code of a reference: the number of a node."""

# The kinds. Their numbers are stored: one that is given up is not given anew.
REFERENCE: Final = 0
LOST: Final = 1
LIST: Final = 2
DICT: Final = 3
SET: Final = 4
TUPLE: Final = 5
FROZENSET: Final = 6
TEXT: Final = 7
BYTEARRAY: Final = 8
PROXY: Final = 9
VIEW: Final = 10
PATTERN: Final = 11
PARTIAL: Final = 12
STRINGIO: Final = 13
BYTESIO: Final = 14
SLICE: Final = 15
RANDOM: Final = 16
FUNCTION: Final = 17
CELL: Final = 18
METHOD: Final = 19
BUILTIN_METHOD: Final = 20
DESCRIPTOR: Final = 21
PROPERTY: Final = 22
STATICMETHOD: Final = 23
CLASSMETHOD: Final = 24
CACHED_PROPERTY: Final = 25
CACHED_FUNCTION: Final = 26
GENERIC_ALIAS: Final = 27
UNION: Final = 28
CLASS: Final = 29
NAMEDTUPLE: Final = 30
GENERATED: Final = 31
INSTANCE: Final = 32
EXCEPTION: Final = 33
ENUM_MEMBER: Final = 34
TYPING_ALIAS: Final = 35
TYPE_VARIABLE: Final = 36
FORWARD: Final = 37
DECORATED: Final = 38
VARIABLE: Final = 41
PENDING: Final = 39

BY_ATTRIBUTE: Final = frozenset({CLASS, NAMEDTUPLE})
"""Kinds whose body is a dictionary of attributes, each of which is stored and filled on its own."""


class Node:
    """One object with its portrait: what has to be stored so that it can be made again."""

    __slots__ = ("body", "hashes_late", "head", "kind", "obj", "variable")

    def __init__(self, obj: object, kind: int, head: tuple[Any, ...] = (), body: Any = None) -> None:
        self.obj = obj
        self.kind = kind
        self.head = head
        self.body = body
        self.hashes_late = False
        """Whether the guest hashes its members or keys, so that it is filled when all else is complete."""
        self.variable = ""
        """The variable from which it was reached first."""


def lost_node(obj: object, reason: str) -> Node:
    """Describe an object that cannot be kept; the name of its place is known when the whole workspace is."""
    return Node(obj, LOST, ("", values.type_name(obj), reason))


def hashes_plainly(keys: Iterable[Any]) -> bool:
    """Tell whether hashing these keys asks no object of the guest: only values whose hash is the interpreter's own."""
    level = list(keys)
    while level:
        kinds = set(map(type, level))
        if kinds <= leaves.LEAVES:
            return True
        if not kinds <= leaves.LEAVES | {tuple, frozenset}:
            return False
        nested = {id(key): key for key in level if type(key) in (tuple, frozenset)}
        level = list(itertools.chain.from_iterable(nested.values()))
    return True


class Sight(Protocol):
    """What a portrait may ask of the walk that wants it."""

    definitions: Definitions
    references: References
    batches: set[int]

    def judge(self, cls: type) -> Node:
        """Give the node of a class that others rest on; one that cannot be kept is lost without being in the table."""

    def layout(self, cls: type) -> Layout:
        """Give the layout of a class's instances."""

    def add(self, node: Node) -> Node:
        """Take up a node for an object whose portrait another object draws."""

    def own(self, container: T) -> T:
        """Mark a container that exists for a portrait only, so that it does not become a node."""


class Workshop(Protocol):
    """What making and filling an object may ask of the decoder."""

    definitions: Definitions
    references: References

    def layout(self, cls: type) -> Layout:
        """Give the layout of a class's instances."""

    def later(self, obj: object, hashing: Callable[[], None]) -> None:
        """Do this when everything else is complete: it asks objects of the guest for their hashes."""


Portray: TypeAlias = Callable[[Any, Sight], Node]
Make: TypeAlias = Callable[[Sequence[Any], Workshop], object]
Fill: TypeAlias = Callable[[Any, Any, Workshop], None]
