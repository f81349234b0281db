"""What is a warm-up made of, and which variable does it expect from outside? Pure.

A warm-up is Python that runs in each job of an agent before the model is asked for the first time. A comment that is a
row of dashes, on a line of its own, separates its blocks; the comment `# hidden` on a line of its own keeps its block
from the model:

    user = event.user
    print(user.name)
    # ----------
    # hidden
    account = user.account
"""

from __future__ import annotations

import ast
import io
import re
import symtable
import textwrap
import tokenize
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from statek.core.agents import WARMUP_BLOCKS, WarmupBlock
from statek_policies.offered import BUILTINS

if TYPE_CHECKING:
    from statek_policies import Policy

_SEPARATOR: Final = re.compile(r"#\s*-{3,}\s*")
_HIDDEN: Final = re.compile(r"#\s*hidden\s*", re.IGNORECASE)

PROVIDED: Final = BUILTINS | frozenset(
    {
        "FutureFailed",
        "JobCancelled",
        "SubTaskFailed",
        "HostObject",
        "LimitError",
        "ObjectGone",
        "TimeLimitError",
        "ToolDenied",
        "ToolError",
        "ToolOutcomeUnknown",
        "ToolTimeout",
        "WaitCancelled",
        "WaitTimeout",
        "get_all",
        "get_any",
        "wait_for_all",
        "wait_for_any",
    }
)
"""Names that guests find without anybody giving them: the built-ins that there are, and what the interpreter adds."""


@dataclass(frozen=True, slots=True)
class WarmupDef:
    """The warm-up of an agent: a text, or blocks as texts and `WarmupBlock`s; which variable an event fills."""

    blocks: tuple[WarmupBlock, ...]
    event_name: str | None
    """None for the one that the blocks expect."""

    def __init__(self, blocks: str | Iterable[str | WarmupBlock] = (), *, event_name: str | None = None) -> None:
        """Raises ValueError for what is no warm-up, with the line where there is one."""
        object.__setattr__(self, "blocks", _blocks(blocks))
        object.__setattr__(self, "event_name", event_name)


def _blocks(given: str | Iterable[str | WarmupBlock]) -> tuple[WarmupBlock, ...]:
    found = tuple(split(given)) if isinstance(given, str) else tuple(map(_block, given))
    if len(found) > WARMUP_BLOCKS:
        raise ValueError(f"a warm-up has at most {WARMUP_BLOCKS} blocks, not {len(found)}")
    return found


def _block(given: object) -> WarmupBlock:
    if isinstance(given, WarmupBlock):
        return given
    if isinstance(given, str):
        return WarmupBlock(textwrap.dedent(given).strip("\n"))
    raise ValueError(f"a block of a warm-up is a text or a WarmupBlock, not a {type(given).__name__}")


def split(text: str) -> Iterator[WarmupBlock]:
    """Split a text into its blocks; those that hold no code are left out. Raises ValueError for what is no Python."""
    text = textwrap.dedent(text)
    lines = text.splitlines(keepends=True)
    marks = _comment_lines(text)
    start, hidden = 0, False
    for index, line in enumerate((*lines, None)):
        mark = line.strip() if line is not None and index + 1 in marks else ""
        if line is None or _SEPARATOR.fullmatch(mark):
            source = "".join(lines[start:index]).strip("\n")
            if _has_code(source):
                yield WarmupBlock(source, hidden)
            start, hidden = index + 1, False
        elif _HIDDEN.fullmatch(mark):
            hidden = True


def _comment_lines(text: str) -> frozenset[int]:
    """Return the lines, from 1, on which there is nothing but a comment; a text in quotes has none."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        line = error.args[1][0] if isinstance(error, tokenize.TokenError) else error.lineno
        raise ValueError(f"line {line} of the warm-up: {error.args[0]}") from None
    comments = (token for token in tokens if token.type == tokenize.COMMENT)
    return frozenset(token.start[0] for token in comments if not token.line[: token.start[1]].strip())


def _has_code(source: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in source.splitlines())


def check(blocks: Iterable[WarmupBlock], policy: Policy) -> Iterator[str]:
    """Say what keeps blocks from being run under a policy, each with its block and line."""
    from statek_policies.language import compile_batch  # the whole language, which takes a moment to import
    from statek_policies.language.errors import SourceInvalid, SourceRefused, SourceTooLarge

    for number, block in enumerate(blocks, 1):
        where = f"block {number} of the warm-up"
        try:
            compile_batch(block.source.encode(), name=where, policy=policy, futures=True)
        except SourceRefused as refused:
            yield from (f"{where}, line {found.line}: {found.detail}" for found in refused.violations)
        except (SourceInvalid, SourceTooLarge, UnicodeEncodeError) as error:
            yield f"{where}: {error}"


def expected_names(blocks: Sequence[WarmupBlock], known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the variables that blocks read before they assign them, in order, without those that are known.

    What Python and every guest has by itself is not among them. What a function reads counts only where no block
    assigns it at all, since the function may be called after that. Blocks that are no Python have none.
    """
    source = "\n".join(block.source for block in blocks)
    try:
        reads = _reads(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()  # which `check` tells
    return tuple(name for name in reads if name not in PROVIDED and name not in known and not name.startswith("_"))


def _reads(source: str) -> list[str]:
    """List the names that a module reads before it assigns them."""
    module = ast.parse(source)
    assigned: set[str] = set()
    read: dict[str, None] = {}
    for name, stores in _in_order(module.body):
        if stores:
            assigned.add(name)
        elif name not in assigned:
            read.setdefault(name)
    for name in _read_inside(symtable.symtable(source, "warm-up", "exec")):
        if name not in assigned:
            read.setdefault(name)
    return list(read)


def _read_inside(table: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names of the module that its functions, lambdas and comprehensions read."""
    for child in table.get_children():
        if child.get_type() == "function":
            names = (symbol for symbol in child.get_symbols() if symbol.is_global() and symbol.is_referenced())
            yield from sorted(symbol.get_name() for symbol in names)
        yield from _read_inside(child)


_Use = tuple[str, bool]
"""A name, and whether it is stored rather than read."""


def _in_order(found: object) -> Iterator[_Use]:
    """Yield the uses of names by code that runs at the module's own level, about in the order in which it runs."""
    match found:
        case list():
            for part in found:
                yield from _in_order(part)
        case ast.Name(id=name, ctx=context):
            yield name, isinstance(context, ast.Store)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from _each(found.decorator_list, found.args.defaults, found.args.kw_defaults)
            yield found.name, True
        case ast.Lambda():
            yield from _each(found.args.defaults, found.args.kw_defaults)
        case ast.ClassDef():
            yield from _each(found.decorator_list, found.bases, found.keywords)
            yield from _reads_of_class(found)
            yield found.name, True
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            yield from _in_order(found.generators[0].iter)  # what else it reads, the table of symbols knows
        case ast.Import() | ast.ImportFrom():
            yield from (((alias.asname or alias.name).partition(".")[0], True) for alias in found.names)
        case ast.AugAssign(target=ast.Name(id=name)):
            yield from _each([(name, False)], found.value, [(name, True)])
        case ast.Assign():
            yield from _each(found.value, found.targets)
        case ast.AnnAssign() | ast.NamedExpr():
            yield from _each(found.value, found.target)
        case ast.For():
            yield from _each(found.iter, found.target, found.body, found.orelse)
        case ast.AST():
            yield from _bound_by(found)
            yield from _each(*(getattr(found, name, None) for name in found._fields))
        case (str() as name, bool() as stores):
            yield name, stores


def _each(*parts: object) -> Iterator[_Use]:
    for part in parts:
        yield from _in_order(part)


def _bound_by(found: ast.AST) -> Iterator[_Use]:
    """Yield names that a node binds without a `Name`: of an exception that is caught, of a pattern."""
    for name in (getattr(found, field, None) for field in ("name", "rest")):
        if isinstance(found, ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping) and name:
            yield name, True


def _reads_of_class(found: ast.ClassDef) -> Iterator[_Use]:
    """Yield what the body of a class reads of the module; what it stores is its own."""
    own: set[str] = set()
    for name, stores in _in_order(found.body):
        if stores:
            own.add(name)
        elif name not in own:
            yield name, False
