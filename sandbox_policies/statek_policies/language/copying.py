"""How `copy.copy` and `copy.deepcopy` take a guest's object apart, and what they may make of it.

The standard library asks the object itself for its reducer, calls what the answer names, and sets what the answer lists
on whatever came back: a guest's `__getattribute__` could so set any attribute of anything. A bound method it looks up
again by the name of its function, with the native `getattr`, and a guest names its functions. Before all that the copy
module looks into copyreg's table, by type; so our own reducers are entered there. They read the object past its hooks.
"""

import copyreg
import types
from collections.abc import Callable
from typing import Any, Final

from statek_policies.language.reports import refuse
from statek_policies.language.words import is_dunder

Reduced = tuple[Any, ...]

_NEW: Final[Callable[..., Any]] = vars(copyreg)["__newobj__"]
_REDUCERS: Final[dict[type, Callable[[Any], Any]]] = copyreg.dispatch_table


def settle_copying() -> None:
    """Enter the types of the standard library that would ask a guest's word."""
    _REDUCERS[types.SimpleNamespace] = _reduced_namespace
    _REDUCERS[types.MethodType] = _itself


def admit_to_copying(cls: type) -> None:
    """Enter a guest's class."""
    _REDUCERS[cls] = _reduced


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
