"""How do the bytes of segments become a job's variables again?

Segments are read one after the other, landmarks before what names them. In each, objects are made first and filled
afterwards. A job (the making or filling of one node) that meets a reference to an object that is not there yet waits
for it. Bytes that no encoder wrote end in `MalformedWorkspace`; nothing but the listed kinds of objects is ever made.
The only code of the guest that can run here is the hashing and comparing of its own objects where they are keys or
members: last, when all variables are there that it may use, and with its faults kept apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from statek_executor.workspace import nodes
from statek_executor.workspace.contents import DEPTH, Contents, contents_of, in_turn
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.encoder import Transient
from statek_executor.workspace.errors import MalformedWorkspace, TransientValueError, WorkspaceError
from statek_executor.workspace.layout import Layout
from statek_executor.workspace.lost import Lost, lose
from statek_executor.workspace.portraits import FILLERS, MAKERS
from statek_executor.workspace.references import References, object_of
from statek_protocol import leaves, values

_FIRST_FILLED: Final = {nodes.LIST: 0, nodes.DICT: 0, nodes.FUNCTION: 1}
"""Plain containers first, for others may copy what is in them; then functions, whose names their wrappers copy."""

Job: TypeAlias = Callable[[], None]


Publish: TypeAlias = Callable[[Mapping[str, object]], None]
"""Takes up variables as soon as they are there; raises `MalformedWorkspace` for a name that no variable can have."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A job's variables; `transient` names what could not be put together again."""

    variables: dict[str, object]
    contents: dict[int, Contents]
    """By the numbers of the segments."""
    transient: tuple[Transient, ...] = field(default=())


class _NotMade(Exception):
    """A reference to a node that does not exist yet."""

    def __init__(self, number: int) -> None:
        self.number = number


def decode(
    segments: Mapping[int, bytes],
    *,
    definitions: Definitions,
    references: References,
    publish: Publish = lambda variables: None,
) -> Decoded:
    """Read what `encode` wrote; raises `MalformedWorkspace`, or `MissingSource` when a batch is not there any more."""
    try:
        return _decode(segments, definitions, references, publish)
    except WorkspaceError:
        raise
    except Exception as fault:  # hostile bytes can make constructors, or hashes of the guest, raise anything
        raise MalformedWorkspace(f"not a workspace: {type(fault).__name__}: {fault}") from fault


def _decode(
    segments: Mapping[int, bytes], definitions: Definitions, references: References, publish: Publish
) -> Decoded:
    contents = {number: contents_of(segments[number]) for number in sorted(segments)}
    variables: dict[str, object] = {}
    transient: list[Transient] = []
    decoders = [
        _Decoder(definitions, references, contents[number], variables, transient) for number in in_turn(contents)
    ]
    for read in (_Decoder.read_what_needs_no_hash, _Decoder.read_the_rest):
        for decoder in decoders:
            found = read(decoder)
            variables.update(found)
            publish(found)
    for decoder in decoders:
        decoder.hash_late()
    in_order = {name: variables[name] for part in contents.values() for name in part.expressions}
    return Decoded(in_order, contents, tuple(transient))


class _Decoder(values.Reader):
    """One reading of one segment."""

    def __init__(
        self,
        definitions: Definitions,
        references: References,
        contents: Contents,
        variables: Mapping[str, object],
        transient: list[Transient],
    ) -> None:
        super().__init__(max_depth=DEPTH, other=self._other)
        self.definitions = definitions
        self.references = references
        self._expressions = dict(contents.expressions)
        self._order = contents.order
        self._records = contents.records
        self._variables = variables
        self._transient = transient
        self._made: dict[int, Any] = {}
        self._waiting: dict[int, list[Job]] = {}
        self._layouts: dict[type, Layout] = {}
        self._late: list[tuple[object, Job]] = []
        self._postponed: list[int] = []

    def read_what_needs_no_hash(self) -> dict[str, object]:
        """Make all but the frozensets of the guest's own objects, and read the variables that do not refer to one."""
        if self._order:
            self._build()
        found: dict[str, object] = {}
        for name, expression in list(self._expressions.items()):
            try:
                found[name] = self._read_whole(expression)
            except _NotMade:
                continue  # with the rest
            del self._expressions[name]
        return found

    def read_the_rest(self) -> dict[str, object]:
        """Make the frozensets that ask objects of the guest for their hashes, and read what refers to them."""
        for number in self._postponed:
            self._attempt(self._maker(number))
        if self._waiting:
            raise MalformedWorkspace("nodes that need each other before they exist")
        return {name: self._read_whole(expression) for name, expression in self._expressions.items()}

    def hash_late(self) -> None:
        """Fill what has keys or members of the guest's own classes. Their faults cost that container's items only."""
        for obj, hashing in self._late:
            try:
                hashing()
            except Exception as fault:  # noqa: BLE001 - the guest's own __hash__ or __eq__ may raise anything
                reason = f"the hash of a key or member raised {values.type_name(fault)}"
                self._transient.append(Transient("a container", values.type_name(obj), reason))

    def layout(self, cls: type) -> Layout:
        """Give the layout of a class's instances."""
        if cls not in self._layouts:
            self._layouts[cls] = Layout(cls)
        return self._layouts[cls]

    def later(self, obj: object, hashing: Job) -> None:
        """Do this when everything else is complete: it asks objects of the guest for their hashes."""
        self._late.append((obj, hashing))

    def _build(self) -> None:
        generated: list[int] = []
        for number in self._order:
            if self._records[number][0] == nodes.GENERATED:
                generated.append(number)
            elif self._hashes_at_once(number):
                self._postponed.append(number)
            else:
                self._attempt(self._maker(number))
        for number in sorted(self._order, key=lambda number: _FIRST_FILLED.get(self._records[number][0], 2)):
            for job in self._fillers(number):
                self._attempt(job)
        for number in generated:  # their classes must be complete
            self._attempt(self._maker(number))

    def _hashes_at_once(self, number: int) -> bool:
        """Tell whether to make a node is to ask objects of the guest for their hashes."""
        kind, _, body = self._records[number]
        return kind == nodes.FROZENSET and self._read_whole(body) is True

    def _read_whole(self, expression: bytes) -> Any:
        """Read an expression from its outermost level; an earlier reading may have ended at a node that is missing."""
        self._depth_left = DEPTH
        return self.read(expression)

    def _attempt(self, job: Job) -> None:
        """Do a job, and those that waited for what it made; one that meets something missing waits itself."""
        jobs = deque([job])
        while jobs:
            current = jobs.popleft()
            before = len(self._made)
            try:
                current()
            except _NotMade as missing:
                self._waiting.setdefault(missing.number, []).append(current)
            if len(self._made) > before:
                jobs.extend(self._waiting.pop(next(reversed(self._made)), ()))

    def _maker(self, number: int) -> Job:
        kind, head, _ = self._records[number]
        make_object = self._make_hashing if kind == nodes.FROZENSET else self._make

        def make() -> None:
            self._made[number] = make_object(kind, self._read_whole(head))

        return make

    def _make_hashing(self, kind: int, head: list[Any]) -> object:
        """Make a frozenset, of the guest's own objects perhaps: their hashes may raise anything."""
        try:
            return self._make(kind, head)
        except Exception as fault:  # noqa: BLE001
            reason = f"the hash of a member raised {values.type_name(fault)}"
            self._transient.append(Transient("a frozenset", "frozenset", reason))
            return lose("a frozenset", "frozenset", reason)

    def _make(self, kind: int, head: list[Any]) -> object:
        if kind == nodes.LOST:
            return lose(*map(str, head))
        if kind == nodes.REFERENCE:
            return self._refer(*head)
        if kind == nodes.VARIABLE:
            return self._landmark(*head)
        missing = _missing(kind, head)
        if missing is not None:
            return missing
        try:
            return MAKERS[kind](head, self)
        except TransientValueError as fault:  # something inside the head is a placeholder
            return self._lose(kind, fault)

    def _lose(self, kind: int, fault: TransientValueError) -> Lost:
        """Tell that an object cannot be made, or not wholly, because of what is not kept; give its placeholder."""
        reason = f"it needs what is not kept: {fault}"
        self._transient.append(Transient("a value", f"node of kind {kind}", reason))
        return lose("a value", f"node of kind {kind}", reason)

    def _refer(self, name: str) -> object:
        """Give what was handed out under a name; the policy may have changed, and not hand it out any more."""
        try:
            return object_of(name, self.references)
        except KeyError:
            return lose(name, "name", "the policy does not offer it any more")

    def _landmark(self, name: str) -> object:
        """Give a function or class of another segment; it may itself be one that could not be kept."""
        if name not in self._variables:
            raise MalformedWorkspace(f"a segment needs the variable {name!r}, which no segment before it holds")
        return self._variables[name]

    def _fillers(self, number: int) -> list[Job]:
        kind, _, body = self._records[number]
        if kind not in FILLERS or body is None:
            return []
        if kind in nodes.BY_ATTRIBUTE:
            return [self._filler(number, kind, name, part) for name, part in body.items()]
        return [self._filler(number, kind, None, body)]

    def _filler(self, number: int, kind: int, attribute: str | None, body: bytes) -> Job:
        def fill() -> None:
            made = self._object(number)
            content = self._read_whole(body)
            if type(made) is Lost:
                return
            try:
                FILLERS[kind](made, content if attribute is None else {attribute: content}, self)
            except TransientValueError as fault:  # the rest of it is as it was, and so is everything else
                self._lose(kind, fault)

        return fill

    def _object(self, number: int) -> Any:
        if number not in self._made:
            raise _NotMade(number)
        return self._made[number]

    def _other(self, code: int, payload: bytes) -> object:
        if code != nodes.REF:
            return leaves.read(code, payload)
        number = int.from_bytes(payload, "big")
        if number >= len(self._records):
            raise MalformedWorkspace("a reference to no node")
        return self._object(number)


def _missing(kind: int, head: list[Any]) -> Lost | None:
    """Give the first placeholder among what an object is made of, the bases of a class included."""
    if kind not in _NEEDS_HEAD:
        return None
    parts = (
        (*head, *head[_BASES]) if kind == nodes.CLASS and len(head) > _BASES and type(head[_BASES]) is tuple else head
    )
    return next((part for part in parts if type(part) is Lost), None)


_BASES: Final = 3
"""Where the head of a class has its bases."""

_NEEDS_HEAD: Final = MAKERS.keys() - {nodes.LIST, nodes.TUPLE, nodes.FROZENSET, nodes.METHOD, nodes.SLICE}
"""Kinds that cannot be made of a placeholder: they become that placeholder."""
