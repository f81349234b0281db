"""How an import statement becomes an assignment of a facade, and which imports the policy refuses."""

import ast
import sys
from collections.abc import Callable, Mapping

from statek_policies.errors import nearest
from statek_policies.language import nodes
from statek_policies.language.checking import Checking
from statek_policies.language.refusals import MODULES


class Imports:
    """What can be imported under one policy: the names that each offered module exports."""

    def __init__(self, exported: Mapping[str, frozenset[str]], withheld: Callable[[str, str], str | None]) -> None:
        self._exported = exported
        self._withheld = withheld

    def statements(self, node: ast.Import, checker: Checking) -> list[ast.stmt]:
        """Turn `import a, b.c as d` into assignments: `a = @import("a")`, `d = @import("b.c")`."""
        bindings: list[ast.stmt] = []
        for alias in node.names:
            self._check_module(node, alias.name, checker)
            target, module = alias.asname, alias.name
            if target is None:
                target = module = alias.name.partition(".")[0]
                if module != alias.name:
                    self._check_module(node, module, checker)
            bindings.append(self._binding(node, target, nodes.IMPORT, [module], checker))
        return bindings

    def statements_from(self, node: ast.ImportFrom, checker: Checking) -> list[ast.stmt]:
        """Turn `from a import b as c` into `c = @import_from("a", "b")`."""
        module = node.module or ""
        if node.level:
            checker.refuse(
                node, "import.relative", "there is no package around a batch; import modules by their full name"
            )
            return []
        if module == "__future__" or not self._check_module(node, module, checker):
            return [nodes.nothing(node)]
        return [self._from(node, module, alias, checker) for alias in node.names]

    def _from(self, node: ast.ImportFrom, module: str, alias: ast.alias, checker: Checking) -> ast.stmt:
        if alias.name == "*":
            checker.refuse(node, "import.star", f"import * is not offered; name what you use: from {module} import ...")
            return nodes.nothing(node)
        if module in self._exported and alias.name not in self._exported[module]:
            checker.refuse(node, "import.name", self.why_no_name(module, alias.name))
        return self._binding(node, alias.asname or alias.name, nodes.IMPORT_FROM, [module, alias.name], checker)

    def _binding(
        self, node: ast.Import | ast.ImportFrom, target: str, guard: str, texts: list[str], checker: Checking
    ) -> ast.stmt:
        checker.bind(node, target)
        value = nodes.call(guard, [nodes.text(text, node) for text in texts], node)
        return nodes.assign(nodes.store(target, node), value, node)

    def _check_module(self, node: ast.stmt, module: str, checker: Checking) -> bool:
        if module in self._exported or (checker.expects_import_error and not is_standard(module)):
            return True
        checker.refuse(node, "import.not_offered", self.why_no_module(module))
        return False

    def why_no_module(self, module: str) -> str:
        """Say why a module is not there and what is."""
        reason = why_absent(module)
        if reason:
            return f"the module {module!r} is not offered: {reason}"
        close = nearest(module, self._exported)
        if close:
            return f"the module {module!r} is not offered; did you mean {close!r}?"
        offered = ", ".join(sorted(name for name in self._exported if name != "__future__"))
        return f"the module {module!r} is not offered; " + (f"choose from {offered}" if offered else "no module is")

    def why_no_name(self, module: str, name: str) -> str:
        """Say why a module does not export a name and what it exports."""
        reason = self._withheld(module, name)
        if reason:
            return f"{module}.{name} is not offered; {reason}"
        close = nearest(name, self._exported[module])
        meant = f"did you mean {close!r}?" if close else f"it has {', '.join(sorted(self._exported[module]))}"
        return f"{module} has no {name!r}; {meant}"


def is_standard(module: str) -> bool:
    """Tell whether the module belongs to the standard library; any other is a package that is not installed."""
    return module.partition(".")[0] in sys.stdlib_module_names


def why_absent(module: str) -> str | None:
    """Say why a module that programs often ask for is not there; None if nothing is known about it."""
    return MODULES.get(module) or MODULES.get(module.partition(".")[0])
