"""Does a store that was tampered with end in MalformedWorkspace, and in nothing else?"""

from __future__ import annotations

import random

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.executor.workspace.processes import Process

from statek_executor.workspace import MalformedWorkspace, WorkspaceError, decode, nodes
from statek_executor.workspace.portraits import MAKERS

SOURCE = """
import io, re
from collections import Counter, defaultdict, namedtuple
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from typing import Optional
class Color(Enum):
    RED = 1
@dataclass(frozen=True, order=True)
class Item:
    name: str
    tags: Optional[list[int]] = field(default=None)
    def __hash__(self):
        return hash(self.name)
class Base:
    __slots__ = ('a',)
    def __init__(self):
        self.a = self
    @property
    def p(self):
        return super().__repr__()
Point = namedtuple('Point', 'x y')
def outer():
    shared = [1]
    return (lambda: shared), partial(max, shared)
one, two = outer()
base, item, point, colors = Base(), Item('i'), Point(1, [2]), {Color.RED: 1}
keys = {item: [item], (item, 1): frozenset({item})}
error, count, groups = ValueError('x'), Counter('ab'), defaultdict(list, {1: [2]})
text, pattern, bound, push = io.StringIO('t'), re.compile('a'), base.__init__ if False else one, [].append
fast = cache(outer)
"""
PROCESS = Process()
PROCESS.run(SOURCE)
DATA = PROCESS.encode().data
VERSION, VARIABLES, NEEDS, LOADS, TABLE, ORDER = msgpack.unpackb(DATA, strict_map_key=False)


def attempt(data: bytes) -> object:
    """Decode in a fresh process; anything but a result or a fault of the workspace fails the test."""
    process = Process(PROCESS.sources)
    try:
        return decode({1: data}, definitions=process.definitions, references=process)
    except WorkspaceError as fault:
        return fault


def test_the_untouched_bytes_decode() -> None:
    assert not isinstance(attempt(DATA), WorkspaceError)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x96\x02\x80\x90\x90\x90\x90")
@example(b"\xdd\xff\xff\xff\xff" * 100)
def test_any_bytes_are_a_workspace_or_malformed(data: bytes) -> None:
    attempt(data)


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_any_changed_bytes_are_a_workspace_or_malformed(seed: int) -> None:
    chance = random.Random(seed)
    changed = bytearray(DATA)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    attempt(bytes(changed))


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_any_exchange_of_heads_bodies_and_kinds_is_a_workspace_or_malformed(seed: int) -> None:
    chance = random.Random(seed)
    table = [list(record) for record in TABLE]
    for _ in range(chance.randint(1, 5)):
        part = chance.randrange(3)
        chance.choice(table)[part] = chance.choice([chance.choice(table)[part], chance.choice(sorted(MAKERS))])
    order = list(ORDER)
    chance.shuffle(order)
    attempt(msgpack.packb([VERSION, VARIABLES, NEEDS, LOADS, table, chance.choice([order, ORDER])]))


def single(kind: int, head: list[object], body: object = None) -> bytes:
    """Build a workspace of one node and one variable that is it."""
    reference = msgpack.packb(msgpack.ExtType(nodes.REF, bytes(4)))
    record = [kind, msgpack.packb(head), None if body is None else msgpack.packb(body)]
    return msgpack.packb([VERSION, {"x": reference}, [], [], [record], [0]])


@pytest.mark.parametrize(
    "data",
    [
        single(99, []),
        single(nodes.TUPLE, [msgpack.ExtType(nodes.REF, bytes(4))]),
        single(nodes.LIST, [], [msgpack.ExtType(nodes.REF, b"\xff\xff\xff\xff")]),
        single(nodes.FUNCTION, [0, [9999]]),
        single(nodes.FUNCTION, [0, ["x"]]),
        single(nodes.FUNCTION, ["0", []]),
        single(nodes.CLASS, [None, "X", "X", [], None]),
        single(nodes.BUILTIN_METHOD, [[], "__class__"]),
        single(nodes.DESCRIPTOR, [1, "__subclasses__"]),
        single(nodes.NAMEDTUPLE, ["X", ["a b", "__class__"]]),
        single(nodes.NAMEDTUPLE, ["X", ["a): import os #"]]),
        single(nodes.PATTERN, ["(", 0]),
        single(nodes.VIEW, [{}, "__class__"]),
        single(nodes.DECORATED, ["nullcontext", 1]),
        single(nodes.FORWARD, ["__import__('os')"]),
        single(nodes.INSTANCE, [1, 0, None]),
        msgpack.packb([VERSION + 1, {}, [], [], [], []]),
        msgpack.packb([VERSION, {}, [], [], [], [0]]),
        msgpack.packb([VERSION, {"x": 1}, [], [], [], []]),
        msgpack.packb([VERSION, {}, []]),
        msgpack.packb([VERSION, {}, [1], [], [], []]),
        msgpack.packb([VERSION, {}, [], [b"x"], [], []]),
        msgpack.packb([VERSION, {1: b"\xc0"}, [], [], [], []]),
        single(nodes.VARIABLE, ["nowhere"]),
        single(nodes.VARIABLE, ["x"]),
        msgpack.packb(7),
        DATA + b"\xc0",
        DATA[:-1],
    ],
    ids=range(28),
)
def test_forged_nodes_are_malformed(data: bytes) -> None:
    process = Process(PROCESS.sources)
    with pytest.raises(MalformedWorkspace):
        decode({1: data}, definitions=process.definitions, references=process)


def test_a_field_name_that_is_source_text_never_reaches_the_generator_of_methods() -> None:
    process = Process()
    process.run("from dataclasses import dataclass\n@dataclass\nclass Victim:\n    aaaaaaaaaaaaaaa: int")
    data = process.encode().data
    forged = data.replace(b"aaaaaaaaaaaaaaa", b"a=print('loot')")
    assert forged != data
    successor = Process(process.sources)
    with pytest.raises(MalformedWorkspace, match="no name"):
        successor.restore(forged)
    assert successor.host.console == ""


def test_a_malformed_workspace_of_great_length_costs_little() -> None:
    forged = msgpack.packb(
        [VERSION, {}, [], [], [[nodes.TUPLE, b"\xdd\x00\xff\xff\xff" * 1000, None]] * 50, list(range(50))]
    )
    assert isinstance(attempt(forged), MalformedWorkspace)
