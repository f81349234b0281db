"""Where in a job's durable source was a piece of code defined, and which code is at such a place?

Code never crosses as bytes: a function is stored as (batch, path through the constants of the code objects) and made
again from the source of that batch, which goes through the one compile path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Final, TypeAlias

from statek_executor.workspace.errors import MalformedWorkspace, MissingSource

_EXPRESSIONS: Final = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})
"""Names of code that is the inside of an expression: nothing that is stored is made of it."""

Position: TypeAlias = tuple[int, tuple[int, ...]]
"""Batch, and the path of indices through `co_consts` from the batch's code down."""


class Definitions:
    """The code objects of a job's batches, both ways.

    `namespace` is the dictionary of globals in which the job's functions run. `load` compiles a batch of which only the
    number is known; it raises LookupError when there is no such batch.
    """

    def __init__(self, namespace: dict[str, object], load: Callable[[int], CodeType]) -> None:
        self.namespace = namespace
        self._load = load
        self._batches: dict[int, CodeType] = {}
        self._positions: dict[int, tuple[CodeType, Position]] = {}
        """By identity, for equal code may stand in two places; the code is held so that its identity stays taken."""
        self._new: list[tuple[int, CodeType]] = []
        """Code whose inside was not gone through yet: that takes time, and few batches are asked for it."""

    def add(self, batch: int, code: CodeType) -> None:
        """Make known the code that a batch was compiled to; a batch that was compiled again is known under both."""
        self._new.append((batch, code))

    def settle(self) -> None:
        """Go through the code that was made known since the last time, and keep what defines functions or classes."""
        for batch, code in self._new:
            if id(code) not in self._positions:
                found = _positions(batch, code)
                if any(inside.co_name not in _EXPRESSIONS for inside, _ in found.values() if inside is not code):
                    self._positions |= found
                    self._batches.setdefault(batch, code)
        self._new.clear()  # not before all is known: memory may be short for a while

    def position(self, code: CodeType) -> Position | None:
        """Tell where a code object was defined; None for code of no known batch."""
        self.settle()
        known = self._positions.get(id(code))
        return known[1] if known else None

    def code(self, batch: int, path: Sequence[int]) -> CodeType:
        """Give the code at a position, loading its batch if need be; raises `MissingSource`."""
        if type(batch) is not int:
            raise MalformedWorkspace("a batch without a number")
        self.settle()
        code: object = self._batches.get(batch)
        if code is None:
            try:
                loaded = self._load(batch)
            except LookupError as missing:
                raise MissingSource(batch) from missing
            code = self._batches[batch] = loaded
            self.add(batch, loaded)
        for index in path:
            code = self._item(code.co_consts, index) if type(code) is CodeType else None
        if type(code) is not CodeType:
            raise MalformedWorkspace(f"no definition at {batch}, {list(path)}")
        return code

    @staticmethod
    def _item(items: Sequence[object], index: object) -> object:
        return items[index] if type(index) is int and 0 <= index < len(items) else None


def _positions(batch: int, code: CodeType) -> dict[int, tuple[CodeType, Position]]:
    found: dict[int, tuple[CodeType, Position]] = {}
    pending: list[tuple[CodeType, Position]] = [(code, (batch, ()))]
    while pending:
        code, position = pending.pop()
        found[id(code)] = (code, position)
        for index, constant in enumerate(code.co_consts):
            if type(constant) is CodeType:
                pending.append((constant, (batch, (*position[1], index))))
    return found
