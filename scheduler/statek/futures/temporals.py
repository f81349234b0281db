"""How a tool is marked as one whose result may not be there yet: the decorator `temporal`.

Such a function returns a plain value, which is used at once, or a `FutureResult`. Its condition tells whether the
value is there and its complement fetches it; both get the future. They run in dbzero's thread, so they may use
application objects, and must be quick.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from statek.futures.results import CombinedFuture, Complement, Condition, FutureResult, checked_deadline

P = ParamSpec("P")
R = TypeVar("R")
_DEFINITION = "__statek_temporal__"


@dataclass(frozen=True, slots=True)
class Temporal:
    """What `temporal` says of a function."""

    complement: Complement | None
    condition: Condition | None
    deadline_seconds: float | None

    def adopt(self, result: Any) -> Any:
        """Give a future that has no functions of its own these ones, and the deadline."""
        if isinstance(result, FutureResult) and not isinstance(result, CombinedFuture):
            if self.complement is not None and self.condition is not None and not result.has_functions:
                result.set_complement_functions(self.complement, self.condition)
            if result.deadline_seconds is None:
                result.deadline_seconds = self.deadline_seconds
        return result


def temporal(
    complement: Complement | None = None,
    condition: Condition | None = None,
    extends: Callable[..., Any] | None = None,
    *,
    deadline_seconds: float | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function, sync or async, as one that may return a `FutureResult`.

    Give both `complement` and `condition`, or `extends`, another temporal function whose two it takes over, or nothing
    for one that returns futures of others or with a key. Raises ValueError for anything else.
    """
    if (complement is None) != (condition is None):
        raise ValueError("temporal takes both a complement and a condition, or neither")
    seconds = checked_deadline(deadline_seconds)
    if extends is not None:
        if complement is not None:
            raise ValueError("temporal takes extends=, or a complement and a condition, not both")
        inherited = definition_of(extends)
        if inherited is None:
            raise ValueError(f"{getattr(extends, '__name__', extends)!r} is not temporal, so it cannot be extended")
        complement, condition = inherited.complement, inherited.condition
        seconds = inherited.deadline_seconds if seconds is None else seconds
    for function in (complement, condition):
        _refuse_async(function)
    return functools.partial(_mark, definition=Temporal(complement, condition, seconds))


def definition_of(function: object) -> Temporal | None:
    """Return what `temporal` said of a function; None for one that is not temporal."""
    found = getattr(function, _DEFINITION, None)
    return found if isinstance(found, Temporal) else None


def _refuse_async(function: Callable[..., Any] | None) -> None:
    if function is None:
        return
    if not callable(function):
        raise TypeError(f"a complement or condition is a function, not {type(function).__name__}")
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__name__}: a complement or condition is an ordinary function, not an async one")


def _mark(function: Callable[P, R], definition: Temporal) -> Callable[P, R]:
    marked: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def marked(*args: P.args, **kwargs: P.kwargs) -> Any:
            return definition.adopt(await function(*args, **kwargs))
    else:

        @functools.wraps(function)
        def marked(*args: P.args, **kwargs: P.kwargs) -> Any:
            return definition.adopt(function(*args, **kwargs))

    setattr(marked, _DEFINITION, definition)
    marked.__is_temporal__ = True
    marked.__temporal_complement__ = definition.complement
    marked.__temporal_condition__ = definition.condition
    return marked  # type: ignore[no-any-return]
