"""What a guest is told about the ancestry of its own classes: its own, and those of ours that have a public name."""

import builtins
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

from statek_policies.language.errors import AttributeWithheld
from statek_policies.language.facades.catalogue import static_exports
from statek_policies.language.guests import ancestry, class_dict, is_guest_class
from statek_policies.language.reports import refuse
from statek_policies.language.words import Reading, reading

_BASES_OF = type.__dict__["__bases__"].__get__
_SUBCLASSES_OF: Callable[[type], list[type]] = type.__subclasses__


@cache
def _named() -> frozenset[type]:
    """Return the classes of ours that a guest can name; a metaclass is none of them."""
    plain = [value for name, value in vars(builtins).items() if not name.startswith("_")]
    exported = [value for exports in static_exports().values() for value in exports.values()]
    classes = {value for value in plain + exported if isinstance(value, type)}
    return frozenset(cls for cls in classes if not issubclass(cls, type))


def _shown(classes: tuple[type, ...]) -> tuple[type, ...]:
    return tuple(cls for cls in classes if is_guest_class(cls) or cls in _named())


def own_class(value: Any, name: str) -> type:
    """Return the value if it is a class that the guest defined; refused otherwise."""
    if not isinstance(value, type) or not is_guest_class(value):
        refuse("attribute.dunder", f"{name} is given for your own classes only", AttributeWithheld)
    return value


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


def namespace(cls: type) -> types.MappingProxyType[str, Any]:
    """Answer `__dict__` of an own class: a copy of what could also be read by name."""
    names = {name: value for name, value in class_dict(cls).items() if reading(name) in _TOLD}
    return types.MappingProxyType(names)


_TOLD = (Reading.NATIVE, Reading.PRIVATE)

DESCRIPTIONS: dict[str, Callable[[Any], Any]] = {
    "__mro__": resolution_order,
    "__bases__": _bases,
    "__base__": _base,
    "__subclasses__": _subclasses,
    "__slots__": _slots,
    "__match_args__": _match_args,
    "__dataclass_fields__": _fields,
}
"""What answers the load of each attribute that describes a class."""
