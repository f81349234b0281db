"""What a guest holds in place of a type that it must not call: it can be compared and checked against.

`type(x)` answers with a real class only where the guest defined it or could name it anyway: as a built-in, an export of
a module, or an exception. Any other is answered with a stand-in. Its constructor was not written for strangers: that of
a metaclass makes a class out of any dict, that of `typing.List[int]` reads any attribute of any object.
"""

import abc
import builtins
import enum
import types
from collections.abc import Iterable
from typing import Any, NoReturn, cast

from statek_policies.language.guests import is_guest_class
from statek_policies.language.reports import refuse


class StandIn:
    """Answers for one real type; it stays behind a closure, since an attribute could be read."""

    __slots__ = ("__is_instance", "__is_subclass", "__name__", "__qualname__")

    __name__: str
    __qualname__: str
    __module__ = "builtins"

    def __new__(cls) -> "StandIn":
        """Refuse: stand-ins are made by `stand_in` only."""
        raise TypeError("cannot be made")

    def __instancecheck__(self, value: object) -> bool:
        return self.__is_instance(value)  # type: ignore[no-any-return, attr-defined]

    def __subclasscheck__(self, cls: type) -> bool:
        return self.__is_subclass(cls)  # type: ignore[no-any-return, attr-defined]

    def __call__(self, *_arguments: object, **_keywords: object) -> object:
        refuse("type.call", f"the type {self.__name__!r} cannot be called; use def, lambda or class")

    def __repr__(self) -> str:
        return f"<class '{self.__qualname__}'>"

    def __or__(self, _other: object) -> "StandIn":
        return self

    __ror__ = __getitem__ = __or__

    def __copy__(self) -> "StandIn":
        return self

    def __deepcopy__(self, _memo: object) -> "StandIn":
        return self

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be set")

    __delattr__ = __setattr__  # type: ignore[assignment]  # the same answer with one argument less

    def __mro_entries__(self, _bases: tuple[object, ...]) -> NoReturn:
        refuse("class.base", f"{self.__name__!r} cannot be subclassed; use __init_subclass__ or a decorator")


def stand_in(real: type, name: str | None = None, cls: type[StandIn] = StandIn) -> StandIn:
    """Make the stand-in of a real type."""
    made = object.__new__(cls)
    facts: dict[str, Any] = {
        "_StandIn__is_instance": lambda value: isinstance(value, (real, StandIn) if real is type else real),
        "_StandIn__is_subclass": lambda other: issubclass(real_type(other), real),
        "__name__": name or real.__name__,
        "__qualname__": name or real.__qualname__,
    }
    for fact, value in facts.items():
        object.__setattr__(made, fact, value)
    return made


class TypeStandIn(StandIn):
    """The guest's `type`: one argument asks for the type of a value."""

    __slots__ = ()

    def __call__(self, *arguments: object, **_keywords: object) -> object:
        if len(arguments) != 1:
            detail = "type() with three arguments is not offered; use a class statement, namedtuple or make_dataclass"
            refuse("type.call", detail)
        return shown_type(type(arguments[0]))


TYPE = stand_in(type, cls=TypeStandIn)
ABC_META = stand_in(abc.ABCMeta)
ENUM_META = stand_in(enum.EnumType, "EnumType")
FUNCTION = stand_in(types.FunctionType)
MODULE = stand_in(types.ModuleType)
GENERATOR = stand_in(types.GeneratorType)

_SHOWN: dict[type, object] = {
    type: TYPE,
    abc.ABCMeta: ABC_META,
    enum.EnumType: ENUM_META,
    types.FunctionType: FUNCTION,
    types.ModuleType: MODULE,
    types.GeneratorType: GENERATOR,
}
_METACLASSES: dict[int, type] = {id(TYPE): type, id(ABC_META): abc.ABCMeta}
_NAMED: set[type] = set()


def name_types(exports: Iterable[object]) -> None:
    """Take note of classes that are handed out by name; a metaclass is none of them."""
    _NAMED.update(value for value in exports if isinstance(value, type) and not issubclass(value, (type, StandIn)))


name_types(value for name, value in vars(builtins).items() if not name.startswith("_"))


def is_named(cls: type) -> bool:
    """Tell whether a guest could name the class, or defined it."""
    return cls in _NAMED or is_guest_class(cls) or issubclass(cls, BaseException)


def shown_type(cls: type) -> object:
    """Return the class itself or its stand-in."""
    if cls not in _SHOWN and is_named(cls):
        return cls
    if issubclass(cls, type):
        return _shown_metaclass(cls)
    if issubclass(cls, StandIn):
        return TYPE
    return _SHOWN.get(cls) or _SHOWN.setdefault(cls, stand_in(cls))


def _shown_metaclass(cls: type) -> object:
    for kind in (abc.ABCMeta, enum.EnumType):
        if issubclass(cls, kind):
            return _SHOWN[kind]
    return TYPE


def real_metaclass(value: object) -> type | None:
    """Return the metaclass that a guest may name in a class statement; None for anything else."""
    return _METACLASSES.get(id(value))


def real_type(value: Any) -> type:
    """Return what a stand-in of a metaclass stands for, or the value itself."""
    return _METACLASSES.get(id(value)) or cast("type", value)
