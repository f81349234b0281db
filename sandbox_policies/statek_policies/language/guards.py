"""The guards that compiled code calls by unspellable names, and the attribute functions among the built-ins.

Each is a plain function over one guest's namespace. None trusts what an object says about itself.
"""

import operator
import statistics
import types
import typing
from collections import UserString
from collections.abc import Callable
from typing import Any

from statek_policies.language import nodes
from statek_policies.language.accessors import Accessors
from statek_policies.language.clock import ClockReadings
from statek_policies.language.errors import AttributeWithheld
from statek_policies.language.formatting import format_mapping, format_text
from statek_policies.language.guests import Guests, is_guest_class
from statek_policies.language.lineage import resolution_order
from statek_policies.language.pending import force
from statek_policies.language.reports import refuse
from statek_policies.language.standins import is_named
from statek_policies.language.tracebacks import raw_traceback, shown_traceback
from statek_policies.language.words import INITIALISER, Reading, is_dunder, is_storable, reading, why_refused

Samples = Callable[..., list[float]]

_PASSING_ON = (types.GenericAlias, types.MethodType, vars(typing)["_BaseGenericAlias"])
"""Types whose objects answer with the attributes of another, of a guest's choice."""

_INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "MatMult": operator.imatmul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "BitAnd": operator.iand,
}


class Guards:
    """The guards of one guest."""

    def __init__(self, guests: Guests, clock: ClockReadings, samples: Samples) -> None:
        self._guests = guests
        self._clock = clock
        self._samples = samples
        self._accessors = Accessors(self)

    def table(self) -> dict[str, object]:
        """Return what goes among the built-ins under names that no source can spell."""
        return {
            nodes.TYPE: type,
            nodes.GUESTS: self._guests.plain,
            nodes.WRITE: _told_by_evidence(self._write_function()),
            nodes.PRIVATE: _told_by_evidence(self._private_function()),
            nodes.LOAD: _told_by_evidence(self._load_function()),
            nodes.INPLACE: lambda operation, left, right: _INPLACE[operation](left, right),
        }

    def _write_function(self) -> types.FunctionType:
        plain = self._guests.plain

        def write(value, name):  # type: ignore[no-untyped-def]  # renamed below
            if type(value) not in plain:
                self.check_write(value, name)
            return value

        return write  # type: ignore[return-value]  # a def statement makes a FunctionType

    def _private_function(self) -> types.FunctionType:
        plain = self._guests.plain

        def private(value, name):  # type: ignore[no-untyped-def]
            kind = type(value)
            if kind not in plain and (kind is not super or name != INITIALISER):  # super().__init__() is frequent
                self.check_private(value, name)
            return value

        return private  # type: ignore[return-value]

    def _load_function(self) -> types.FunctionType:
        def load(value, name):  # type: ignore[no-untyped-def]
            return self.load(force(value), name)

        return load  # type: ignore[return-value]

    # Checks

    def check_write(self, value: object, name: str) -> None:
        """Refuse to set or delete an attribute of what the guest did not define."""
        if not self._guests.may_write(value):
            detail = f"attributes of {_described(value)} cannot be set; set them on objects of your own classes"
            refuse("attribute.write", detail)
        if name.startswith("_") and not is_dunder(name):
            self.check_private(value, name)

    def check_private(self, value: object, name: str) -> None:
        """Refuse to read an underscored attribute of what the guest did not define."""
        if name == INITIALISER and _may_be_made_anew(type(value)):
            return
        if type(value) in self._guests.plain or self._guests.may_reach(value, name):
            return
        detail = f"the attribute {name!r} of {_described(value)} is internal to it; use its public attributes"
        refuse("attribute.private", detail, AttributeWithheld)

    def load(self, value: Any, name: str) -> Any:
        """Read an attribute whose name reaches further than it looks."""
        return self._guarded(value, name, lambda exact: getattr(value, exact))

    def _guarded(self, value: Any, name: str, find: Callable[[str], Any]) -> Any:
        special = self._accessors.special(name)
        return special(value) if special is not None else self._settled(value, name, find(name))

    def _settled(self, value: object, name: str, found: Any) -> Any:
        """Look at what was found and replace what must not be handed out."""
        kind = type(found)
        owner = found.__self__ if kind in (types.BuiltinMethodType, types.MethodType) else None
        match name:
            case "format" | "format_map":
                return _safe_format(name, found, owner)
            case "obj" if _is_attribute_error(value, found):
                refuse("attribute.exception", "AttributeError.obj is not available; use the message", AttributeWithheld)
            case "mro" if kind is types.BuiltinMethodType and isinstance(owner, type) and is_guest_class(owner):
                return lambda: list(resolution_order(owner, "mro()"))
            case "mro" if found is type.mro or (kind is types.BuiltinMethodType and isinstance(owner, type)):
                refuse(
                    "attribute.inspection",
                    "mro() is given for your own classes only",
                    AttributeWithheld,
                )
            case "samples" if getattr(found, "__func__", found) is statistics.NormalDist.samples:
                return self._samples if owner is None else types.MethodType(self._samples, owner)
            case "now" | "today" | "utcnow" if kind is types.BuiltinMethodType and isinstance(owner, type):
                return self._clock.reading(owner, name, found)
        return found

    # Built-ins

    def getattr(self, value: Any, name: str, *default: Any) -> Any:
        """Do what `value.name` does, for a name that is computed."""
        try:
            return self.read(value, name, lambda exact: getattr(value, exact))
        except AttributeError:
            if default:
                return default[0]
            raise

    def read(self, value: Any, name: object, find: Callable[[str], Any]) -> Any:
        """Read an attribute of a computed name in some way, after the checks that a written name gets."""
        exact = _exact(name)
        match reading(exact):
            case Reading.GUARDED:
                return self._guarded(value, exact, find)
            case Reading.REFUSED:
                rule = "attribute.dunder" if is_dunder(exact) else "attribute.inspection"
                refuse(rule, why_refused(exact), AttributeWithheld)
            case Reading.PRIVATE:
                self.check_private(value, exact)
        return find(exact)

    def setattr(self, value: Any, name: str, new: Any) -> None:
        """Do what `value.name = new` does, for a name that is computed."""
        self.check_store(value, name)
        setattr(value, name, new)

    def delattr(self, value: Any, name: str) -> None:
        """Do what `del value.name` does, for a name that is computed."""
        self.check_store(value, name)
        delattr(value, name)

    def check_name(self, name: object) -> str:
        """Refuse a name that cannot be set on anything."""
        exact = _exact(name)
        if not is_storable(exact):
            refuse("attribute.dunder", f"the attribute {exact!r} cannot be set; use a name of your own")
        return exact

    def check_store(self, value: object, name: object) -> str:
        """Refuse to set or delete an attribute of a computed name where a written one would be; returns the name."""
        exact = self.check_name(name)
        self.check_write(value, exact)
        return exact

    def is_guest_instance(self, value: object) -> bool:
        """Tell whether the value's class is the guest's, or a plain record of attributes."""
        return self._guests.is_instance(value)

    def is_guest_definition(self, value: object) -> bool:
        """Tell whether the value is a class or a function that the guest defined."""
        return self._guests.is_definition(value)

    def traceback(self, error: BaseException) -> object:
        """Return what a guest sees of an error's traceback."""
        return shown_traceback(raw_traceback(error), self._guests.namespace)


def _exact(name: object) -> str:
    """Refuse a subclass of str: it could show one name to a check and another to Python."""
    if type(name) is not str:
        raise TypeError("attribute name must be string, not " + repr(type(name).__name__))
    return name


def _told_by_evidence(guard: types.FunctionType) -> types.FunctionType:
    """Rename the second parameter to the keyword that no source can spell."""
    code = guard.__code__
    guard.__code__ = code.replace(co_varnames=(code.co_varnames[0], nodes.NAME, *code.co_varnames[2:]))
    return guard


def _may_be_made_anew(kind: type) -> bool:
    """Tell whether a guest may initialise objects of this class once more: whoever may call the class may do as much.

    An alias of `typing` that is given another name is copied by looking that name up among the built-ins.
    """
    return (is_named(kind) and not issubclass(kind, _PASSING_ON)) or issubclass(kind, type)


def _described(value: object) -> str:
    kind = type(value)
    shown = value if isinstance(value, type) else kind
    return f"{'the class ' if isinstance(value, type) else ''}{shown.__name__!r}" + (
        "" if shown is value else " objects"
    )


def _is_attribute_error(value: Any, found: Any) -> bool:
    """Tell whether an error's `obj` was read, from the error, its class, or what passes its attributes on."""
    if issubclass(type(value), _PASSING_ON) or found is AttributeError.obj:
        return True
    if type(value) is super:
        value = super.__getattribute__(value, "__self__")
    return issubclass(type(value), AttributeError) or (
        issubclass(type(value), type) and issubclass(value, AttributeError)
    )


def _safe_format(name: str, found: Any, owner: object) -> Any:
    apply = _formatting if name == "format" else _mapping_formatting
    if getattr(found, "__func__", found) in (UserString.format, UserString.format_map):
        on_data = _on_data(apply)
        return on_data if owner is None else types.MethodType(on_data, owner)
    if type(found) is types.BuiltinMethodType and issubclass(type(owner), str):
        return types.MethodType(apply, owner)
    if found is str.format or found is str.format_map:
        return apply
    return found


def _on_data(apply: Callable[..., str]) -> Callable[..., str]:
    """Format the text that a UserString (or what is called in its place) wraps."""

    def formatted(wrapper: Any, /, *arguments: Any, **keywords: Any) -> str:
        template = wrapper.data
        if not isinstance(template, str):
            raise TypeError(f"the data of a UserString must be text, not {type(template).__name__!r}")
        return apply(str.__str__(template), *arguments, **keywords)

    return formatted


def _formatting(template: str, /, *arguments: Any, **keywords: Any) -> str:
    return format_text(template, arguments, keywords)


def _mapping_formatting(template: str, mapping: Any, /) -> str:
    return format_mapping(template, mapping)
