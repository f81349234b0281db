"""What does it look like as JSON, what `inspection.plain` writes? Types for the description, from the same classes.

A form is a type that pydantic can describe: of a dataclass a TypedDict with what is written of each field, of a view
of a job one with what is written of each property. Descriptions are the docstrings of classes, fields and properties.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema
from typing_extensions import TypedDict  # pydantic can do nothing with the standard library's before Python 3.12

from statek.inspection.plain import KINDS, is_instant

_AS_THEY_ARE: Final = frozenset({str, int, float, bool, date, datetime, NoneType, Any})
_AS_TEXT: Final = frozenset({bytes, Decimal})
_COLLECTIONS: Final = frozenset({list, tuple})


@dataclass(frozen=True, slots=True)
class Described:
    """Stands beside the type of a plain value, and is described as a form in its place."""

    form: Callable[[], Any]

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(_once(self))


@cache
def _once(described: Described) -> Any:
    """Return the same form each time: two of one name would be two in the description."""
    return described.form()


def form(kind: Any) -> Any:
    """Return the form of what is written of values of a type; raises TypeError for one that is never written."""
    if kind in _AS_THEY_ARE or get_origin(kind) is Literal:
        return kind
    if kind in _AS_TEXT:
        return str
    if is_dataclass(kind) and isinstance(kind, type):
        return of_dataclass(kind)
    return _of_generic(kind, get_origin(kind), get_args(kind))


def _of_generic(kind: Any, origin: Any, parts: tuple[Any, ...]) -> Any:
    if origin is Annotated:
        return form(parts[0])
    if origin in (Union, UnionType):
        return one_of(parts)
    if origin in _COLLECTIONS and (origin is list or parts[1:] == (...,)):
        return GenericAlias(list, form(parts[0]))
    if origin in (dict, Mapping):
        return GenericAlias(dict, (str, form(parts[1])))
    raise TypeError(f"nothing says how {kind!r} is written")


def one_of(kinds: Collection[Any]) -> Any:
    """Return the form of what is one of some types; where all of them name their kind, that tells them apart."""
    whole = reduce(or_, map(form, kinds))
    return Annotated[whole, Field(discriminator="kind")] if KINDS.keys() >= set(kinds) else whole


@cache
def of_dataclass(cls: type) -> Any:
    """Return the form of what is written of the instances of a dataclass."""
    told: dict[str, Any] = {"kind": Literal[KINDS[cls]]} if cls in KINDS else {}
    hints, said = get_type_hints(cls), dict(_docstrings(cls))
    for field in fields(cls):
        if is_instant(field.name):
            what = datetime | None if type(None) in get_args(hints[field.name]) else datetime
            told[field.name.removesuffix("_us")] = _said(what, said.get(field.name))
        else:
            told[field.name] = _said(form(hints[field.name]), said.get(field.name))
    if hasattr(cls, "cost"):
        told["cost"] = _said(str, "A decimal number, in whole units of the price table's currency.")
    return made(cls.__name__, told, cls.__doc__)


@cache
def of_properties(cls: type, name: str, names: tuple[str, ...]) -> Any:
    """Return the form of what is written of some properties of a class."""
    told = {}
    for one in names:
        getter = getattr(cls, one).fget
        told[one] = _said(form(get_type_hints(getter)["return"]), _of_what(getter.__doc__))
    return made(name, told, cls.__doc__)


def made(name: str, told: Mapping[str, Any], doc: str | None) -> Any:
    """Make the form of an object that has these fields."""
    one = TypedDict(name, dict(told))  # type: ignore[misc]  # noqa: UP013 - its fields are known at run time
    one.__doc__ = doc
    return one


def changed(one: Any, name: str, *, without: Collection[str] = (), **instead: Any) -> Any:
    """Return another form: without some fields, and with others in their place or beside them."""
    told = {field: what for field, what in one.__annotations__.items() if field not in without}
    return made(name, {**told, **instead}, one.__doc__)


def _of_what(doc: str | None) -> str | None:
    """Say of a property what it is, of which the docstring says that it is returned."""
    if doc is None or not doc.startswith("Return "):
        return doc
    said = doc.removeprefix("Return ")
    return said[0].upper() + said[1:]


def _said(what: Any, doc: str | None) -> Any:
    return what if doc is None else Annotated[what, Field(description=inspect.cleandoc(doc))]


def _docstrings(cls: type) -> Iterator[tuple[str, str]]:
    """Give what stands below the fields of a class and of those that it is made of."""
    for one in reversed(cls.__mro__[:-1]):
        body = _classes(one.__module__)[one.__name__].body
        for field, text in itertools.pairwise(body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    yield name, said


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the classes of a module as they are written."""
    parts = ast.parse(inspect.getsource(sys.modules[module])).body
    return {part.name: part for part in parts if isinstance(part, ast.ClassDef)}
