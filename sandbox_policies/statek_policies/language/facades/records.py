"""Named tuples and dataclasses: the standard library writes them as text and executes it, so names come checked."""

import collections
import dataclasses
import inspect
import keyword
import sys
import types
import typing
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from statek_policies.language.fields import check_fields
from statek_policies.language.guests import GUEST_MODULE, Guests, class_dict
from statek_policies.language.reports import refuse
from statek_policies.language.words import DEFINABLE, is_dunder, is_storable

_NAMEDTUPLE: Callable[..., type] = collections.namedtuple
"""Called with fields that are known at run time only."""

_SCOPE_NAME = "statek_policies.language.facades.annotation_scope"
_SCOPE = types.ModuleType(_SCOPE_NAME)
"""The module in which `dataclasses` looks up what an annotation kept as text calls ClassVar, InitVar or KW_ONLY."""
_SCOPE.__dict__.update(
    typing=typing,
    dataclasses=dataclasses,
    ClassVar=typing.ClassVar,
    InitVar=dataclasses.InitVar,
    KW_ONLY=dataclasses.KW_ONLY,
)


def record_exports(guests: Guests, check_bases: Callable[[tuple[Any, ...]], None]) -> dict[str, dict[str, object]]:
    """Return the replacements by module."""
    return {
        "collections": {"namedtuple": _namedtuple(guests)},
        "dataclasses": {"dataclass": _dataclass(guests), "make_dataclass": _make_dataclass(guests, check_bases)},
    }


def _namedtuple(guests: Guests) -> Callable[..., Any]:
    def namedtuple(
        typename: str,
        field_names: str | Iterable[str],
        *,
        rename: bool = False,
        defaults: Iterable[Any] | None = None,
        module: Any = None,
    ) -> Any:
        names = field_names.replace(",", " ").split() if isinstance(field_names, str) else list(field_names)
        exact = [_exact(name) for name in names]
        return guests.admit(_NAMEDTUPLE(_exact(typename), exact, rename=rename, defaults=defaults, module=GUEST_MODULE))

    return namedtuple


def _dataclass(guests: Guests) -> Callable[..., Any]:
    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda decorated: _decorated(guests, decorated, options)
        return _decorated(guests, cls, options)

    return dataclass


def _decorated(guests: Guests, cls: Any, options: dict[str, Any]) -> Any:
    if not isinstance(cls, type) or not guests.is_definition(cls):
        refuse("class.dataclass", "only a class of your own can be made a dataclass")
    _check_fields(cls)
    is_undocumented = not class_dict(cls).get("__doc__")
    if is_undocumented:
        cls.__doc__ = cls.__name__
    before = sys.modules.get(GUEST_MODULE)
    sys.modules[GUEST_MODULE] = _SCOPE
    try:
        made = guests.admit(dataclasses.dataclass(**options)(cls))
    finally:
        _put_back(before)
    if is_undocumented:
        made.__doc__ = made.__name__ + _parameters(made)
    return made


def _put_back(module: types.ModuleType | None) -> None:
    """Let the name of the guest's module stand for what it stood for before."""
    if module is None:
        del sys.modules[GUEST_MODULE]
    else:
        sys.modules[GUEST_MODULE] = module


def _parameters(cls: type) -> str:
    """Describe the parameters of a dataclass as its docstring does where none is written.

    The standard library looks for them wherever a class may have them: it evaluates text of docstrings, and compares
    what stands for a method with `type`. So only the `__init__` that it wrote itself is looked at.
    """
    initialise = class_dict(cls).get("__init__")
    is_written = type(initialise) is types.FunctionType and initialise.__globals__ is vars(_SCOPE)
    if not is_written or "__new__" in class_dict(cls):
        return ""
    _self, *parameters = inspect.signature(initialise).parameters.values()
    return str(inspect.Signature(parameters))


def _check_fields(cls: type) -> None:
    """Look at the names that become source text; a TypedDict may have been given any text for a key."""
    names = class_dict(cls).get("__annotations__", ())
    for name in names:
        if type(name) is not str:
            refuse("class.field", "the name of a field must be plain text")
        _field_name(name)
    check_fields([cls], names)


def _make_dataclass(guests: Guests, check_bases: Callable[[tuple[Any, ...]], None]) -> Callable[..., Any]:
    def make_dataclass(
        cls_name: str, fields: Iterable[Any], *, bases: tuple[Any, ...] = (), namespace: Any = None, **options: Any
    ) -> Any:
        body = {_method_name(name): value for name, value in dict(namespace or {}).items()}
        annotations: dict[str, Any] = {}
        for item in fields:
            name, kind, *default = _specified(item)
            if name in annotations:
                raise TypeError(f"Field name duplicated: {name!r}")
            annotations[name] = kind
            body.update(dict.fromkeys([name], *default) if default else {})
        body |= {"__annotations__": annotations, "__module__": GUEST_MODULE}
        bases = tuple(bases)  # exactly: a guest's own kind of tuple may list others than it has
        check_bases(bases)
        made = types.new_class(_field_name(cls_name), bases, {}, lambda scope: scope.update(body))
        return _decorated(guests, made, options)

    return make_dataclass


def _specified(item: Any) -> tuple[Any, ...]:
    """Read one field: a name, or a name and a type, or these and a default."""
    parts = (item, "typing.Any") if isinstance(item, str) else tuple(item)
    if len(parts) not in (2, 3):
        raise TypeError(f"Invalid field: {item!r}")
    name = _exact(parts[0])
    if keyword.iskeyword(name):
        raise TypeError(f"Field names must not be keywords: {name!r}")
    return (_field_name(name), *parts[1:])


def _exact(name: object) -> str:
    """Take the text itself: a subclass of str could show one name to a check and another to the template."""
    if not isinstance(name, str):
        raise TypeError(f"names must be text, not {type(name).__name__!r}")
    return str.__str__(name)


def _field_name(name: object) -> str:
    """Refuse what cannot be a field, or reads otherwise in source text, where Python normalizes each identifier."""
    exact = _exact(name)
    if not is_storable(exact) or is_dunder(exact) or unicodedata.normalize("NFKC", exact) != exact:
        refuse("class.field", f"{exact!r} cannot be the name of a field; choose a plain identifier")
    return exact


def _method_name(name: object) -> str:
    exact = _exact(name)
    return exact if exact in DEFINABLE else _field_name(exact)
