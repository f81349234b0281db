"""How do bytes become a job's variables again?

Objects are made first and filled afterwards. A job (the making or filling of one node) that meets a reference to an
object that is not there yet waits for it. Bytes that no encoder wrote end in `MalformedWorkspace`; nothing but the
listed kinds of objects is ever made. The only code of the guest that can run here is the hashing and comparing of its
own objects where they are keys or members: last, when they are complete, and with their faults kept apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from statek_executor.workspace import nodes
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.encoder import VERSION, Transient
from statek_executor.workspace.errors import MalformedWorkspace, WorkspaceError
from statek_executor.workspace.layout import Layout
from statek_executor.workspace.lost import Lost, lose
from statek_executor.workspace.portraits import FILLERS, MAKERS
from statek_executor.workspace.references import References, object_of
from statek_protocol import leaves, values

_DEPTH: Final = 300
"""An encoder starts a new node long before its expressions are nested so deep."""

_FIRST_FILLED: Final = {nodes.LIST: 0, nodes.DICT: 0, nodes.FUNCTION: 1}
"""Plain containers first, for others may copy what is in them; then functions, whose names their wrappers copy."""

_KINDS: Final = MAKERS.keys() | {nodes.REFERENCE, nodes.LOST}

Job: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A job's variables and what was stored beside them; `transient` names what could not be put together again."""

    variables: dict[str, object]
    extra: dict[str, object]
    transient: tuple[Transient, ...] = field(default=())


class _NotMade(Exception):
    """A reference to a node that does not exist yet."""

    def __init__(self, number: int) -> None:
        self.number = number


def decode(data: bytes, *, definitions: Definitions, references: References) -> Decoded:
    """Read what `encode` wrote; raises `MalformedWorkspace`, or `MissingSource` when a batch is not there any more."""
    try:
        return _Decoder(definitions, references).decode(data)
    except WorkspaceError:
        raise
    except Exception as fault:  # hostile bytes can make constructors, or hashes of the guest, raise anything
        raise MalformedWorkspace(f"not a workspace: {type(fault).__name__}: {fault}") from fault


class _Decoder(values.Reader):
    """One reading of one workspace."""

    def __init__(self, definitions: Definitions, references: References) -> None:
        super().__init__(max_depth=_DEPTH, other=self._other)
        self.definitions = definitions
        self.references = references
        self._records: list[list[Any]] = []
        self._made: dict[int, Any] = {}
        self._waiting: dict[int, list[Job]] = {}
        self._layouts: dict[type, Layout] = {}
        self._late: list[tuple[object, Job]] = []
        self._transient: list[Transient] = []

    def decode(self, data: bytes) -> Decoded:
        """Read the whole: the nodes first, then the expressions of the variables."""
        version, variables, extra, self._records, order = values.Reader(max_depth=_DEPTH).read(data)
        if version != VERSION:
            raise MalformedWorkspace(f"a workspace of form {version}; this release reads form {VERSION}")
        if sorted(order) != list(range(len(self._records))) or any(kind not in _KINDS for kind, _, _ in self._records):
            raise MalformedWorkspace("a table of nodes that is not one")
        self._build(order)
        read, beside = ({name: self.read(part) for name, part in group.items()} for group in (variables, extra))
        self._hash_late()
        return Decoded(read, beside, tuple(self._transient))

    def layout(self, cls: type) -> Layout:
        """Give the layout of a class's instances."""
        if cls not in self._layouts:
            self._layouts[cls] = Layout(cls)
        return self._layouts[cls]

    def later(self, obj: object, hashing: Job) -> None:
        """Do this when everything else is complete: it asks objects of the guest for their hashes."""
        self._late.append((obj, hashing))

    def _build(self, order: list[int]) -> None:
        postponed = [number for number in order if self._is_postponed(number)]
        for number in order:
            if not self._is_postponed(number):
                self._attempt(self._maker(number))
        for number in sorted(order, key=lambda number: _FIRST_FILLED.get(self._records[number][0], 2)):
            for job in self._fillers(number):
                self._attempt(job)
        for number in sorted(postponed, key=lambda number: self._records[number][0] != nodes.GENERATED):
            self._attempt(self._maker(number))
        if self._waiting:
            raise MalformedWorkspace("nodes that need each other before they exist")

    def _is_postponed(self, number: int) -> bool:
        """Tell whether making a node needs others complete: generated methods, and what hashes objects of the guest."""
        kind, _, body = self._records[number]
        return kind == nodes.GENERATED or (kind == nodes.FROZENSET and self.read(body) is True)

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
            self._made[number] = make_object(kind, self.read(head))

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
        missing = next((part for part in head if type(part) is Lost), None) if kind in _NEEDS_HEAD else None
        if missing is not None:
            return missing
        return MAKERS[kind](head, self)

    def _refer(self, name: str) -> object:
        """Give what was handed out under a name; the policy may have changed, and not hand it out any more."""
        try:
            return object_of(name, self.references)
        except KeyError:
            return lose(name, "name", "the policy does not offer it any more")

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
            content = self.read(body)
            if type(made) is not Lost:
                FILLERS[kind](made, content if attribute is None else {attribute: content}, self)

        return fill

    def _hash_late(self) -> None:
        """Fill what has keys or members of the guest's own classes. Their faults cost that container's items only."""
        for obj, hashing in self._late:
            try:
                hashing()
            except Exception as fault:  # noqa: BLE001 - the guest's own __hash__ or __eq__ may raise anything
                reason = f"the hash of a key or member raised {values.type_name(fault)}"
                self._transient.append(Transient("a container", values.type_name(obj), reason))

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


_NEEDS_HEAD: Final = MAKERS.keys() - {nodes.LIST, nodes.TUPLE, nodes.FROZENSET, nodes.METHOD, nodes.SLICE}
"""Kinds that cannot be made of a placeholder: they become that placeholder."""
