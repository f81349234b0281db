"""What does a segment say of itself, before anything is made of it, and in which order are segments read?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from statek_executor.workspace import nodes
from statek_executor.workspace.encoder import VERSION
from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.partition import depth_first
from statek_executor.workspace.portraits import MAKERS
from statek_protocol import values

DEPTH: Final = 300
"""An encoder starts a new node long before its expressions are nested so deep."""

KINDS: Final = MAKERS.keys() | {nodes.REFERENCE, nodes.LOST, nodes.VARIABLE}


@dataclass(frozen=True, slots=True)
class Contents:
    """What one segment says of itself."""

    expressions: dict[str, bytes]
    needs: tuple[str, ...]
    loads: tuple[str, ...]
    records: list[list[Any]]
    order: list[int]


def contents_of(data: bytes) -> Contents:
    """Take a segment apart without making anything of it."""
    version, expressions, needs, loads, records, order = values.Reader(max_depth=DEPTH).read(data)
    if version != VERSION:
        raise MalformedWorkspace(f"a segment of form {version}; this release reads form {VERSION}")
    if sorted(order) != list(range(len(records))) or any(kind not in KINDS for kind, _, _ in records):
        raise MalformedWorkspace("a table of nodes that is not one")
    if not all(type(name) is str for name in (*expressions, *needs, *loads)):
        raise MalformedWorkspace("a name that is no text")
    return Contents(expressions, tuple(needs), tuple(loads), records, order)


def in_turn(contents: Mapping[int, Contents]) -> list[int]:
    """Order segments so that each comes after those whose landmarks it names."""
    owners: dict[str, int] = {}
    for number, part in contents.items():
        for name in part.expressions:
            if owners.setdefault(name, number) != number:
                raise MalformedWorkspace(f"a variable in two segments: {name[:80]}")
    done: dict[int, None] = {}
    for number in contents:
        depth_first(number, lambda number: [owners[name] for name in contents[number].needs if name in owners], done)
    return list(done)
