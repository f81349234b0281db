"""Programs out of the test files that come with CPython: one per test method, one per doctest.

Each is the shared prelude, the definitions of the file that the test needs, and the test. Nothing is copied: the files
are read from the interpreter that runs this, where its `test` package is installed.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PRELUDE = (Path(__file__).parent / "prelude.guest").read_text("utf-8")
_SHIMS = frozenset({"unittest", "support", "TestCase", "SkipTest"})
_OF = "__of__"
_ALWAYS_USED = ("setUp", "tearDown", "setUpClass")
_FRESH = ("import_fresh_module", "import_module")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Program:
    """One test as a program that prints nothing of its own and ends with an error where the test fails."""

    name: str
    source: str


def is_installed() -> bool:
    """Tell whether this interpreter has its test files."""
    return importlib.util.find_spec("test") is not None and importlib.util.find_spec("test.test_grammar") is not None


class TestFile:
    """One module of the `test` package."""

    __test__ = False

    def __init__(self, name: str) -> None:
        self.name = name
        spec = importlib.util.find_spec(f"test.{name}")
        assert spec is not None
        assert spec.origin is not None
        self._tree = ast.parse(Path(spec.origin).read_text("utf-8"))
        self._text = Path(spec.origin).read_text("utf-8")

    def programs(self) -> Iterator[Program]:
        """Return each test of the file."""
        yield from self._methods()
        yield from self._doctests()

    @cached_property
    def _definitions(self) -> dict[str, list[ast.stmt]]:
        """Which top-level statements bind a name; another file's base classes count as this one's."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self._statements():
            for name in _bound(statement):
                found.setdefault(name, []).append(statement)
        return found

    def _statements(self) -> Iterator[ast.stmt]:
        for statement in self._tree.body:
            yield from _rewritten(statement)

    def _methods(self) -> Iterator[Program]:
        classes = {s.name: s for s in self._statements() if isinstance(s, ast.ClassDef)}
        for cls in classes.values():
            if _OF in cls.name or not self._is_case(cls, classes):
                continue
            for method in sorted(self._tests(cls, classes)):
                needed = self._needed({cls.name}, method)
                run = f"{cls.name}({method!r}).run_one({method!r})"
                yield Program(f"{cls.name}.{method}", self._program(needed, run))

    def _lineage(self, cls: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
        yield cls
        for base in cls.bases:
            name = base.id if isinstance(base, ast.Name) else ast.unparse(base).replace(".", _OF)
            if name in classes and name != cls.name:
                yield from self._lineage(classes[name], classes)

    def _is_case(self, cls: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
        bases = [ast.unparse(base) for above in self._lineage(cls, classes) for base in above.bases]
        return any(base.rpartition(".")[2] == "TestCase" for base in bases)

    def _tests(self, cls: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
        return {
            member.name
            for above in self._lineage(cls, classes)
            for member in above.body
            if isinstance(member, ast.FunctionDef) and member.name.startswith("test")
        }

    def _needed(self, names: set[str], method: str) -> list[ast.stmt]:
        """Collect what the names stand on, in the order of the file; of a test case only the methods that are used."""
        used: set[str] = set()
        more = {method, *_ALWAYS_USED}
        while more - used:
            used |= more
            taken = self._reached(names, used)
            nodes = [node for kept in taken.values() for node in ast.walk(kept)]
            mentioned = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            mentioned |= {node.id for node in nodes if isinstance(node, ast.Name)}
            more = {name for name in mentioned if not name.startswith("test")}
        order = {id(s): index for index, s in enumerate(s for ss in self._definitions.values() for s in ss)}
        return [kept for key, kept in sorted(taken.items(), key=lambda item: (item[1].lineno, order[item[0]]))]

    def _reached(self, names: set[str], used: set[str]) -> dict[int, ast.stmt]:
        taken: dict[int, ast.stmt] = {}
        seen: set[str] = set(_SHIMS)
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in self._definitions.get(name, ()):
                taken[id(statement)] = kept = _with_used_methods(statement, used)
                waiting += _loaded(kept)
        return taken

    def _program(self, needed: list[ast.stmt], run: str) -> str:
        body = "\n".join(ast.unparse(statement) for statement in needed)
        future = "from __future__ import annotations\n" if "from __future__ import annotations" in self._text else ""
        return f"{future}{PRELUDE}\n{body}\n{run}\n"

    def _doctests(self) -> Iterator[Program]:
        parser = doctest.DocTestParser()
        for index, text in enumerate(_texts(self._tree)):
            if ">>>" not in text:
                continue
            try:
                examples = parser.get_examples(textwrap.dedent(text))
            except ValueError:
                continue
            steps = [step for example in examples if (step := _example(example.source))]
            if steps:
                loaded = {name for step in steps for name in _loaded(ast.parse(step))}
                needed = self._needed(loaded, "")
                yield Program(f"doctest {index + 1}", self._program(needed, "\n".join(steps)))


def _example(source: str) -> str:
    """Make one example of a doctest print its value or its error; the ones that are no program are left out."""
    try:
        tree = ast.parse(source)
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            shown = ast.unparse(tree.body[0])
            source = f"_shown = ({shown})\nif _shown is not None: print(repr(_shown))"
            ast.parse(source)
        else:
            source = ast.unparse(tree)
    except SyntaxError:
        return ""
    caught = "except Exception as _error:\n    print(type(_error).__name__, _error)"
    return f"try:\n{textwrap.indent(source, '    ')}\n{caught}"


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *_Definition.__args__)):
            text = ast.get_docstring(node)
            if text:
                yield text
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Return the names that a top-level statement binds."""
    if isinstance(statement, _Definition):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, _Definition):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


def _loaded(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _with_used_methods(statement: ast.stmt, used: set[str]) -> ast.stmt:
    """Leave the methods out of a test case that nothing calls: they would need what the test at hand does not."""
    if not isinstance(statement, ast.ClassDef):
        return statement
    is_case = any(isinstance(member, ast.FunctionDef) and member.name.startswith("test") for member in statement.body)
    body = [member for member in statement.body if not (is_case and _is_unused(member, used))]
    kept = ast.ClassDef(statement.name, statement.bases, statement.keywords, body or [ast.Pass()], [])
    kept.decorator_list = statement.decorator_list
    return ast.copy_location(kept, statement)


def _is_unused(member: ast.stmt, used: set[str]) -> bool:
    if isinstance(member, ast.ImportFrom):
        return (member.module or "").startswith("test.support")
    return isinstance(member, ast.FunctionDef) and not member.name.startswith("__") and member.name not in used


def _rewritten(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Let the shims stand for the modules that tests are written with."""
    if isinstance(statement, ast.ImportFrom) and (statement.module or "").partition(".")[0] in ("test", "unittest"):
        yield from _from_test(statement)
    elif isinstance(statement, ast.Import) and statement.names[0].name.partition(".")[0] in ("test", "unittest"):
        return
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            yield ast.copy_location(ast.Import([alias]), statement)
    elif isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
        for alias in _named(statement):
            yield ast.copy_location(ast.ImportFrom(statement.module, [alias], statement.level), statement)
    elif _freshly_imported(statement):
        (target,), call = statement.targets, statement.value  # type: ignore[attr-defined]
        yield ast.copy_location(ast.Import([ast.alias(call.args[0].value, target.id)]), statement)
    else:
        yield statement


def _named(statement: ast.ImportFrom) -> list[ast.alias]:
    """Write out what `import *` brings."""
    if statement.names[0].name != "*":
        return statement.names
    module = importlib.import_module(statement.module or "")
    return [ast.alias(name) for name in getattr(module, "__all__", None) or dir(module) if not name.startswith("_")]


def _from_test(statement: ast.ImportFrom) -> Iterator[ast.stmt]:
    for alias in statement.names:
        bound = alias.asname or alias.name
        path = f"{statement.module}.{alias.name}"
        if path in ("test.support", "test.support.import_helper") or bound in _SHIMS:
            continue
        if (statement.module or "").startswith("test.support"):
            made = ast.parse(f"{bound} = support.{alias.name}").body
        elif statement.module == "test" and alias.name.endswith("_tests"):
            made = _included(alias.name, bound)
        else:
            made = ast.parse(f"{bound} = unittest.{alias.name}").body
        for index, node in enumerate(made):
            if node.lineno == 1 or statement.module != "test":
                ast.copy_location(node, statement)
            node.lineno = statement.lineno + index / (len(made) + 1)  # type: ignore[assignment]  # keeps their order
            yield node


def _included(file: str, bound: str) -> list[ast.stmt]:
    """Take in another test file's classes, under names that tell whose they are."""
    inner = list(TestFile(file)._statements())
    names = {s.name: f"{bound}{_OF}{s.name}" for s in inner if isinstance(s, ast.ClassDef)}
    for node in (node for statement in inner for node in ast.walk(statement)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            node.id = names.get(node.id, node.id)
    for statement in inner:
        if isinstance(statement, ast.ClassDef):
            statement.name = names[statement.name]
    members = "\n".join(f"    {name} = {renamed}" for name, renamed in names.items())
    return [*inner, *ast.parse(f"class {bound}:\n{members}").body]


def _freshly_imported(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func).rpartition(".")[2] in _FRESH
        and bool(statement.value.args)
        and isinstance(statement.value.args[0], ast.Constant)
    )
