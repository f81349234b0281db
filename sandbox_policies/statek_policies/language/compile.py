"""The one strict compile path: a source is refused, or exactly what was checked becomes the code that runs.

Runs in the interpreter process. There is no second path and no fall-back.
"""

import __future__

import ast
import codecs
import sys
import types
import warnings
from functools import cache
from typing import Any, NamedTuple, cast

from statek_policies.language import boundaries
from statek_policies.language.environment import exports_under
from statek_policies.language.errors import SourceInvalid, SourceRefused, SourceTooLarge
from statek_policies.language.facades.catalogue import why_withheld
from statek_policies.language.imports import Imports
from statek_policies.language.parser_work import check_work
from statek_policies.language.scan import scan
from statek_policies.language.transformer import LeanTransformer
from statek_policies.language.waiting import let_wait
from statek_policies.language.withheld import uses_of_withheld
from statek_policies.policy import Policy
from statek_policies.rules import Violation

_PYTHON = (3, 11)
_NO_WARNINGS = [("ignore", None, Warning, None, 0)]
"""Filters as the `warnings` module keeps them. `catch_warnings` does the same with six calls, and copies the list."""
_DECORATED = frozenset({ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef})
_LITTER_BYTES = 4096
"""Of a source; its tree takes up to a few hundred times as much, which is held while the batch runs."""
_ANNOTATIONS = __future__.annotations.compiler_flag


class CompiledBatch(NamedTuple):
    """A checked program of instructions, its top-level statements. It asks at boundaries whether to execute some."""

    name: str
    code: types.CodeType
    """To be executed in the guest's globals."""
    lines: tuple[int, ...]
    """Where each instruction begins, from 1; a decorated definition begins at its first decorator."""
    starts: tuple[int, ...]
    """The instructions that have a boundary before them, by their places from 0."""

    def under(self, name: str) -> "CompiledBatch":
        """Give the program another name, for another batch with the same source: tracebacks tell it."""
        return self if name == self.name else self._replace(name=name, code=_renamed(self.code, name))


def compile_batch(
    source: bytes,
    *,
    name: str,
    policy: Policy,
    futures: bool = False,
    first: int = 0,
    litter: list[ast.AST] | None = None,
) -> CompiledBatch:
    """Check and compile a source; raises SourceRefused, SourceInvalid or SourceTooLarge and nothing else.

    `futures` says that the guest can meet values that are not there yet. An instruction where the batch is to begin,
    `first`, has a boundary of its own. To let go of a syntax tree takes time: a small one is put into `litter`, for
    whoever calls to let go of it when nobody waits.
    """
    if sys.version_info[:2] != _PYTHON:
        raise RuntimeError("the language was checked for CPython 3.11 only")
    _check_size(source, policy)
    filters, warnings.filters = warnings.filters, _NO_WARNINGS  # one about the guest's source is none about ours
    try:
        tree = _parsed(_decoded(source), name)
        compiled = _compile(tree, name, policy, futures=futures, first=first)
    except SyntaxError as error:
        raise SourceInvalid(type(error).__name__, _said(error), error.lineno) from None
    except (RecursionError, MemoryError):
        raise SourceInvalid("SyntaxError", "the source is nested too deeply", None) from None
    except (ValueError, OverflowError) as error:  # a NUL byte, a lone surrogate, a number too long for CPython
        raise SourceInvalid("SyntaxError", str(error), None) from None
    finally:
        warnings.filters = filters
    if litter is not None and len(source) <= _LITTER_BYTES:
        litter.append(tree)
    return compiled


def _parsed(text: str, name: str) -> ast.Module:
    return cast(ast.Module, compile(text, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True))


def _compile(tree: ast.Module, name: str, policy: Policy, *, futures: bool, first: int) -> CompiledBatch:
    transformer = LeanTransformer(_imports(policy.imports), policy.limits.ast_nodes)
    flags = _ANNOTATIONS if _defers_annotations(tree) else 0
    transformer.violations += uses_of_withheld(tree, policy)
    lines = [s.lineno if type(s) not in _DECORATED else _first_line(s) for s in tree.body]
    transformed = transformer.transform(tree.body)
    _refuse(transformer.violations)
    lasting = transformer.lasting
    if futures:
        transformed = [let_wait(made) for made in transformed]
        lasting = [True] * len(lasting)  # each may wait for days
    starts = boundaries.starts(lasting, first)
    tree.body = boundaries.behind(transformed, lines, starts)
    code: types.CodeType = compile(tree, name, "exec", flags, dont_inherit=True, optimize=0)
    _refuse(scan(code))
    return CompiledBatch(name, code, tuple(lines), tuple(starts))


def _renamed(code: types.CodeType, name: str) -> types.CodeType:
    constants = [_renamed(const, name) if type(const) is types.CodeType else const for const in code.co_consts]
    return code.replace(co_filename=name, co_consts=tuple(constants))


def _check_size(source: bytes, policy: Policy) -> None:
    allowed = policy.limits.source_bytes
    if len(source) > allowed:
        raise SourceTooLarge("source_bytes", allowed=allowed, used=len(source))


def _decoded(source: bytes) -> str:
    encoded = source.removeprefix(codecs.BOM_UTF8)
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        line = encoded.count(b"\n", 0, error.start) + 1
        raise SourceInvalid("SyntaxError", "the source is not UTF-8 text", line) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SourceInvalid("SyntaxError", "the source contains a NUL byte", line)
    check_work(text)
    return text


def _said(error: SyntaxError) -> str:
    return str(error.msg) if error.msg else "invalid syntax"


@cache
def _imports(offered: tuple[str, ...]) -> Imports:
    return Imports(exports_under(Policy(imports=offered)), why_withheld)


def _refuse(violations: list[Violation]) -> None:
    if violations:
        raise SourceRefused(tuple(violations))


def _first_line(definition: Any) -> int:
    decorators = definition.decorator_list
    return int((decorators[0] if decorators else definition).lineno)


def _defers_annotations(tree: ast.Module) -> bool:
    if ast.ImportFrom not in map(type, tree.body):
        return False
    imports = [statement for statement in tree.body if isinstance(statement, ast.ImportFrom)]
    futures = [statement for statement in imports if statement.module == "__future__"]
    return any(alias.name == "annotations" for statement in futures for alias in statement.names)
