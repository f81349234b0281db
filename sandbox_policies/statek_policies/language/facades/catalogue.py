"""The facades that need no host: built once in a process, before any guest is there."""

import _strptime  # type: ignore[import-not-found]  # noqa: F401 - C code imports it when there are no files
import importlib
from collections.abc import Mapping
from functools import cache
from types import ModuleType

from statek_policies.language.facades import containers, enums
from statek_policies.language.facades.facade import Facade, facade_class, make_facade
from statek_policies.language.facades.tables import OTHERWISE, PURE, WITHHELD
from statek_policies.language.standins import name_types
from statek_policies.offered import MODULES

_WITHOUT_MODULE = frozenset({"__future__"})


@cache
def static_exports() -> dict[str, dict[str, object]]:
    """Return what each module exports to every guest alike."""
    exports: dict[str, dict[str, object]] = {module: {} for module in sorted(MODULES - _WITHOUT_MODULE)}
    for module, names in PURE.items():
        real = importlib.import_module(module)
        exports[module] = {name: _frozen(getattr(real, name)) for name in names.split()}
    exports["enum"] |= enums.EXPORTS
    exports["collections"] |= containers.EXPORTS
    return exports


def _frozen(exported: object) -> object:
    if type(exported) is set:
        return frozenset(exported)
    return tuple(exported) if type(exported) is list else exported


@cache
def facade_classes(names: frozenset[tuple[str, frozenset[str]]]) -> dict[str, type[Facade]]:
    """Return the class of each module's facade, given all names that it exports."""
    return {module: facade_class(module, _withheld_names(module, exported)) for module, exported in names}


def facades(exports: Mapping[str, Mapping[str, object]]) -> dict[str, Facade]:
    """Make the facades of these exports."""
    for exported in exports.values():
        name_types(exported.values())
    names = frozenset((module, frozenset(exported)) for module, exported in exports.items())
    classes = facade_classes(names)
    return {module: make_facade(classes[module], exported) for module, exported in exports.items()}


def _withheld_names(module: str, exported: frozenset[str]) -> dict[str, str]:
    real = importlib.import_module(module)
    known = {path.rpartition(".")[2] for path in WITHHELD if path.rpartition(".")[0] == module}
    names = known | {name for name in dir(real) if not name.startswith("_")}
    return {name: advice(module, name) for name in sorted(names - exported) if _is_notable(real, name, known)}


def _is_notable(real: ModuleType, name: str, known: set[str]) -> bool:
    """Tell whether a program may have meant the name: what a module imports for itself is no part of it."""
    return name in known or not isinstance(getattr(real, name, None), ModuleType)


def advice(module: str, name: str) -> str:
    """Say what to use instead."""
    return WITHHELD.get(f"{module}.{name}", OTHERWISE)


def why_withheld(module: str, name: str) -> str | None:
    """Say why a module's facade lacks a name that the real module has; None if the real one lacks it too."""
    if f"{module}.{name}" not in WITHHELD and not hasattr(importlib.import_module(module), name):
        return None
    return advice(module, name)
