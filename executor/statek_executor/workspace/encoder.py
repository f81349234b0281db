"""How do variables that are stored together, a segment of the workspace, become bytes?

Every variable is one expression. What variables share, and everything that is not plain, is in the table of nodes
beside them. What belongs to another segment is a landmark: a function or class that is itself a variable, and is
referred to by that variable's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from statek_executor.workspace import nodes, places
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.nodes import Node, lost_node
from statek_executor.workspace.partition import depth_first
from statek_executor.workspace.references import References
from statek_executor.workspace.survey import Survey, Variable
from statek_protocol import leaves, values

VERSION: Final = 2
_NO_LIMIT: Final = 1 << 62
"""How large a workspace may become is for the caller to say, who knows the policy."""

_FINGERPRINT_BYTES: Final = 32
_LINKABLE: Final = frozenset({list, dict, tuple, str, bytes, memoryview})
_NATIVE: Final = frozenset({nodes.LIST, nodes.DICT, nodes.TEXT})
"""Kinds whose objects msgpack writes by itself, so that references to them have to be put in beforehand; so are
views of memory, which are never kept."""


@dataclass(frozen=True, slots=True)
class Transient:
    """A value that could not be kept: where it was, of which type, and why."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Variables as bytes, what they leave out, and the batches whose sources decoding needs."""

    data: bytes
    transient: tuple[Transient, ...] = ()
    batches: frozenset[int] = frozenset()
    lost: frozenset[str] = frozenset()
    """Variables of which nothing is kept."""
    plain: bytes = b""
    """The fingerprint of the written value, for a single plain variable."""


def encode(
    variables: Mapping[str, object],
    *,
    definitions: Definitions,
    references: References,
    landmarks: Mapping[int, str] | None = None,
    needs: Collection[str] = (),
    loads: Collection[str] = (),
) -> Encoded:
    """Write variables; runs no code of the guest, and loses nothing but what it names.

    `landmarks` names functions and classes that are variables by their identity; those of other segments are stored as
    their names. `needs` (those of them that decoding
    needs) and `loads` (global names that code here uses) are stored along, for whoever decides what to read first and
    what can have changed.
    """
    survey = Survey(definitions, references, landmarks or {}, variables.keys())
    surveyed = [survey.explore(name, value) for name, value in variables.items()]
    lost = [node for node in survey.nodes.values() if node.kind == nodes.LOST and not node.head[0]]
    places.name_lost(lost, surveyed, survey.nodes)
    table = _Table(survey)
    expressions = {item.name: table.expression(item) for item in surveyed}
    records, order = table.records()
    data = msgpack.packb([VERSION, expressions, sorted(needs), sorted(loads), records, order])
    gone = frozenset(name for name, value in variables.items() if survey.is_lost(value))
    transient = tuple(Transient(*node.head) for node in lost) + tuple(table.refused)
    return Encoded(data, transient, frozenset(survey.batches), gone)


class PlainWriter:
    """Writes segments of plain values only, in which nothing occurs twice."""

    def __init__(self) -> None:
        self._writer = values.Writer(max_bytes=_NO_LIMIT)
        self._outermost = msgpack.Packer(default=self._writer.extend, strict_types=True, buf_size=512)
        """Writes what most values are; the writer's own packers are for what is inside of it, and for odd texts."""
        self._packer = msgpack.Packer(buf_size=512)

    def expression(self, value: object) -> bytes | None:
        """Write a value; None for one that is to be lost."""
        try:
            data: bytes = self._outermost.pack(value)
        except UnicodeEncodeError:
            self._outermost.reset()
            return self._writer.write(value)
        except leaves.Unencodable:
            self._outermost.reset()
            return None
        return data

    def segment(self, name: str, expression: bytes, plain: bytes) -> Encoded:
        """Give the same bytes that `encode` gives; `plain` is the expression's fingerprint."""
        return Encoded(self._written({name: expression}), plain=plain)

    def all_of(self, values: Mapping[str, object]) -> bytes | None:
        """Write several values as one segment; None where one of them cannot be written."""
        expressions = {name: self.expression(value) for name, value in values.items()}
        return None if None in expressions.values() else self._written(expressions)

    def _written(self, expressions: Mapping[str, bytes | None]) -> bytes:
        data: bytes = self._packer.pack([VERSION, expressions, (), (), (), ()])
        return data


def fingerprint(data: bytes) -> bytes:
    """Give what stands for bytes in a comparison: themselves while they are short."""
    return data if len(data) < _FINGERPRINT_BYTES else hashlib.blake2b(data, digest_size=_FINGERPRINT_BYTES).digest()


class _Table(values.Writer):
    """Writes expressions and nodes, putting references where an expression meets a node."""

    def __init__(self, survey: Survey) -> None:
        super().__init__(max_bytes=_NO_LIMIT, other=self._other)
        self._survey = survey
        self._nodes: list[Node] = list(survey.nodes.values())
        self._numbers = {id(node.obj): number for number, node in enumerate(self._nodes)}
        self._relinks = any(node.kind in _NATIVE or type(node.obj) is memoryview for node in self._nodes)
        self._plain = values.Writer(max_bytes=_NO_LIMIT)
        self._met: list[int] = []
        self._place = ""
        self._whole: object = None
        """The value of the variable that is being written."""
        self.refused: list[Transient] = []

    def expression(self, variable: Variable) -> bytes:
        """Write one variable's value."""
        self._place, self._whole = variable.name, variable.value
        if not variable.special and not variable.touches(self._survey.nodes):
            try:
                return self._plain.write(variable.value)
            except leaves.Unencodable:
                pass  # a value of a plain type that cannot be written; below it becomes a placeholder
        return self.write(self._link(variable.value))

    def records(self) -> tuple[list[list[Any]], list[int]]:
        """Write the nodes, and the order in which they can be made."""
        self._whole = None
        written: list[list[Any]] = []
        heads: list[list[int]] = []
        bodies: list[list[int]] = []
        number = 0
        while number < len(self._nodes):  # a value that turns out to be unwritable adds a node
            node = self._nodes[number]
            self._place = node.variable
            head, heads_met = (self.write(node.head), []) if node.kind == nodes.TEXT else self._noting(list(node.head))
            body, bodies_met = self._body(node)
            written.append([node.kind, head, body])
            heads.append(heads_met)
            bodies.append(bodies_met)
            number += 1
        return written, _order(self._nodes, heads, bodies)

    def extend(self, value: Any) -> msgpack.ExtType:
        """Write a reference where there is a node, and else what every writer writes."""
        number = self._numbers.get(id(value))
        return super().extend(value) if number is None else self._reference(number)

    def _noting(self, value: object) -> tuple[bytes, list[int]]:
        """Write an expression that is not itself a node, and tell which nodes it refers to."""
        self._met = []
        return self.write(self._link_parts(value) if self._relinks else value), self._met

    def _body(self, node: Node) -> tuple[Any, list[int]]:
        if node.kind not in nodes.BY_ATTRIBUTE or node.body is None:
            return (None, []) if node.body is None else self._noting(node.body)
        attributes: dict[str, bytes] = {}
        met: list[int] = []
        for name, value in node.body.items():
            self._met = []
            attributes[name] = self.write(self._link(value))
            met += self._met
        return attributes, met

    def _link(self, value: Any) -> Any:
        """Put references in the places of the nodes that msgpack would write out by itself."""
        if not self._relinks or type(value) not in _LINKABLE:
            return value
        number = self._numbers.get(id(value))
        return self._link_parts(value) if number is None else self._reference(number)

    def _link_parts(self, value: Any) -> Any:
        if type(value) is list:
            return [self._link(part) if type(part) in _LINKABLE else part for part in value]
        if type(value) is dict:
            return {self._link(key): self._link(part) for key, part in value.items()}
        if type(value) is tuple:
            return tuple([self._link(part) for part in value])
        return value

    def _reference(self, number: int) -> msgpack.ExtType:
        self._met.append(number)
        return values.extension_type(nodes.REF, number.to_bytes(4, "big"))

    def _other(self, value: Any) -> msgpack.ExtType:
        """Write a leaf; one that cannot be written, such as a time in a zone of the guest's own, is lost."""
        try:
            return leaves.extension(value)
        except leaves.Unencodable as reason:
            node = lost_node(value, str(reason))
            place = self._place if value is self._whole else f"{self._place} (somewhere in it)"
            node.head = (place, *node.head[1:])
            self.refused.append(Transient(*node.head))
            self._numbers[id(value)] = len(self._nodes)
            self._nodes.append(node)
            return self._reference(self._numbers[id(value)])


def _order(table: list[Node], heads: list[list[int]], bodies: list[list[int]]) -> list[int]:
    """Order the nodes so that each comes after what its head refers to.

    What asks for hashes at once (a frozenset of objects of the guest) comes last, and after all that is below it.
    """
    done: dict[int, None] = {}
    late = [number for number, node in enumerate(table) if node.kind == nodes.FROZENSET and node.hashes_late]
    for number in range(len(table)):
        depth_first(number, heads.__getitem__, done)
    after: dict[int, None] = {}
    for number in late:
        depth_first(number, lambda number: heads[number] + bodies[number], after)
    rank = {number: place for place, number in enumerate(number for number in after if number in set(late))}
    return sorted(done, key=lambda number: rank.get(number, -1))
