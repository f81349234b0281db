"""How each attribute of a source is read and set: natively where its name is safe, else by a guard or not at all."""

import ast
from typing import Any

from statek_policies.language import nodes
from statek_policies.language.checking import Checking
from statek_policies.language.words import Reading, is_dunder, is_storable, reading, why_refused


class AttributeRules(Checking):
    """The part of the transformer that knows attributes."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Leave a safe load native; guard stores, underscored names and the names that reach further."""
        node.value = self.visit(node.value)
        if type(node.ctx) is not ast.Load:
            return self._store(node)
        how = reading(node.attr)
        if how is Reading.NATIVE:
            return node
        if how is Reading.PRIVATE:
            node.value = nodes.admitted(nodes.PRIVATE, node.value, node.attr)
            return node
        if how is Reading.REFUSED:
            self.refuse(node, self._rule(node.attr), why_refused(node.attr))
        return nodes.guarded(nodes.LOAD, node.value, node.attr)

    @staticmethod
    def _rule(attribute: str) -> str:
        return "attribute.dunder" if is_dunder(attribute) else "attribute.inspection"

    def _store(self, node: ast.Attribute) -> ast.AST:
        if not is_storable(node.attr):
            self.refuse(
                node, self._rule(node.attr), f"the attribute {node.attr!r} cannot be set; use a name of your own"
            )
        node.value = nodes.admitted(nodes.WRITE, node.value, node.attr)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Augment natively; only an attribute whose reading is guarded is read and written in two steps."""
        target = node.target
        if type(target) is not ast.Attribute or reading(target.attr) in (Reading.NATIVE, Reading.PRIVATE):
            return self.contents(node)
        if type(target.value) is not ast.Name:
            detail = (
                f"augmented assignment to {target.attr!r} needs a plain name before the dot; assign in two statements"
            )
            self.refuse(node, "attribute.augmented", detail)
            return node
        current = ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
        operator = nodes.text(type(node.op).__name__, node)
        value = nodes.call(nodes.INPLACE, [operator, self.visit(current), self.visit(node.value)], node)
        return nodes.assign(self.visit(target), value, node)
