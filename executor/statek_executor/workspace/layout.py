"""What does an object consist of, read without running any code of its class?

Everything here goes through the descriptors of `type` and of built-in classes: a guest's properties, `__getattr__` or
`__dict__` of its own are never asked.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MRO: Final[Any] = type.__dict__["__mro__"]
_NAMESPACE: Final[Any] = type.__dict__["__dict__"]
_BASICSIZE: Final[Any] = type.__dict__["__basicsize__"]
_DICTOFFSET: Final[Any] = type.__dict__["__dictoffset__"]
_WEAKREFOFFSET: Final[Any] = type.__dict__["__weakrefoffset__"]
_FLAGS: Final[Any] = type.__dict__["__flags__"]
_MANAGED_DICT: Final = 1 << 4
"""Py_TPFLAGS_MANAGED_DICT of CPython 3.11: the instance's dictionary lies in front of the object, not in it."""

_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class was made at run time."""

_POINTER: Final = 8

BASES: Final[tuple[type, ...]] = (
    *(object, int, str, float, complex, bytes, tuple, frozenset, list, dict, set, bytearray, collections.deque),
    *(collections.OrderedDict, collections.defaultdict, types.SimpleNamespace),
)
"""Built-in classes whose instances' own state is known, so that subclasses can be kept. The index is stored."""


def mro(cls: type) -> tuple[type, ...]:
    """Give a class's line of inheritance without asking its metaclass."""
    line: tuple[type, ...] = _MRO.__get__(cls)
    return line


def namespace(cls: type) -> Mapping[str, Any]:
    """Give a class's own attributes without asking its metaclass."""
    attributes: Mapping[str, Any] = _NAMESPACE.__get__(cls)
    return attributes


def base_of(cls: type) -> type:
    """Find the built-in class of `BASES` on which a class's instances rest."""
    return next(base for base in mro(cls) if base in _BASES_SET)


_BASES_SET: Final = frozenset(BASES)


def own_slots(cls: type) -> dict[str, Any]:
    """Give the slots that a class itself declares, by the name under which its namespace holds them."""
    if not _FLAGS.__get__(cls) & _HEAP_TYPE:
        return {}  # what looks like slots there is the state of a class written in C
    return {
        name: member
        for name, member in namespace(cls).items()
        if type(member) is types.MemberDescriptorType and member.__objclass__ is cls and member.__name__ == name
    }


def has_hidden_state(cls: type) -> bool:
    """Tell whether instances hold something beside base, dictionary and slots: state of a class written in C."""
    base = base_of(cls)
    size = _BASICSIZE.__get__(base) + _POINTER * sum(len(own_slots(above)) for above in mro(cls))
    if _WEAKREFOFFSET.__get__(cls) and not _WEAKREFOFFSET.__get__(base):
        size += _POINTER
    if _DICTOFFSET.__get__(cls) and not _DICTOFFSET.__get__(base) and not _FLAGS.__get__(cls) & _MANAGED_DICT:
        size += _POINTER
    return bool(size != _BASICSIZE.__get__(cls))


def dict_descriptor(cls: type) -> Any:
    """Find the descriptor through which instances' dictionaries are reached; None when they have none."""
    for above in mro(cls):
        descriptor = namespace(above).get("__dict__")
        if type(descriptor) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            return descriptor
    return None


def instance_dict(obj: object) -> dict[str, Any] | None:
    """Give an object's own dictionary, which is made when there is none yet; None for one without."""
    descriptor = dict_descriptor(type(obj))
    return None if descriptor is None else descriptor.__get__(obj)


def slot_values(obj: object) -> Iterator[tuple[int, str, object]]:
    """Give the filled slots of an object: the place of the class in the line of inheritance, the name, the value."""
    for place, above in enumerate(mro(type(obj))):
        for name, member in own_slots(above).items():
            try:
                yield place, name, member.__get__(obj)
            except AttributeError:
                continue  # the slot is empty


def set_slot(obj: object, place: int, name: str, value: object) -> None:
    """Fill one slot; raises LookupError for one that the object's class does not have."""
    own_slots(mro(type(obj))[place])[name].__set__(obj, value)


def class_name(cls: type) -> str:
    """Give a class's name without asking its metaclass."""
    name: str = type.__dict__["__name__"].__get__(cls)
    return name


def qualified_name(cls: type) -> str:
    """Give a class's qualified name without asking its metaclass."""
    name: str = type.__dict__["__qualname__"].__get__(cls)
    return name


def is_made_at_run_time(cls: type) -> bool:
    """Tell a class that a class statement made from one that is built into the interpreter."""
    return bool(_FLAGS.__get__(cls) & _HEAP_TYPE)
