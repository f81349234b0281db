"""Which built-ins a guest has: those that are safe as they are, ours in place of others, and those that say why not."""

import builtins
from collections.abc import Callable
from typing import Any, NoReturn

from statek_policies.language.accessors import Accessors
from statek_policies.language.facades.console import guest_exit
from statek_policies.language.guards import Guards
from statek_policies.language.refusals import REFUSED_BUILTINS
from statek_policies.language.reports import refuse
from statek_policies.language.standins import TYPE
from statek_policies.language.withheld import why_no_builtin, withheld_builtins
from statek_policies.language.words import Reading, reading
from statek_policies.offered import SAFE_BUILTINS
from statek_policies.policy import Policy


def builtin_exports(guards: Guards, namespace: dict[str, object], show: Callable[..., None]) -> dict[str, object]:
    """Return the guest's built-ins by name."""
    exports: dict[str, object] = {name: getattr(builtins, name) for name in sorted(SAFE_BUILTINS)}
    exports |= {
        name: _refusing(name, "builtin.refused", detail)
        for name, detail in REFUSED_BUILTINS.items()
        if name != "__import__"
    }
    return exports | {
        "type": TYPE,
        "print": show,
        "getattr": _plain(guards.getattr, "getattr"),
        "setattr": _plain(guards.setattr, "setattr"),
        "delattr": _plain(guards.delattr, "delattr"),
        "hasattr": _has(guards),
        "vars": _vars(guards),
        "dir": _dir(namespace),
        "exit": guest_exit,
        "quit": guest_exit,
    }


def withheld_exports(policy: Policy) -> dict[str, object]:
    """Return what stands in for the built-ins that the policy does not offer: called, it says so."""
    return {name: _refusing(name, "builtin.not_offered", why_no_builtin(name)) for name in withheld_builtins(policy)}


def _refusing(name: str, rule: str, detail: str) -> Callable[..., NoReturn]:
    def refused(*_arguments: Any, **_keywords: Any) -> NoReturn:
        refuse(rule, detail)

    refused.__name__ = name
    return refused


def _plain(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    def function(*arguments: Any) -> Any:
        return method(*arguments)

    function.__name__ = name
    return function


def _has(guards: Guards) -> Callable[[Any, str], bool]:
    """Answer for any name: whether an attribute is there tells nothing that reading it would."""

    def has(value: Any, name: str, /) -> bool:
        if type(name) is not str:
            raise TypeError("attribute name must be string")
        return hasattr(value, name)

    has.__name__ = "hasattr"
    return has


def _vars(guards: Guards) -> Callable[..., Any]:
    accessors = Accessors(guards)

    def vars_of(*values: Any) -> Any:
        if len(values) != 1:
            refuse("builtin.refused", "vars() without an object is not offered; use variables by name")
        return accessors.attributes(values[0])

    vars_of.__name__ = "vars"
    return vars_of


def _dir(namespace: dict[str, object]) -> Callable[..., list[str]]:
    def names(*values: Any) -> list[str]:
        if not values:
            return sorted(name for name in namespace if not name.startswith("__"))
        return [name for name in dir(values[0]) if type(name) is str and reading(name) is not Reading.REFUSED]

    names.__name__ = "dir"
    return names
