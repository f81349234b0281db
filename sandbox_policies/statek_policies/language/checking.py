"""What the parts of the transformer share: how a check refuses, notes a binding and walks on."""

import ast
from abc import ABC, abstractmethod
from typing import Any


class Checking(ABC):
    """One pass over one source."""

    expects_import_error: bool = False
    """Whether what is visited stands in a `try` whose handlers expect that a package is missing."""

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
