"""What a tool is, and how an application offers its tools. A tool is a function that runs in the scheduler."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import keyword
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from statek.errors import AppUnusable
from statek.futures.temporals import Temporal, definition_of
from statek_protocol.messages.base import NAME_LIMIT

P = ParamSpec("P")
R = TypeVar("R")
_MARK = "__statek_tool__"


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered tool. Arguments and results are any: they were checked as values when they crossed."""

    name: str
    function: Callable[..., Any]
    thread: bool = False
    """Run in a thread of its own: for slow input and output that touches no dbzero object."""
    idempotent: bool = False
    """May run again when nobody knows whether it ran; any other such call ends in ToolOutcomeUnknown."""
    wants_key: bool = False
    """Takes a keyword `idempotency_key`: the same text for the same call, however often it is made."""

    @property
    def is_async(self) -> bool:
        """Tell whether calling it makes a coroutine, as an object with an async `__call__` does too."""
        call = getattr(self.function, "__call__", None)  # noqa: B004 - its kind is asked for, not whether it is there
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(call)


@dataclass(frozen=True, slots=True)
class _Marks:
    name: str | None
    thread: bool
    idempotent: bool


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(
    *, name: str | None = None, thread: bool = False, idempotent: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    thread: bool = False,
    idempotent: bool = False,
) -> Any:
    """Mark a function as a tool and say how it may be run; a plain function needs no mark to be offered.

    `thread=True` for slow calls that touch no dbzero object; `idempotent=True` for one that may be repeated when the
    scheduler died while it ran.
    """
    if function is None:
        return functools.partial(_mark, marks=_Marks(name, thread, idempotent))
    return _mark(function, _Marks(name, thread, idempotent))


def _mark(function: Callable[P, R], marks: _Marks) -> Callable[P, R]:
    setattr(function, _MARK, marks)
    return function


class ToolRegistry:
    """The tools of one scheduler, by name."""

    def __init__(self, functions: Iterable[Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self.temporals: dict[str, Temporal] = {}
        """Those whose result may be a future that its own condition resolves."""
        for function in functions:
            self.add(function)

    def add(self, function: Callable[..., Any]) -> None:
        """Offer a function under its name; raises `AppUnusable` for what is no tool or a name that is taken."""
        if not callable(function):
            raise AppUnusable(f"{function!r} is no tool: a function is needed")
        marks: _Marks = getattr(function, _MARK, _Marks(None, thread=False, idempotent=False))
        name = str(marks.name or getattr(function, "__name__", ""))
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or len(name) > NAME_LIMIT:
            raise AppUnusable(f"{name!r} is no name for a tool: a guest could not call it")
        if name in self._tools:
            raise AppUnusable(f"two tools are called {name!r}")
        self._tools[name] = Tool(name, function, marks.thread, marks.idempotent, _wants_key(function))
        definition = definition_of(function)
        if definition is not None:
            self.temporals[name] = definition

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)


def _wants_key(function: Callable[..., Any]) -> bool:
    try:
        return "idempotency_key" in inspect.signature(function).parameters
    except ValueError:  # a function of C that does not tell its parameters
        return False


def load_app(path: Path) -> ToolRegistry:
    """Load an application file and take the list `tools` that it exports; raises `AppUnusable`."""
    if not path.is_file():
        raise AppUnusable(f"no application file {path}")
    spec = importlib.util.spec_from_file_location("statek_app", path)
    if spec is None or spec.loader is None:
        raise AppUnusable(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AppUnusable(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    functions = getattr(module, "tools", None)
    if not isinstance(functions, list | tuple):
        raise AppUnusable(f"{path} exports no list `tools`")
    return ToolRegistry(functions)
