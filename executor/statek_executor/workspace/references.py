"""Which objects are not the job's own but were handed out, and are stored by name?

The policy's environment knows what it handed out. Beside it stands a fixed table of the standard library's machinery
that ends up inside classes that a guest defines (what `enum`, `dataclasses` and `functools` put there), and of built-in
types.
"""

from __future__ import annotations

import abc
import builtins
import collections
import collections.abc
import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Iterator
from typing import Any, Final, Protocol

from statek_executor.workspace.errors import TransientValueError
from statek_protocol import leaves


class References(Protocol):
    """What was handed out to the guest, by name, both ways."""

    def reference(self, obj: object) -> str | None:
        """Give the stable name of an object that was handed out, known by identity; None for any other."""

    def resolve(self, ref: str) -> object:
        """Give the object of this name; raises KeyError for a name that is not handed out (any more)."""


_MACHINERY_MARK: Final = "machinery:"


_TYPING_FORMS: Final[Any] = (typing._SpecialForm, typing._BaseGenericAlias)  # type: ignore[attr-defined]


def _machinery() -> Iterator[tuple[str, Any]]:
    for name in ("MISSING", "KW_ONLY", "Field", "InitVar", "_FIELD", "_FIELD_CLASSVAR", "_FIELD_INITVAR"):
        yield f"dataclasses.{name}", getattr(dataclasses, name)
    for name in (
        "_HAS_DEFAULT_FACTORY",
        "_DataclassParams",
        "_dataclass_getstate",
        "_dataclass_setstate",
        "_EMPTY_METADATA",
    ):
        yield f"dataclasses.{name}", getattr(dataclasses, name)
    for enumeration in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag, enum.ReprEnum):
        yield f"enum.{enumeration.__name__}", enumeration
        for name, value in vars(enumeration).items():
            if type(value) is types.FunctionType:
                yield f"enum.{enumeration.__name__}.{name}", value
    yield from ((f"enum.FlagBoundary.{boundary.name}", boundary) for boundary in enum.FlagBoundary)
    yield from (("enum.EnumType", enum.EnumType), ("enum.property", enum.property), ("enum.auto", enum.auto))
    yield from (("abc.ABC", abc.ABC), ("abc.ABCMeta", abc.ABCMeta))
    for root, operations in functools._convert.items():  # type: ignore[attr-defined]  # what total_ordering puts in
        yield from ((f"functools.total_ordering.{root}.{name}", function) for name, function in operations)
    for name in ("Counter", "OrderedDict", "defaultdict", "deque"):
        yield f"collections.{name}", getattr(collections, name)
    yield "types.SimpleNamespace", types.SimpleNamespace
    yield "typing.no_init", typing._no_init_or_replace_init  # type: ignore[attr-defined]  # of every protocol
    for name in collections.abc.__all__:  # what the forms of typing stand for
        yield f"collections.abc.{name}", getattr(collections.abc, name)
    for name in typing.__all__:
        form = getattr(typing, name)
        if isinstance(form, _TYPING_FORMS) or form in (typing.Any, typing.Generic, typing.NamedTuple, typing.Protocol):
            yield f"typing.{name}", form
    yield from (("Ellipsis", ...), ("NotImplemented", NotImplemented), ("TransientValueError", TransientValueError))
    for kind in (type(None), type(...), type(NotImplemented), *leaves.LEAVES):
        yield f"type.{kind.__module__}.{kind.__qualname__}", kind
    for name, value in vars(builtins).items():
        if isinstance(value, type):
            yield f"builtins.{name}", value


_MACHINERY: Final = {_MACHINERY_MARK + name: value for name, value in _machinery()}
_MACHINERY_NAMES: Final = {id(value): name for name, value in reversed(_MACHINERY.items())}


def name_of(obj: object, references: References) -> str | None:
    """Name an object that is stored by name; None for one that is the job's own."""
    name = references.reference(obj)
    return name if name is not None else _MACHINERY_NAMES.get(id(obj))


def object_of(name: str, references: References) -> object:
    """Give the object that has this name; raises KeyError."""
    if name.startswith(_MACHINERY_MARK):
        return _MACHINERY[name]
    return references.resolve(name)
