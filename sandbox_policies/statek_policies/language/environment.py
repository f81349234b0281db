"""A guest's namespace: built-ins, guards under unspellable names, facades, and stable names for all of it.

Runs in the interpreter process, once for each guest.
"""

import sys
from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, NoReturn

from statek_policies.language import nodes
from statek_policies.language.boundaries import BOUNDARY
from statek_policies.language.builtin_names import builtin_exports, withheld_exports
from statek_policies.language.chance import Chance, GuestRandom
from statek_policies.language.classes import ClassBuilder
from statek_policies.language.clock import ClockReadings
from statek_policies.language.copying import settle_copying
from statek_policies.language.errors import ImportWithheld
from statek_policies.language.facades.annotations import annotation_exports
from statek_policies.language.facades.callables import callable_exports
from statek_policies.language.facades.catalogue import facades, static_exports
from statek_policies.language.facades.console import Console
from statek_policies.language.facades.facade import Facade
from statek_policies.language.facades.records import record_exports
from statek_policies.language.guards import Guards
from statek_policies.language.guests import GUEST_MODULE, Guests
from statek_policies.language.host import AbsentHost, Host
from statek_policies.language.imports import is_standard, why_absent
from statek_policies.language.reports import HOST, refuse
from statek_policies.language.waiting import waiting_guards
from statek_policies.policy import Policy

_RESERVED = frozenset({"__builtins__", "__name__", "__annotations__", "__warningregistry__"})
"""What the namespace holds beside the guest's variables; the last two appear when Python itself sets them."""

_PLAIN_DATA = (NoneType, bool, int, float, complex, str, bytes, tuple, frozenset)


class GuestEnvironment:
    """What one guest's code runs in."""

    def __init__(self, policy: Policy, host: Host) -> None:
        self.globals: dict[str, object] = {"__name__": GUEST_MODULE}
        self.reserved = _RESERVED
        chance = Chance(host)
        self.random: GuestRandom = chance.generator
        self._ids: dict[int, str] = {}
        self._objects: dict[str, object] = {}
        settle_copying()
        self._fill(policy, host, chance)

    def _fill(self, policy: Policy, host: Host, chance: Chance) -> None:
        clock = ClockReadings(host)
        guests = Guests(self.globals)
        guards = Guards(guests, clock, chance.samples())
        console = Console(host, self.globals)
        classes = ClassBuilder(guests, self._ids)
        builtin = builtin_exports(guards, self.globals, console.print) | withheld_exports(policy)
        bound = [
            {"time": clock.exports()},
            {"random": chance.random_exports(), "uuid": chance.uuid_exports(), "secrets": chance.secrets_exports()},
            callable_exports(guards, guests),
            annotation_exports(guests),
            record_exports(guests, classes.check_bases),
            console.exports(),
        ]
        modules = _facades(_merged(static_exports(), *bound), policy)
        self._name_all(builtin, modules)
        imports = {nodes.IMPORT: _importer(modules), nodes.IMPORT_FROM: _importer_from(modules)}
        hidden = {
            HOST: host,
            "__build_class__": classes.function(),
            "__import__": _import_for_python,
            "__debug__": True,
            "__doc__": None,
        }
        self._builtins = {
            **builtin,
            **guards.table(),
            **waiting_guards(guests),
            **imports,
            **hidden,
            BOUNDARY: True,
        }
        self.globals["__builtins__"] = self._builtins

    def stop_at(self, boundary: object) -> None:
        """Have this object asked for its truth at each boundary; without one, all instructions are executed."""
        self._builtins[BOUNDARY] = boundary

    def reference(self, obj: object) -> str | None:
        """Return the stable name of something that was handed out, by its identity."""
        return self._ids.get(id(obj))

    def resolve(self, ref: str) -> object:
        """Return what a stable name stands for; KeyError if nothing of that name is handed out."""
        return self._objects[ref]

    def _name_all(self, builtin: Mapping[str, object], modules: Mapping[str, Facade]) -> None:
        self._name("builtins", builtin)
        for module, facade in modules.items():
            self._name_one(module, facade)
            self._name(module, object.__getattribute__(facade, "__dict__"))

    def _name(self, module: str, exports: Mapping[str, object]) -> None:
        for name, exported in exports.items():
            self._name_one(f"{module}.{name}", exported)

    def _name_one(self, ref: str, exported: object) -> None:
        if type(exported) not in _PLAIN_DATA:
            self._objects[ref] = exported
            self._ids.setdefault(id(exported), ref)


def build_environment(policy: Policy, host: Host) -> GuestEnvironment:
    """Make a fresh namespace for one guest."""
    return GuestEnvironment(policy, host)


def _merged(*parts: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    merged: dict[str, dict[str, object]] = {}
    for part in parts:
        for module, exports in part.items():
            merged.setdefault(module, {}).update(exports)
    return merged


def _facades(exports: dict[str, dict[str, object]], policy: Policy) -> dict[str, Facade]:
    """Make the facades that the policy offers; `collections.abc` is also an attribute of `collections`."""
    made = facades({module: names for module, names in exports.items() if "." in module})
    for module, facade in made.items():
        parent, _, name = module.rpartition(".")
        if policy.offers_module(module):
            exports[parent][name] = facade
    made |= facades({module: names for module, names in exports.items() if "." not in module})
    return {module: made[module] for module in sorted(made) if policy.offers_module(module)}


def _importer(modules: Mapping[str, Facade]) -> Any:
    def import_module(module: str) -> Facade:
        return modules[module] if module in modules else _missing(module)

    return import_module


def _importer_from(modules: Mapping[str, Facade]) -> Any:
    def import_name(module: str, name: str) -> object:
        return getattr(modules[module] if module in modules else _missing(module), name)

    return import_name


def _missing(module: str) -> NoReturn:
    """Say that a module is not there: an error like any other where it is a package, else a refusal."""
    why = why_absent(module)
    if is_standard(module):
        refuse("import.not_offered", f"the module {module!r} is not offered", ImportWithheld)
    raise ModuleNotFoundError(f"No module named {module!r}" + (f": {why}" if why else ""), name=module)


def _import_for_python(name: str, *_arguments: object, **_keywords: object) -> None:
    """Let C code go on that imports a module in the guest's name; it takes the module from `sys.modules` itself."""
    if name not in sys.modules:
        raise ImportError(f"{name} is not there")


def exports_under(policy: Policy) -> dict[str, frozenset[str]]:
    """Return the names that each module exports under a policy."""
    return _exports_of(policy.imports)


@cache
def _exports_of(imports: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """The same by all that it depends on: two policies that differ in a limit share one answer."""
    policy = Policy(imports=imports)
    environment = build_environment(policy, AbsentHost())
    names = {
        module: frozenset(object.__getattribute__(environment.resolve(module), "__dict__"))
        for module in policy.modules() - {"__future__"}
    }
    return names | ({"__future__": frozenset({"annotations"})} if policy.offers_module("__future__") else {})
