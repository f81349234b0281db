"""What does an object consist of, read without running any code of its class?

Everything here goes through the descriptors of `type` and of built-in classes: a guest's properties, `__getattr__` or
`__dict__` of its own are never asked.
"""

from __future__ import annotations

import collections
import datetime
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MRO: Final[Any] = type.__dict__["__mro__"]
_NAMESPACE: Final[Any] = type.__dict__["__dict__"]
_NAME: Final[Any] = type.__dict__["__name__"]
_QUALNAME: Final[Any] = type.__dict__["__qualname__"]
_BASES: Final[Any] = type.__dict__["__bases__"]
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
    *(collections.OrderedDict, collections.defaultdict, types.SimpleNamespace, datetime.tzinfo),
)
"""Built-in classes whose instances' own state is known, so that subclasses can be kept. The index is stored."""

_INDEX: Final = {base: index for index, base in enumerate(BASES)}


def mro(cls: type) -> tuple[type, ...]:
    """Give a class's line of inheritance without asking its metaclass."""
    line: tuple[type, ...] = _MRO.__get__(cls)
    return line


def bases(cls: type) -> tuple[type, ...]:
    """Give a class's direct bases without asking its metaclass."""
    direct: tuple[type, ...] = _BASES.__get__(cls)
    return direct


def namespace(cls: type) -> Mapping[str, Any]:
    """Give a class's own attributes without asking its metaclass."""
    attributes: Mapping[str, Any] = _NAMESPACE.__get__(cls)
    return attributes


def class_name(cls: type) -> str:
    """Give a class's name without asking its metaclass."""
    name: str = _NAME.__get__(cls)
    return name


def qualified_name(cls: type) -> str:
    """Give a class's qualified name without asking its metaclass."""
    name: str = _QUALNAME.__get__(cls)
    return name


def is_made_at_run_time(cls: type) -> bool:
    """Tell a class that a class statement made from one that is built into the interpreter."""
    return bool(_FLAGS.__get__(cls) & _HEAP_TYPE)


def own_slots(cls: type) -> dict[str, Any]:
    """Give the slots that a class itself declares, by the name under which its namespace holds them."""
    if not is_made_at_run_time(cls):
        return {}  # what looks like slots there is the state of a class written in C
    return {
        name: member
        for name, member in namespace(cls).items()
        if type(member) is types.MemberDescriptorType and member.__objclass__ is cls and member.__name__ == name
    }


class Layout:
    """How the instances of one class are laid out."""

    __slots__ = ("base", "base_index", "dictionary", "has_hidden_state", "is_error", "slots")

    def __init__(self, cls: type) -> None:
        line = mro(cls)
        self.is_error = BaseException in line
        built_in = next(above for above in line if not is_made_at_run_time(above))
        self.base = built_in if self.is_error else next(above for above in line if above in _INDEX)
        """The built-in class on which instances rest: one of `BASES`, or a built-in exception."""
        self.base_index = -1 if self.is_error else _INDEX[self.base]
        self.slots = [
            (place, name, member) for place, above in enumerate(line) for name, member in own_slots(above).items()
        ]
        """The place of the declaring class in the line of inheritance, the name, the descriptor."""
        self.dictionary = _dict_descriptor(line)
        """The descriptor through which instances' own dictionaries are reached; None when they have none."""
        self.has_hidden_state = (
            self.base is not built_in
            or _expected_size(cls, self.base, len(self.slots)) != _BASICSIZE.__get__(cls)
            or (self.dictionary is None and bool(_DICTOFFSET.__get__(cls)))
        )
        """Whether instances hold what cannot be read here: state of a class written in C, or a hidden dictionary."""

    def attributes(self, obj: object) -> dict[str, Any] | None:
        """Give an object's own dictionary; None for an object that has none, or nothing in it."""
        found: dict[str, Any] | None = None if self.dictionary is None else self.dictionary.__get__(obj)
        return found or None

    def filled_slots(self, obj: object) -> Iterator[list[Any]]:
        """Give the filled slots of an object, as (place, name, value)."""
        for place, name, member in self.slots:
            try:
                yield [place, name, member.__get__(obj)]
            except AttributeError:
                continue  # the slot is empty

    def set_attributes(self, obj: object, attributes: dict[str, Any] | None) -> None:
        """Give an object its dictionary: the very one that was stored, which others may hold as well."""
        if attributes is None:
            return
        if type(attributes) is not dict:
            raise TypeError("attributes that are no dictionary")
        if type(self.dictionary) is types.GetSetDescriptorType:
            self.dictionary.__set__(obj, attributes)
        else:
            self.dictionary.__get__(obj).update(attributes)

    def set_slots(self, obj: object, filled: list[list[Any]] | None) -> None:
        """Fill slots; raises LookupError for one that the object's class does not have."""
        members = {(place, name): member for place, name, member in self.slots} if filled else {}
        for place, name, value in filled or ():
            members[place, name].__set__(obj, value)


def _dict_descriptor(line: tuple[type, ...]) -> Any:
    for above in line:
        descriptor = namespace(above).get("__dict__")
        if type(descriptor) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            return descriptor
    return None


def _expected_size(cls: type, base: type, slots: int) -> int:
    size: int = _BASICSIZE.__get__(base) + _POINTER * slots
    if _WEAKREFOFFSET.__get__(cls) and not _WEAKREFOFFSET.__get__(base):
        size += _POINTER
    if _DICTOFFSET.__get__(cls) and not _DICTOFFSET.__get__(base) and not _FLAGS.__get__(cls) & _MANAGED_DICT:
        size += _POINTER
    return size
