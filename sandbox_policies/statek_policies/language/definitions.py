"""What functions, lambdas and classes may be called and made of, and what kind of scope their bodies are."""

import ast

from statek_policies.language.checking import CLASS, FUNCTION, Checking, last_name
from statek_policies.language.refusals import METACLASSES
from statek_policies.language.words import DEFINABLE, is_dunder


class DefinitionRules(Checking):
    """The part of the transformer that knows definitions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Check a function's name; its body is a scope."""
        if not (self.scopes[-1] == CLASS and node.name in DEFINABLE):
            self._define(node, node.name)
        self._transform_decorators(node)
        node.args = self.visit(node.args)
        if node.returns is not None:
            node.returns = self.visit(node.returns)
        self._scoped(FUNCTION, node.body)
        return node

    def _define(self, node: ast.FunctionDef | ast.ClassDef, name: str) -> None:
        if self.scopes[-1] == CLASS and is_dunder(name):
            self.refuse(node, "class.method", f"a class cannot define {name!r}; {_why_not_definable(name)}")
        else:
            self.bind(node, name)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Check a lambda's parameters; its body is a scope."""
        node.args = self.visit(node.args)
        may_last = self.may_last
        self.scopes.append(FUNCTION)
        node.body = self.visit(node.body)
        self.scopes.pop()
        self.may_last = may_last
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Check a parameter's name."""
        self.bind(node, node.arg)
        return self.contents(node)  # type: ignore[no-any-return]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Check a class's name and metaclass; its body is a scope."""
        self._define(node, node.name)
        for keyword in node.keywords:
            if keyword.arg == "metaclass" and last_name(keyword.value) not in METACLASSES:
                detail = f"only {' and '.join(sorted(METACLASSES))} are offered as metaclasses; use __init_subclass__"
                self.refuse(node, "class.metaclass", detail)
        self._transform_decorators(node)
        self.transform_all(node.bases)
        self.transform_all(node.keywords)
        self._scoped(CLASS, node.body)
        return node

    def _transform_decorators(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        if node.decorator_list:
            self.may_last = True
            self.transform_all(node.decorator_list)

    def _scoped(self, scope: str, body: list[ast.stmt]) -> None:
        """Transform a body; what a function does takes no time where it is defined."""
        may_last = self.may_last
        self.scopes.append(scope)
        self.transform_all(body)
        self.scopes.pop()
        if scope == FUNCTION:
            self.may_last = may_last


def _why_not_definable(name: str) -> str:
    instead = {
        "__del__": "release things in a `with` block or a method that you call",
        "__subclasshook__": "use typing.Protocol with runtime_checkable, or the register() of your own ABC",
        "__await__": "there is no event loop; write a plain method",
    }
    return instead.get(name, "use an ordinary method, or __copy__ and __deepcopy__ for copying")
