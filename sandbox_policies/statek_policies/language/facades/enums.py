"""Enumerations: the standard ones, whose members may not be given as a dict that reaches beyond a class statement."""

import enum
from typing import Any

from statek_policies.language.fields import check_fields, inherited_fields
from statek_policies.language.guests import GUEST_MODULE, is_sealed
from statek_policies.language.reports import refuse
from statek_policies.language.standins import ENUM_META, is_named
from statek_policies.language.words import is_dunder, is_storable


class CheckedEnumType(enum.EnumType):
    """The metaclass of every enumeration of a guest."""

    def __call__(cls, value: Any, names: Any = None, **options: Any) -> Any:
        """Look up a member, or make an enumeration from checked names."""
        if names is None:
            return super().__call__(value, **options)
        if not set(options) <= {"start", "type", "boundary", "module", "qualname"}:
            raise TypeError("only start, type, boundary, module and qualname can be given")
        if options.get("type") is not None:
            _check_mixin(cls, options["type"])
        options["module"] = GUEST_MODULE
        if options.get("qualname") is not None:
            options["qualname"] = _exact(options["qualname"])
        return super().__call__(_exact(value), _members(names), **options)


def _check_mixin(cls: type, kind: Any) -> None:
    """Refuse what a class statement could not derive an enumeration from either."""
    if not issubclass(type(kind), type) or not is_named(kind) or is_sealed(kind):
        name = kind.__name__ if issubclass(type(kind), type) else type(kind).__name__
        refuse("class.base", f"{name!r} cannot be derived from; derive from your own or from offered classes")
    bases = (kind, cls)
    check_fields(bases, inherited_fields(bases))


def _members(names: Any) -> Any:
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    pairs = names.items() if isinstance(names, dict) else names
    return [_member(item) for item in pairs]


def _member(item: Any) -> Any:
    if isinstance(item, str):
        return _checked(item)
    name, value = item
    return _checked(name), value


def _checked(name: object) -> str:
    exact = _exact(name)
    if not is_storable(exact) or is_dunder(exact):
        refuse("class.field", f"{exact!r} cannot be the name of a member; choose a plain identifier")
    return exact


def _exact(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"names must be text, not {type(name).__name__!r}")
    return str.__str__(name)


class Enum(enum.Enum, metaclass=CheckedEnumType):
    """`enum.Enum` for guests."""


class IntEnum(enum.IntEnum, metaclass=CheckedEnumType):
    """`enum.IntEnum` for guests."""


class StrEnum(enum.StrEnum, metaclass=CheckedEnumType):
    """`enum.StrEnum` for guests."""


class Flag(enum.Flag, metaclass=CheckedEnumType):
    """`enum.Flag` for guests."""


class IntFlag(enum.IntFlag, metaclass=CheckedEnumType):
    """`enum.IntFlag` for guests."""


EXPORTS: dict[str, object] = {kind.__name__: kind for kind in (Enum, IntEnum, StrEnum, Flag, IntFlag)} | {
    "EnumMeta": ENUM_META,
    "EnumType": ENUM_META,
}
