"""`warnings` for a guest: what it warns of goes to its console, through filters of its own."""

import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

_ACTIONS = frozenset({"default", "error", "ignore", "always", "module", "once"})
_QUIET = (PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Ignored unless a filter says otherwise, as in a script."""


class _Filter(NamedTuple):
    action: str
    message: str
    category: type

    def fits(self, text: str, category: type) -> bool:
        return issubclass(category, self.category) and re.match(self.message, text, re.IGNORECASE) is not None


class WarningMessage(NamedTuple):
    """A warning that `catch_warnings(record=True)` kept."""

    message: Warning
    category: type
    lineno: int
    filename: str = "<guest>"


class Alerts:
    """The warnings of one guest."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._filters: list[_Filter] = []
        self._shown: set[tuple[str, type, int]] = set()
        self._records: list[list[WarningMessage] | None] = [None]

    def exports(self) -> dict[str, object]:
        """Return what `warnings` exports."""
        alerts = self

        class catch_warnings:
            """Keep the filters as they are after the `with` block."""

            def __init__(self, *, record: bool = False, action: Any = None, category: Any = Warning, **_: Any) -> None:
                self._record, self._action, self._category = record, action, category

            def __enter__(self) -> list[WarningMessage] | None:
                self._kept = list(alerts._filters)
                alerts._records.append([] if self._record else alerts._records[-1])
                if self._action is not None:
                    alerts._simplefilter(self._action, self._category)
                return alerts._records[-1] if self._record else None

            def __exit__(self, *_error: object) -> None:
                alerts._filters[:] = self._kept
                alerts._records.pop()

        catch_warnings.__module__, catch_warnings.__qualname__ = "warnings", "catch_warnings"
        return {"catch_warnings": catch_warnings, **{name: _function(self, name) for name in _FUNCTIONS}}

    def _warn(self, message: Any, category: Any = None, stacklevel: int = 1, source: Any = None) -> None:
        kind = type(message) if isinstance(message, Warning) else UserWarning if category is None else category
        if not isinstance(kind, type) or not issubclass(kind, Warning):
            raise TypeError(f"category must be a Warning subclass, not {type(category).__name__!r}")
        warning = message if isinstance(message, Warning) else kind(message)
        self._handle(warning, kind, sys._getframe(2).f_lineno)

    def _handle(self, warning: Warning, kind: type, line: int) -> None:
        text = str(warning)
        action = self._action(text, kind)
        where = (text, kind, 0 if action == "once" else line)
        if action == "error":
            raise warning
        if action == "ignore" or (action != "always" and where in self._shown):
            return
        self._shown.add(where)
        record = self._records[-1]
        if record is not None:
            record.append(WarningMessage(warning, kind, line))
        else:
            self._show(f"{kind.__name__}: {text}")

    def _action(self, text: str, kind: type) -> str:
        usual = "ignore" if issubclass(kind, _QUIET) else "default"
        return next((known.action for known in self._filters if known.fits(text, kind)), usual)

    def _simplefilter(self, action: str, category: Any = Warning, lineno: int = 0, append: bool = False) -> None:
        self._filterwarnings(action, "", category, append=append)

    def _filterwarnings(
        self,
        action: str,
        message: str = "",
        category: Any = Warning,
        module: str = "",
        lineno: int = 0,
        append: bool = False,
    ) -> None:
        if action not in _ACTIONS:
            raise ValueError(f"invalid action: {action!r}")
        if not isinstance(category, type) or not issubclass(category, Warning):
            raise TypeError("category must be a Warning subclass")
        self._filters.insert(len(self._filters) if append else 0, _Filter(action, message, category))
        self._shown.clear()

    def _resetwarnings(self) -> None:
        self._filters.clear()


_FUNCTIONS: dict[str, Callable[..., None]] = {
    "warn": Alerts._warn,
    "simplefilter": Alerts._simplefilter,
    "filterwarnings": Alerts._filterwarnings,
    "resetwarnings": Alerts._resetwarnings,
}


def _function(alerts: Alerts, name: str) -> Callable[..., None]:
    method = _FUNCTIONS[name]

    def function(*arguments: Any, **options: Any) -> None:
        method(alerts, *arguments, **options)

    function.__name__ = name
    return function
