"""How `copy.copy` and `copy.deepcopy` take a guest's object apart, and what they may make of it.

The standard library asks the object itself for its reducer, calls what the answer names, and sets what the answer lists
on whatever came back: a guest's `__getattribute__` could so set any attribute of anything. A bound method it looks up
again by the name of its function, with the native `getattr`, and a guest names its functions. Before all that the copy
module looks into copyreg's table, by type; so a table of ours is put in its place, that has a reducer for each class of
a guest, also for one that is not finished yet. Ours read the object past its hooks.
"""

import copy
import copyreg
import types
import typing
from collections.abc import Callable
from typing import Any, Final

from statek_policies.language.guests import is_of_a_guest
from statek_policies.language.reports import refuse
from statek_policies.language.words import is_dunder

Reduced = tuple[Any, ...]

_NEW: Final[Callable[..., Any]] = vars(copyreg)["__newobj__"]
_ALIAS: Final[type] = vars(typing)["_BaseGenericAlias"]


class _Reducers(dict[type, Callable[[Any], Any]]):
    """Reducers by type: those entered, and ours for what a guest's code defined."""

    def get(self, cls: type, default: Any = None) -> Any:
        """Return the reducer of a type; called by the copy module for whatever has no method for copying."""
        found = super().get(cls)
        if found is not None:
            return found
        if issubclass(cls, _ALIAS):
            return _itself
        return _reduced if is_of_a_guest(cls) else default


def settle_copying() -> None:
    """Let the copy module ask our table, which knows the types of the library that would ask a guest's word."""
    own = {types.SimpleNamespace: _reduced_namespace, types.MethodType: _itself, types.MethodWrapperType: _itself}
    vars(copy)["dispatch_table"] = _Reducers(copyreg.dispatch_table | own)


def _itself(_value: object) -> str:
    """Answer with a text, which to the copy module means: it is its own copy."""
    return "method"


def _reduced_namespace(value: types.SimpleNamespace) -> Reduced:
    return types.SimpleNamespace, (), object.__getattribute__(value, "__dict__")


def _reduced(value: Any) -> Any:
    """Take apart an object of a guest's class: by its class, never by what it answers."""
    cls: Any = type(value)
    if cls.__reduce_ex__ is not object.__reduce_ex__:
        native = cls.__reduce_ex__(value, 4)
    elif cls.__reduce__ is not object.__reduce__:
        native = cls.__reduce__(value)
    else:
        native = _by_new(cls, value)
    if isinstance(native, str):
        return native
    make, arguments, state, *items = (*native, None)[: max(3, len(native))]
    return _rebuilt, (cls, make, arguments), _checked(cls, state), *items


def _by_new(cls: Any, value: Any) -> Reduced:
    """Do what `object.__reduce_ex__` does, whose own code asks the object."""
    arguments = cls.__getnewargs__(value) if hasattr(cls, "__getnewargs__") else ()
    items = list.__iter__(value) if isinstance(value, list) else None
    pairs = iter(dict.items(value)) if isinstance(value, dict) else None
    return _NEW, (cls, *arguments), cls.__getstate__(value), items, pairs


def _rebuilt(cls: type, make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Make the copy; what a guest's `__new__` gives instead gets no state."""
    made = make(*arguments)
    if type(made) is not cls:
        refuse("class.copy", f"a copy of a {cls.__name__!r} object must be one too; define __copy__ and __deepcopy__")
    return made


def _checked(cls: type, state: Any) -> Any:
    """Refuse a state that sets what Python reserves; one of another form goes to the class's own `__setstate__`."""
    parts = state if type(state) is tuple and len(state) == 2 else (state,)
    if hasattr(cls, "__setstate__"):
        return state
    for part in parts:
        for name in part or ():
            if type(name) is not str or is_dunder(name):
                refuse("class.copy", "what is copied sets a name that Python reserves; define __copy__")
    return state
