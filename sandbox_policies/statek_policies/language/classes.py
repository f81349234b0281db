"""How a class statement makes a class: from offered bases, by an offered metaclass, and the result is taken in."""

import builtins
import types
import typing
from collections.abc import Callable, Container
from typing import Any, NoReturn

from statek_policies.language.fields import check_fields, inherited_fields
from statek_policies.language.guests import Guests, is_guest_class, is_sealed
from statek_policies.language.reports import refuse
from statek_policies.language.standins import StandIn, real_metaclass

_HIDDEN_BASES = types.resolve_bases((typing.NamedTuple, typing.TypedDict))
"""What the functions NamedTuple and TypedDict put in their place as a base."""

_STATING_BASES = (
    type,
    StandIn,
    types.FunctionType,
    types.GenericAlias,
    vars(typing)["_BaseGenericAlias"],
    typing.NewType,
)
"""Types of what may stand among bases; any other object could state one base when it is checked and another after."""

_NATIVE: Callable[..., Any] = builtins.__build_class__


class ClassBuilder:
    """Builds the classes of one guest."""

    def __init__(self, guests: Guests, offered: Container[int]) -> None:
        self._guests = guests
        self._offered = offered

    def function(self) -> Callable[..., Any]:
        """Return what a class statement calls."""

        def build_class(body: Any, name: str, /, *bases: Any, **keywords: Any) -> Any:
            self.check_bases(bases)
            if "metaclass" in keywords:
                keywords["metaclass"] = self._metaclass(keywords["metaclass"])
            made = _NATIVE(body, name, *bases, **keywords)
            return self._guests.admit(made) if isinstance(made, type) else made

        return build_class

    def check_bases(self, bases: tuple[Any, ...]) -> None:
        """Refuse to derive from a class that was not handed out by name."""
        for base in bases:
            if not issubclass(type(base), _STATING_BASES):
                _refuse_base(base)
        classes = types.resolve_bases(bases)
        for base in classes:
            if not issubclass(type(base), type) or not self._is_base(base):
                _refuse_base(base)
        check_fields(classes, inherited_fields(classes))

    def _is_base(self, base: type) -> bool:
        if is_sealed(base):
            return False
        return (
            is_guest_class(base)
            or id(base) in self._offered
            or issubclass(base, BaseException)
            or base in _HIDDEN_BASES
        )

    @staticmethod
    def _metaclass(value: Any) -> type:
        metaclass = real_metaclass(value)
        if metaclass is None:
            refuse("class.metaclass", "only ABCMeta is offered as a metaclass; use __init_subclass__")
        return metaclass


def _refuse_base(base: Any) -> NoReturn:
    name = base.__name__ if issubclass(type(base), type) else type(base).__name__
    refuse("class.base", f"{name!r} cannot be derived from; derive from your own or from offered classes")
