"""What the parts of the transformer share: how a check refuses, notes a binding and walks on."""

import ast
from abc import ABC, abstractmethod
from typing import Any

FUNCTION, CLASS, MODULE = "function", "class", "module"
"""Kinds of scopes."""


class Checking(ABC):
    """One pass over one source."""

    expects_import_error: bool = False
    """Whether what is visited stands in a `try` whose handlers expect that a package is missing."""
    scopes: list[str]
    """The kinds of scopes that what is visited stands in, from the module's down."""
    may_last: bool = False
    """Whether the top-level statement may take long, as far as it was visited."""

    @abstractmethod
    def refuse(self, node: Any, rule: str, detail: str) -> None:
        """Note a violation at the node's line."""

    @abstractmethod
    def bind(self, node: Any, name: str | None) -> None:
        """Check a name that the source gives a value to."""

    @abstractmethod
    def visit(self, node: ast.AST) -> Any:
        """Transform one node."""

    @abstractmethod
    def contents(self, node: ast.AST) -> Any:
        """Transform the children of a node in place."""

    @abstractmethod
    def transform_all(self, children: list[Any]) -> None:
        """Transform the nodes of a list in place; one statement may become several, or none."""


def last_name(value: ast.expr) -> str:
    """Return a name, or what stands behind the last dot of one; nothing for any other expression."""
    return value.id if type(value) is ast.Name else value.attr if type(value) is ast.Attribute else ""
