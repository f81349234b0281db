"""What a guest is told about the ancestry of its own classes: its own, and those of ours that have a public name."""

import types
import typing
from collections.abc import Callable
from typing import Any

from statek_policies.language.errors import AttributeWithheld
from statek_policies.language.guests import ancestry, class_dict, is_guest_class
from statek_policies.language.reports import refuse
from statek_policies.language.standins import is_named
from statek_policies.language.words import DEFINABLE, Reading, reading

_BASES_OF = type.__dict__["__bases__"].__get__
_SUBCLASSES_OF: Callable[[type], list[type]] = type.__subclasses__


def _shown(classes: tuple[type, ...]) -> tuple[type, ...]:
    return tuple(cls for cls in classes if is_named(cls))


def own_class(value: Any, name: str) -> type:
    """Return the value if it is a class that the guest defined; refused otherwise."""
    if not issubclass(type(value), type) or not is_guest_class(value):
        refuse("attribute.dunder", f"{name} is given for your own classes only", AttributeWithheld)
    return value  # type: ignore[no-any-return]  # its type says that it is a class


def resolution_order(value: Any, name: str = "__mro__") -> tuple[type, ...]:
    """Answer `__mro__` and `mro()`."""
    return _shown(ancestry(own_class(value, name)))


def _bases(value: Any) -> tuple[type, ...]:
    return _shown(_BASES_OF(own_class(value, "__bases__")))


def _base(value: Any) -> type:
    return next(iter(_shown((own_class(value, "__base__").__base__ or object,))), object)


def _subclasses(value: Any) -> Callable[[], list[type]]:
    cls = own_class(value, "__subclasses__")
    return lambda: [derived for derived in _SUBCLASSES_OF(cls) if is_guest_class(derived)]


def _slots(value: Any) -> Any:
    return _inherited(value, "__slots__")


def _match_args(value: Any) -> Any:
    return _inherited(value, "__match_args__")


def _inherited(value: Any, name: str) -> Any:
    """Read a constant of the nearest own class that has it."""
    cls = value if isinstance(value, type) else type(value)
    found = next(
        (class_dict(above)[name] for above in ancestry(own_class(cls, name)) if name in class_dict(above)), None
    )
    if found is None:
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
    return found if type(found) is str else tuple(found)


def _fields(value: Any) -> dict[str, Any]:
    cls = value if isinstance(value, type) else type(value)
    return dict(typing.cast("Any", own_class(cls, "__dataclass_fields__")).__dataclass_fields__)


def own_init_subclass(value: Any) -> Any:
    """Answer `__init_subclass__`: of a class of ours it would change that class."""
    if type(value) is not super:
        own_class(value, "__init_subclass__")
    elif not is_guest_class(super.__getattribute__(value, "__self_class__") or object):
        refuse("attribute.dunder", "__init_subclass__ is given for your own classes only", AttributeWithheld)
    return value.__init_subclass__


def _members(value: Any) -> types.MappingProxyType[str, Any]:
    """Answer `__members__` with a view of a copy: a comparison hands a view's own dict to the other side."""
    return types.MappingProxyType(dict(value.__members__))


def namespace(cls: type) -> types.MappingProxyType[str, Any]:
    """Answer `__dict__` of an own class: a copy of what could also be read by name."""
    names = {name: value for name, value in class_dict(cls).items() if _is_told(name)}
    return types.MappingProxyType(names)


def _is_told(name: str) -> bool:
    return name in DEFINABLE or reading(name) in (Reading.NATIVE, Reading.PRIVATE)


DESCRIPTIONS: dict[str, Callable[[Any], Any]] = {
    "__mro__": resolution_order,
    "__bases__": _bases,
    "__base__": _base,
    "__subclasses__": _subclasses,
    "__slots__": _slots,
    "__match_args__": _match_args,
    "__dataclass_fields__": _fields,
    "__init_subclass__": own_init_subclass,
    "__members__": _members,
}
"""What answers the load of each attribute that describes a class."""
