"""Futures inside the wall: how a pending value is fetched, and the guest's functions that combine several.

Everything here ends in a call, so a replay meets the same answers in the same order. Which calls are made depends on
nothing but the guest's code and on which values it has fetched, and that is part of every checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from statek_policies.language.pending import FUTURES, Pending, address, force, pending
from statek_protocol import leaves, operations
from statek_protocol.references import FutureRef


class Caller(Protocol):
    """What makes calls for the guest."""

    def call(self, tool: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Have the scheduler do something, and stand still until the outcome is there."""


def fetched_by(caller: Caller, takers: set[object]) -> None:
    """Let pending values be fetched by calls of this job, and its own functions take them as they are."""
    FUTURES.fetch = lambda number: caller.call(operations.FUTURE_VALUE, (pending(number),), {})
    FUTURES.takers = takers


def future_functions(caller: Caller) -> dict[str, Callable[..., object]]:
    """Make the functions by which a guest combines futures; they take pending values as they are."""
    return {
        "wait_for_any": _any_function(caller, "wait_for_any"),
        "wait_for_all": _all_function(caller, "wait_for_all"),
        "get_any": _any_function(caller, "get_any"),
        "get_all": _all_function(caller, "get_all"),
    }


def _any_function(caller: Caller, name: str) -> Callable[..., object]:
    def wait_for_any(*values: object, timeout: float | None = None) -> object:
        """Give the first of these values that is there; those that are no futures are there already."""
        _check(name, values, timeout)
        there = [value for value in values if not _is_waited_for(value)]
        return force(there[0]) if there else caller.call(operations.FUTURE_ANY, (values, timeout), {})

    return _called(wait_for_any, name)


def _all_function(caller: Caller, name: str) -> Callable[..., object]:
    def wait_for_all(*values: object, timeout: float | None = None) -> object:
        """Give all of these values as a tuple, once the last of them is there."""
        _check(name, values, timeout)
        if not any(map(_is_waited_for, values)):
            return tuple(map(force, values))
        known = tuple(value if _is_waited_for(value) else force(value) for value in values)
        return caller.call(operations.FUTURE_ALL, (known, timeout), {})

    return _called(wait_for_all, name)


def _called(function: Callable[..., object], name: str) -> Callable[..., object]:
    function.__name__ = function.__qualname__ = name
    return function


def _check(name: str, values: tuple[object, ...], timeout: object) -> None:
    if not values:
        raise TypeError(f"{name}() needs at least one value to wait for")
    if timeout is not None and (type(timeout) not in (int, float) or not timeout >= 0):  # type: ignore[operator]
        raise ValueError(f"{name}(): timeout must be a number of seconds, not {timeout!r}")


def _is_waited_for(value: object) -> bool:
    return type(value) is Pending and address(value) is not None


def reference_to(value: Pending) -> FutureRef:
    """Give the reference of a pending value that was not fetched; raises `leaves.Unencodable` for one that was."""
    found = address(value)
    if found is None:
        raise leaves.Unencodable("a value that was fetched")
    return FutureRef(*found)
