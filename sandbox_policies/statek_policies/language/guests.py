"""Who owns an object: which classes the guest defined, and what of them is inherited from us.

A guest's class says so in its own dictionary: Python copies `__name__` of the namespace to `__module__` of a class, and
no guest can write either. Only types are looked at, never attributes of an object, so that guest code cannot lie.
"""

import decimal
import types
from functools import lru_cache
from typing import Any

from statek_policies.language.words import is_dunder, is_matchable

GUEST_MODULE = "__main__"
"""`__name__` in the guest's namespace: `if __name__ == "__main__":` runs."""

_DICT_OF = type.__dict__["__dict__"].__get__
_MRO_OF = type.__dict__["__mro__"].__get__
_HARMLESS = frozenset({"_abc_impl", "_is_protocol", "_is_runtime_protocol"})
"""What the metaclass of an abstract class or a protocol leaves in each of its classes."""

_writable_types: set[type] = {types.SimpleNamespace, decimal.Context}
_sealed_types: set[type] = set()


def accepts_writes(cls: type) -> type:
    """Let guests set public attributes on instances of a class of ours that guards its own stores; a decorator."""
    _writable_types.add(cls)
    return cls


def seal(cls: type) -> type:
    """Let no guest derive from a class of ours, that trusts its objects; a decorator."""
    _sealed_types.add(cls)
    return cls


def is_sealed(cls: type) -> bool:
    """Tell whether a class of ours cannot be derived from."""
    return cls in _sealed_types


def class_dict(cls: type) -> Any:
    """Return a class's own dictionary, whatever its metaclass says."""
    return _DICT_OF(cls)


def ancestry(cls: type) -> tuple[type, ...]:
    """Return a class's method resolution order, whatever its metaclass says."""
    return _MRO_OF(cls)  # type: ignore[no-any-return]


def is_guest_class(cls: type) -> bool:
    """Tell whether the guest's code defined the class."""
    return bool(_DICT_OF(cls).get("__module__") == GUEST_MODULE)


@lru_cache(maxsize=512)
def _hides_nothing(cls: type) -> bool:
    return all(name in _HARMLESS or is_dunder(name) or not name.startswith("_") for name in _DICT_OF(cls))


def is_of_a_guest(cls: type) -> bool:
    """Tell whether the guest's code defined the class or one that it derives from, finished or not."""
    return any(map(is_guest_class, _MRO_OF(cls)))


class Guests:
    """The guest's side of the fence in one process."""

    def __init__(self, namespace: dict[str, object]) -> None:
        self.namespace = namespace
        self.plain: set[type] = set()
        """Classes of the guest whose other ancestors have no private attributes: instances need no second look."""
        self._mixed: set[type] = set()

    def admit(self, cls: type) -> type:
        """Take in a class that was just made for the guest."""
        _settle_match_args(cls)
        self._remember(cls)
        return cls

    def _remember(self, cls: type) -> bool:
        """Tell whether the guest defined the class; a plain one is known from then on."""
        if not is_guest_class(cls):
            return False
        if cls not in self._mixed:
            hides_nothing = all(is_guest_class(base) or _hides_nothing(base) for base in ancestry(cls))
            (self.plain if hides_nothing else self._mixed).add(cls)
        return True

    def is_function(self, value: object) -> bool:
        """Tell whether a value is a function that the guest's code defined."""
        return type(value) is types.FunctionType and value.__globals__ is self.namespace

    def is_definition(self, value: object) -> bool:
        """Tell whether a value is a class or a function that the guest's code defined."""
        return is_guest_class(value) if isinstance(value, type) else self.is_function(value)

    @staticmethod
    def is_instance(value: object) -> bool:
        """Tell whether a value is an object of a guest's class, or a plain record of attributes."""
        return is_guest_class(type(value)) or type(value) is types.SimpleNamespace

    def may_write(self, value: object) -> bool:
        """Tell whether a guest may set public attributes on this value."""
        kind = type(value)
        if kind in self.plain or self._remember(kind) or kind in _writable_types:
            return True
        if issubclass(kind, type):
            return is_guest_class(value)  # type: ignore[arg-type]  # kind says that it is a class
        return self.is_function(value) or issubclass(kind, BaseException)

    def may_reach(self, value: object, name: str) -> bool:
        """Tell whether a private attribute of this value is the guest's own."""
        kind = type(value)
        if kind is super:
            return self._may_reach_super(value, name)
        if issubclass(kind, type):
            classes = ancestry(value)  # type: ignore[arg-type]  # kind says that it is a class
            return self._owns(classes, name) and self._owns(ancestry(kind), name, strict=False)
        if kind is types.SimpleNamespace or self.is_function(value):
            return True
        return self._remember(kind) and self._owns(ancestry(kind), name)

    def _may_reach_super(self, value: Any, name: str) -> bool:
        """Tell it from the classes that `super()` looks through: those behind the one that it was asked in."""
        classes = ancestry(super.__getattribute__(value, "__self_class__") or object)
        asked_in = super.__getattribute__(value, "__thisclass__")
        if asked_in not in classes or not is_guest_class(classes[0]):
            return False
        return self._owns(classes[classes.index(asked_in) + 1 :], name, strict=False)

    @staticmethod
    def _owns(classes: tuple[type, ...], name: str, *, strict: bool = True) -> bool:
        """Tell whether the class is a guest's (if strict) and no ancestor of ours is the first to have the name."""
        if strict and not is_guest_class(classes[0]):
            return False
        owner = next((cls for cls in classes if name in _DICT_OF(cls)), None)
        return owner is None or is_guest_class(owner)


def _settle_match_args(cls: type) -> None:
    """Cut `__match_args__` before the first name that must not be read natively (a field may be called `format`)."""
    names = next((_DICT_OF(base)["__match_args__"] for base in ancestry(cls) if "__match_args__" in _DICT_OF(base)), ())
    safe = _safe_prefix(names) if type(names) is tuple else ()
    if safe != names:
        type.__setattr__(cls, "__match_args__", safe)


def _safe_prefix(names: tuple[object, ...]) -> tuple[object, ...]:
    for index, name in enumerate(names):
        if type(name) is not str or not is_matchable(name):
            return names[:index]
    return names
