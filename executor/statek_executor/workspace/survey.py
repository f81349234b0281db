"""What is stored of variables, and which of it has an identity that has to be kept?

`gc.get_referents` walks plain containers a whole level at a time, in C. What is met twice, what is nested too deep for
one expression, and everything that is not plain becomes a node. No code of the guest runs: sizes, members and
attributes are read through the built-in classes.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeVar

from statek_executor.workspace.containers import depict_container
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.layout import Layout
from statek_executor.workspace.nodes import LOST, VARIABLE, Node, hashes_plainly
from statek_executor.workspace.partition import EMPTY, LONG_TEXT
from statek_executor.workspace.portraits import portray
from statek_executor.workspace.references import References
from statek_protocol import leaves, values

T = TypeVar("T")

CUT: Final = 48
"""Every so many levels a container becomes a node, so that expressions stay shallow and nothing recurses deeply."""

_FILLABLE: Final = frozenset({list, dict, set})


class Variable:
    """What a survey has seen below one variable."""

    __slots__ = ("ids", "name", "special", "value")

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value
        self.special = False
        self.ids: list[set[int]] = []

    def touches(self, ids: dict[int, Any]) -> bool:
        """Tell whether any of these objects is below the variable."""
        return any(not ids.keys().isdisjoint(level) for level in self.ids)


class Survey:
    """The walk over variables that are stored together, and the nodes that it found."""

    def __init__(
        self, definitions: Definitions, references: References, landmarks: Mapping[int, str], own: Collection[str]
    ) -> None:
        self.definitions = definitions
        self.references = references
        self._landmarks = landmarks
        self._own_names = own
        """The variables that are stored together: their functions and classes are described here."""
        self.nodes: dict[int, Node] = {}
        """By the identity of the object; every object is held by its node."""
        self.batches: set[int] = set()
        self._seen: set[int] = set()
        self._seen_texts: set[int] = set()
        self._own: dict[int, object] = {}
        """Containers that stand in portraits only, held so that their identities stay taken."""
        self._pending: list[Node] = []
        self._refused: dict[int, Node] = {}
        self._layouts: dict[type, Layout] = {}
        self._variable = ""

    def explore(self, name: str, value: object) -> Variable:
        """Walk everything below a variable that no earlier walk has seen."""
        variable = Variable(name, value)
        self._variable = name
        level: list[Any] = [value]
        levels: list[list[Any]] = []
        for depth in itertools.count(1):
            kinds = set(map(type, level))
            if not kinds.isdisjoint(values.TEXTS):
                self._note_texts(level, variable)
            if kinds <= leaves.LEAVES:
                break
            levels.append(self._unseen(values.only(level, values.NESTING), variable, depth))
            specials = [] if kinds <= values.KNOWN else [part for part in level if type(part) not in values.KNOWN]
            level = gc.get_referents(*levels[-1])
            if specials:
                variable.special = True
                level += self._depict(specials)
        if variable.special:
            self._find_late(itertools.chain.from_iterable(levels))
        return variable

    def judge(self, cls: type) -> Node:
        """Give the node of a class that others rest on; one that cannot be kept is lost without being in the table."""
        node = self.nodes.get(id(cls)) or self._refused.get(id(cls))
        if node is None:
            node = self._portray(cls)
            if node.kind == LOST:
                self._refused[id(cls)] = node
            else:
                self.add(node)
        return node

    def layout(self, cls: type) -> Layout:
        """Give the layout of a class's instances."""
        if cls not in self._layouts:
            self._layouts[cls] = Layout(cls)
        return self._layouts[cls]

    def add(self, node: Node) -> Node:
        """Take up a node. What its head holds is made before it, so a container there becomes a node as well."""
        node.variable = self._variable
        self.nodes[id(node.obj)] = node
        self._own[id(node.head)] = node.head
        self._pending.append(node)
        self._promote_fillable(node.head)
        return node

    def is_lost(self, obj: object) -> bool:
        """Tell whether nothing of an object is kept."""
        node = self.nodes.get(id(obj))
        return node is not None and node.kind == LOST

    def own(self, container: T) -> T:
        """Mark a container that exists for a portrait only, so that it does not become a node."""
        self._own[id(container)] = container
        return container

    def _portray(self, special: Any) -> Node:
        name = self._landmarks.get(id(special))
        if name is None or name in self._own_names:
            return portray(special, self)
        return Node(special, VARIABLE, (name,))

    def _depict(self, specials: list[Any]) -> list[Any]:
        """Give what has to be explored below these objects, without what was explored before."""
        for special in specials:
            if id(special) not in self.nodes:
                self.add(self._portray(special))
        found, self._pending = self._pending, []
        return [part for node in found for part in (node.head, node.body) if part]

    def _unseen(self, parts: Iterable[Any], variable: Variable, depth: int) -> list[Any]:
        """Give the containers of a level that are met for the first time; one that is met again becomes a node."""
        containers = list(parts)
        ids = set(map(id, containers))
        variable.ids.append(ids)
        if len(ids) < len(containers) or not ids.isdisjoint(self._seen):
            containers = [container for container in containers if not self._is_met_again(container)]
        self._seen |= ids
        if depth % CUT == 0:
            for container in containers:
                self._promote(container)
        return containers

    def _is_met_again(self, container: Any) -> bool:
        identity = id(container)
        if identity not in self._seen:
            self._seen.add(identity)
            return False
        self._promote(container)
        return True

    def _note_texts(self, level: list[Any], variable: Variable) -> None:
        texts = [text for text in values.only(level, values.TEXTS) if len(text) > LONG_TEXT]
        ids = set(map(id, texts))
        variable.ids.append(ids)
        if len(ids) < len(texts) or not ids.isdisjoint(self._seen_texts):
            for text in texts:
                if id(text) in self._seen_texts:
                    self._promote(text)
                self._seen_texts.add(id(text))
        self._seen_texts |= ids

    def _promote(self, container: Any) -> None:
        """Make a container or long text a node; what it holds is explored where it was met."""
        identity = id(container)
        if identity in self.nodes or identity in self._own or identity in EMPTY:
            return
        node = depict_container(container, self)
        node.variable = self._variable
        self.nodes[identity] = node
        if type(container) is tuple:
            self._promote_fillable(container)

    def _promote_fillable(self, head: tuple[Any, ...]) -> None:
        """Make nodes of the containers in a head, also of those inside tuples that are not nodes themselves."""
        pending = {id(head): head}
        done: set[int] = set()
        while pending:
            identity, parts = pending.popitem()
            done.add(identity)
            for part in parts:
                if type(part) in _FILLABLE:
                    self._promote(part)
                elif type(part) is tuple and id(part) not in done and id(part) not in self.nodes:
                    pending[id(part)] = part

    def _find_late(self, containers: Iterable[Any]) -> None:
        """Make nodes of what can only be filled when everything else is complete, because of its keys' hashes."""
        for container in containers:
            if type(container) in _HASHING and not hashes_plainly(container):
                self._promote(container)


_HASHING: Final = frozenset({dict, set, frozenset})
