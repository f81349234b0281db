"""What a tool is, and how an application offers its tools. A tool is a function that runs in the scheduler."""

from __future__ import annotations

import functools
import inspect
import keyword
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    transactional: bool = False
    """Its changes in dbzero happen once, whatever is killed: they are committed together with its outcome."""
    timeout_seconds: float | None = None
    """How long it may take; None for the service's default."""

    @property
    def is_async(self) -> bool:
        """Tell whether calling it makes a coroutine, as an object with an async `__call__` does too."""
        call = getattr(self.function, "__call__", None)  # noqa: B004 - its kind is asked for, not whether it is there
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(call)


@dataclass(frozen=True, slots=True)
class _Marks:
    name: str | None = None
    thread: bool = False
    idempotent: bool = False
    transactional: bool = False
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        seconds = self.timeout_seconds
        if seconds is not None and not (type(seconds) in (int, float) and 0 < seconds < math.inf):
            raise ValueError(f"timeout_seconds must be a number of seconds above 0, not {seconds!r}")
        if self.transactional and self.thread:
            raise ValueError("a transactional tool runs in dbzero's thread: leave out thread=True")


@overload
def tool(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    thread: bool = False,
    idempotent: bool = False,
    transactional: bool = False,
    timeout_seconds: float | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    thread: bool = False,
    idempotent: bool = False,
    transactional: bool = False,
    timeout_seconds: float | None = None,
) -> Any:
    """Mark a function as a tool and say how it may be run; a plain function needs no mark to be offered.

    `thread=True` for slow calls that touch no dbzero object; `idempotent=True` for one that may be repeated when the
    scheduler died while it ran; `transactional=True` for one that changes nothing but dbzero objects, which it then
    does exactly once. Raises ValueError for marks that contradict each other.
    """
    marks = _Marks(name, thread, idempotent, transactional, timeout_seconds)
    return functools.partial(_mark, marks=marks) if function is None else _mark(function, marks)


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
        marks: _Marks = getattr(function, _MARK, _Marks())
        name = str(marks.name or getattr(function, "__name__", ""))
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or len(name) > NAME_LIMIT:
            raise AppUnusable(f"{name!r} is no name for a tool: a guest could not call it")
        if name in self._tools:
            raise AppUnusable(f"two tools are called {name!r}")
        offered = Tool(
            name,
            function,
            marks.thread,
            marks.idempotent,
            _wants_key(function),
            marks.transactional,
            marks.timeout_seconds,
        )
        if offered.transactional and offered.is_async:
            raise AppUnusable(f"the tool {name!r} is async, so it cannot be transactional")
        self.take(offered)

    def take(self, tool: Tool) -> None:
        """Offer a tool of another registry under its name, which is not taken here."""
        self._tools[tool.name] = tool
        definition = definition_of(tool.function)
        if definition is not None:
            self.temporals[tool.name] = definition

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

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
