"""What the attributes give that are themselves a way to attributes: `__dict__`, `__setattr__` and their like."""

from collections.abc import Callable
from typing import Any, Protocol

from statek_policies.language import lineage
from statek_policies.language.errors import AttributeWithheld
from statek_policies.language.guests import is_guest_class
from statek_policies.language.reports import refuse
from statek_policies.language.standins import shown_type


def _own_attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes, whatever its class says; none where it has no dictionary."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


class Checks(Protocol):
    """What the guards know."""

    def read(self, value: Any, name: object, find: Callable[[str], Any]) -> Any: ...
    def check_store(self, value: object, name: object) -> str: ...
    def check_name(self, name: object) -> str: ...
    def is_guest_instance(self, value: object) -> bool: ...
    def is_guest_definition(self, value: object) -> bool: ...
    def traceback(self, error: BaseException) -> object: ...


class Attributes(dict[str, Any]):
    """The attributes of a guest's object as a dict: a copy to read, and what is changed in it is changed in the object.

    As in Python, that goes past the object's own `__setattr__`.
    """

    __slots__ = ("__check", "__real")

    def __init__(self, real: dict[str, Any], check: Callable[[object], str]) -> None:
        super().__init__(real)
        self.__real = real
        self.__check = check

    def __setitem__(self, name: str, value: Any) -> None:
        self.__real[self.__check(name)] = value
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self.__real.pop(self.__check(name), None)

    def update(self, *others: Any, **values: Any) -> None:
        """Set several attributes."""
        for name, value in dict(*others, **values).items():
            self[name] = value

    def __ior__(self, other: Any) -> "Attributes":  # type: ignore[misc, override]
        self.update(other)
        return self

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Set an attribute that is missing."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Delete an attribute and return its value."""
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Delete the attribute that was set last."""
        if not self:
            raise KeyError("there are no attributes")
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Delete every attribute."""
        for name in list(self):
            del self[name]

    def __reduce_ex__(self, _protocol: object) -> Any:
        return dict, (dict(self),)


class Accessors:
    """Answers the load of such an attribute from any value."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._special: dict[str, Callable[[Any], Any]] = {
            "__class__": lambda value: shown_type(type(value)),
            "__dict__": self.attributes,
            "__annotations__": self._annotations,
            "__setattr__": self._setter,
            "__delattr__": self._deleter,
            "__getattribute__": self._getter,
            "__getattr__": self._fallback,
            "__traceback__": self._traceback,
            "__wrapped__": self._wrapped,
            **lineage.DESCRIPTIONS,
        }

    def special(self, name: str) -> Callable[[Any], Any] | None:
        """Return what answers a load of this name; None if the attribute is found in the ordinary way."""
        return self._special.get(name)

    def attributes(self, value: Any) -> Any:
        """Return the attributes of a guest's object, function or class."""
        if isinstance(value, type) and is_guest_class(value):
            return lineage.namespace(value)
        if not (self._checks.is_guest_instance(value) or self._checks.is_guest_definition(value)):
            refuse("attribute.dunder", "__dict__ is given for objects of your own classes only", AttributeWithheld)
        values = object.__getattribute__(value, "__dict__")
        return Attributes(values, lambda name: self._checks.check_store(value, name))

    def _traceback(self, value: Any) -> Any:
        if not isinstance(value, BaseException):
            refuse("attribute.dunder", "__traceback__ is given for exceptions only", AttributeWithheld)
        return self._checks.traceback(value)

    def _wrapped(self, value: Any) -> Any:
        """Give back what a decorator has wrapped, where that is the guest's own."""
        found = _own_attributes(value).get("__wrapped__")
        if found is None and self._checks.is_guest_definition(value):
            raise AttributeError(f"{value.__name__!r} has no attribute '__wrapped__'")
        if not self._checks.is_guest_definition(found):
            refuse("attribute.dunder", "__wrapped__ is given where it is a function of your own", AttributeWithheld)
        return found

    def _annotations(self, value: Any) -> dict[str, Any]:
        if not self._checks.is_guest_definition(value):
            detail = "__annotations__ is given for your own classes and functions only"
            refuse("attribute.dunder", detail, AttributeWithheld)
        return dict(value.__annotations__)

    def _setter(self, value: Any) -> Callable[..., None]:
        """Answer `object.__setattr__`, `Base.__setattr__` (called with the object) and `super().__setattr__`."""
        return self._bound(value, "__setattr__", lambda owner, name, new: self._set_natively(value, owner, name, new))

    def _deleter(self, value: Any) -> Callable[..., None]:
        return self._bound(value, "__delattr__", lambda owner, name: self._delete_natively(value, owner, name))

    def _getter(self, value: Any) -> Callable[..., Any]:
        return self._bound(value, "__getattribute__", lambda owner, name: self._get_natively(value, owner, name))

    def _fallback(self, value: Any) -> Any:
        found = value.__getattr__
        if not self._checks.is_guest_definition(getattr(found, "__func__", found)):
            refuse("attribute.dunder", "__getattr__ is given for your own classes only", AttributeWithheld)
        return found

    def _bound(self, value: Any, name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
        if isinstance(value, type):
            return apply
        owner = super.__getattribute__(value, "__self__") if type(value) is super else value
        self._require_instance(owner, name)
        return lambda *arguments: apply(owner, *arguments)

    def _require_instance(self, owner: Any, name: str) -> None:
        if not self._checks.is_guest_instance(owner):
            refuse("attribute.dunder", f"{name} works on objects of your own classes only", AttributeWithheld)

    def _set_natively(self, value: Any, owner: Any, name: Any, new: Any) -> None:
        self._require_instance(owner, "__setattr__")
        value.__setattr__(*self._arguments(value, owner), self._checks.check_name(name), new)

    def _delete_natively(self, value: Any, owner: Any, name: Any) -> None:
        self._require_instance(owner, "__delattr__")
        value.__delattr__(*self._arguments(value, owner), self._checks.check_name(name))

    def _get_natively(self, value: Any, owner: Any, name: Any) -> Any:
        """Read past the guest's own `__getattribute__`, after the same checks as `getattr`."""
        self._require_instance(owner, "__getattribute__")
        return self._checks.read(
            owner, name, lambda exact: value.__getattribute__(*self._arguments(value, owner), exact)
        )

    @staticmethod
    def _arguments(value: Any, owner: Any) -> tuple[Any, ...]:
        return (owner,) if isinstance(value, type) else ()
