"""Replacements in `functools`, `operator` and `typing` for what reads attributes by name or evaluates annotations."""

import functools
import shlex
import types
import typing
from collections.abc import Callable
from typing import Any

from statek_policies.language.facades.annotations import own_hints
from statek_policies.language.guards import Guards
from statek_policies.language.guests import Guests, seal
from statek_policies.language.reports import refuse
from statek_policies.language.standins import ABC_META, FUNCTION, GENERATOR, MODULE, shown_type

_USE_REGISTER = "Use either `@register(some_class)` or plain `@register` on an annotated function."
_COPIED = ("__name__", "__qualname__", "__doc__")


def callable_exports(guards: Guards, guests: Guests) -> dict[str, dict[str, object]]:
    """Return the replacements by module."""
    return {
        "abc": {"ABCMeta": ABC_META},
        "functools": {
            "wraps": _wraps(guests),
            "update_wrapper": _update_wrapper(guests),
            "total_ordering": _total_ordering(guests),
            **_dispatching(guests),
        },
        "shlex": {"split": _split},
        "operator": {"attrgetter": _attrgetter(guards), "methodcaller": _methodcaller(guards)},
        "types": {
            "FunctionType": FUNCTION,
            "LambdaType": FUNCTION,
            "GeneratorType": GENERATOR,
            "ModuleType": MODULE,
            "BuiltinFunctionType": types.BuiltinFunctionType,
            "MappingProxyType": _read_only,
        },
        "typing": {
            "get_args": get_args,
            "get_origin": get_origin,
            "final": _same,
            "override": _same,
            "no_type_check": _same,
        },
    }


def _update_wrapper(guests: Guests) -> Callable[..., Any]:
    """Make the function that copies the name and the docstring, and nothing that a caller names."""

    def update_wrapper(wrapper: Any, wrapped: Any, *_ignored: object, **_also_ignored: object) -> Any:
        if type(wrapper) is not functools.partial and not guests.may_write(wrapper):
            refuse("attribute.write", "only a function or an object of your own can be made to look like another")
        _copy_texts(wrapper, wrapped)
        if guests.is_function(wrapped):
            _describe_alike(guests, wrapper, wrapped)
        return wrapper

    return update_wrapper


def _copy_texts(wrapper: Any, wrapped: Any) -> None:
    for attribute in _COPIED:
        text = getattr(wrapped, attribute, None)
        if type(text) is str:
            setattr(wrapper, attribute, text)


def _describe_alike(guests: Guests, wrapper: Any, wrapped: Any) -> None:
    """Copy the rest of what functools copies, between functions of the guest's own."""
    wrapper.__wrapped__ = wrapped
    if guests.is_function(wrapper):
        wrapper.__annotations__ = wrapped.__annotations__
        own = {name: value for name, value in wrapped.__dict__.items() if name != "__wrapped__"}
        wrapper.__dict__.update(own)


def _wraps(guests: Guests) -> Callable[..., Any]:
    update_wrapper = _update_wrapper(guests)

    def wraps(wrapped: Any, *_ignored: object, **_also_ignored: object) -> Callable[[Any], Any]:
        return lambda wrapper: update_wrapper(wrapper, wrapped)

    return wraps


def _total_ordering(guests: Guests) -> Callable[[Any], Any]:
    def total_ordering(cls: Any) -> Any:
        if not guests.is_definition(cls):
            refuse("attribute.write", "only a class of your own can be given an ordering")
        return functools.total_ordering(cls)

    return total_ordering


def _dispatching(guests: Guests) -> dict[str, object]:
    """Return the generic functions; an annotation kept as text is resolved by name and never evaluated.

    functools asks the argument for its class and looks through the subclasses of all that are registered, comparing
    each with what it was told are the bases: an object that lies about its class would be shown every class there is.
    """

    def singledispatch(func: Any) -> Any:
        native = functools.singledispatch(func)

        def generic(*arguments: Any, **keywords: Any) -> Any:
            if not arguments:
                raise TypeError(f"{name} requires at least 1 positional argument")
            return native.dispatch(type(arguments[0]))(*arguments, **keywords)

        def register(cls: Any, func: Any = None) -> Any:
            if _is_dispatched_on(cls):
                return native.register(cls, func)
            function = cls.__func__ if type(cls) in (staticmethod, classmethod) else cls
            annotated = func is None and guests.is_function(function) and function.__annotations__
            if not annotated:
                raise TypeError(f"Invalid first argument to `register()`: {cls!r}. {_USE_REGISTER}")
            argument, hint = next(iter(own_hints(guests, function).items()))
            if not _is_dispatched_on(hint):
                raise TypeError(f"Invalid annotation for {argument!r}. {hint!r} is not a class.")
            return native.register(hint, cls)

        def dispatch(cls: Any) -> Any:
            if not issubclass(type(cls), type):
                raise TypeError("dispatch() takes a class")
            return native.dispatch(cls)

        name = getattr(func, "__name__", "singledispatch function")
        _copy_texts(generic, func)
        return _with_attributes(generic, register=register, dispatch=dispatch, registry=native.registry)

    @seal
    class singledispatchmethod(functools.singledispatchmethod):  # type: ignore[type-arg]  # no generic in 3.11
        """A generic method over a generic function of the kind above, whom it tells the class of any argument."""

        def __init__(self, func: Any) -> None:
            super().__init__(func)
            self.dispatcher = singledispatch(func)

        def __copy__(self) -> Any:
            return self

        def __deepcopy__(self, _memo: object) -> Any:
            return self

    singledispatchmethod.__module__, singledispatchmethod.__qualname__ = "functools", "singledispatchmethod"
    return {"singledispatch": singledispatch, "singledispatchmethod": singledispatchmethod}


def _with_attributes(function: Any, **attributes: object) -> Any:
    vars(function).update(attributes)
    return function


def _is_dispatched_on(cls: Any) -> bool:
    """Tell whether a generic function can be chosen by it: a class, or a union of classes."""
    if isinstance(cls, types.UnionType) or typing.get_origin(cls) is typing.Union:
        return all(isinstance(part, type) for part in typing.get_args(cls))
    return isinstance(cls, type)


def _attrgetter(guards: Guards) -> Callable[..., Any]:
    def attrgetter(*paths: str) -> Callable[[Any], Any]:
        if not paths:
            raise TypeError("attrgetter expected 1 argument, got 0")
        split = [_exact(path).split(".") for path in paths]
        if len(split) == 1:
            return lambda value: functools.reduce(guards.getattr, split[0], value)
        return lambda value: tuple(functools.reduce(guards.getattr, path, value) for path in split)

    return attrgetter


def _methodcaller(guards: Guards) -> Callable[..., Any]:
    def methodcaller(name: str, /, *arguments: Any, **keywords: Any) -> Callable[[Any], Any]:
        return lambda value: guards.getattr(value, name)(*arguments, **keywords)

    return methodcaller


def _exact(name: object) -> str:
    if type(name) is not str:
        raise TypeError("attribute name must be a string")
    return name


def _split(s: str, comments: bool = False, posix: bool = True) -> list[str]:
    """Split text; the library's own reads standard input, or whatever has a method `read`, in place of text."""
    if not isinstance(s, str):
        raise TypeError(f"shlex.split() takes text, not {type(s).__name__!r}")
    return shlex.split(str.__str__(s), comments, posix)


def _read_only(mapping: Any) -> Any:
    """Make a read-only view."""
    return types.MappingProxyType(mapping)


def get_origin(tp: Any) -> Any:
    """Answer as `typing.get_origin`; a metaclass by its stand-in."""
    return _shown(typing.get_origin(tp))


def get_args(tp: Any) -> tuple[Any, ...]:
    """Answer as `typing.get_args`; metaclasses by their stand-ins, an annotation kept as text by the text."""
    return tuple(map(_shown, typing.get_args(tp)))


def _shown(part: Any) -> Any:
    if isinstance(part, typing.ForwardRef):
        return part.__forward_arg__
    if isinstance(part, list):
        return [_shown(item) for item in part]
    return shown_type(part) if isinstance(part, type) else part


def _same(value: Any) -> Any:
    return value
