"""What a `match` statement may read: Python loads the attributes of class patterns itself, past every guard."""

import ast
from typing import Any

from statek_policies.language.checking import Checking
from statek_policies.language.words import Reading, is_matchable, reading


class PatternRules(Checking):
    """The part of the transformer that knows patterns."""

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        """Let Python read plainly named attributes only; positional ones come from a class's checked __match_args__."""
        for attribute in node.kwd_attrs:
            if not is_matchable(attribute):
                self._refuse_reading(node, attribute)
        self._check_path(node.cls)
        return self.contents(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> Any:
        """Check the keys and the name that takes the rest."""
        self.bind(node, node.rest)
        for key in node.keys:
            self._check_path(key)
        return self.contents(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        """Check a value that is looked up by its dotted name."""
        self._check_path(node.value)
        return self.contents(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> Any:
        """Check the name that a pattern binds."""
        self.bind(node, node.name)
        return self.contents(node)

    visit_MatchStar = visit_MatchAs

    def _check_path(self, path: ast.expr) -> None:
        """Refuse what would need a guard: a pattern has no place for one."""
        for node in ast.walk(path):
            if type(node) is ast.Attribute and reading(node.attr) is not Reading.NATIVE:
                self._refuse_reading(node, node.attr)

    def _refuse_reading(self, node: ast.AST, attribute: str) -> None:
        detail = f"a pattern cannot read the attribute {attribute!r}; match the whole object and compare with `if`"
        self.refuse(node, "match.attribute", detail)
