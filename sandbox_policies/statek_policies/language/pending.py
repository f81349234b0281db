"""A value that may not be there yet, as guest code holds it: using it waits for it, everything else does not.

Assigning a pending value, keeping it in a container or handing it to the guest's own functions is no use. Whatever a
`Pending` is asked (an operator, an attribute, an item, its text) is asked of the value, which is fetched first. So is
its class: `isinstance` sees the value's. Storing an attribute is for the value to refuse: what crosses from outside is
plain data, which takes none, or a proxy that guards its own stores. The fields are read through descriptors taken
before the class forwards them; guest code has no name for those.
"""

import math
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from statek_policies.language.guests import accepts_writes

Fetch = Callable[[int], object]
"""Gives the value of a future by its number; waits as long as it takes, and raises what a guest is to see."""


@accepts_writes
class Pending:
    """Stands for the value of a future, or for one element of another pending value."""

    __slots__ = ("count", "index", "known", "number", "parent", "value")

    def __getattribute__(self, name: str) -> Any:
        return getattr(force(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(force(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(force(self), name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return force(self)(*arguments, **keywords)

    def __str__(self) -> str:
        return str(force(self))

    def __repr__(self) -> str:
        return repr(force(self))

    def __format__(self, spec: str) -> str:
        return format(force(self), spec)

    def __dir__(self) -> list[str]:
        return dir(force(self))

    def __enter__(self) -> Any:
        value: Any = force(self)
        return value.__enter__()

    def __exit__(self, *error: Any) -> Any:
        value: Any = force(self)
        return value.__exit__(*error)

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        return pow(force(self), force(exponent), force(modulus))

    def __round__(self, *digits: Any) -> Any:
        return round(force(self), *digits)


def _nobody(number: int) -> object:
    raise RuntimeError(f"nobody here knows the future {number}")


class Futures:
    """Where the pending values of this process come from, and who may hold them unasked."""

    def __init__(self) -> None:
        self.fetch: Fetch = _nobody
        self.takers: set[object] = set()
        """Functions handed to the guest that know what to do with a pending value."""


FUTURES: Final = Futures()
"""The one instance of the process, which serves one job."""

_FIELDS: Final = [Pending.__dict__[name] for name in ("number", "parent", "index", "count", "known", "value")]


_CONTAINERS: Final = frozenset({list, dict, tuple, set, frozenset, types.GeneratorType})
_HIDING: Final = _CONTAINERS | {Pending}
"""Types of which an object is a pending value, or may have one in it."""


def pending(number: int) -> Pending:
    """Make the stand-in for a future's value."""
    return _filled(object.__new__(Pending), [number, None, 0, 0, False, None])


def element(parent: Pending, index: int, count: int) -> Pending:
    """Make the stand-in for one of the so many elements that a pending value is unpacked into; 0 where nobody says."""
    return _filled(object.__new__(Pending), [0, parent, index, count, False, None])


def state(value: Pending) -> list[Any]:
    """Return what has to be kept of one: number, parent, index, count, whether the value is known, and the value."""
    return [field.__get__(value) for field in _FIELDS]


def restore(value: Pending, kept: list[Any]) -> None:
    """Fill one with what `state` returned; raises ValueError or TypeError for anything else."""
    number, parent, index, count, is_known, _ = kept
    if not all(type(part) is int and part >= 0 for part in (number, index, count)) or type(is_known) is not bool:
        raise TypeError("not what is kept of a pending value")
    if parent is not None and type(parent) is not Pending:
        raise TypeError("an element of what is no pending value")
    _filled(value, kept)


def blank() -> Pending:
    """Make one that `restore` is going to fill."""
    return pending(0)


def address(value: Pending) -> tuple[int, tuple[int, ...]] | None:
    """Return the number of the future that one stands for and the steps to its element; None when the value is known.

    An element of something whose value is known is known as well, as soon as somebody asks for it.
    """
    steps: list[int] = []
    while True:
        number, parent, index, _, is_known, _ = state(value)
        if is_known:
            return None
        if parent is None:
            return number, tuple(reversed(steps))
        steps.append(index)
        value = parent


def force(value: Any) -> Any:
    """Return the value that something stands for; anything but a pending value stands for itself."""
    while type(value) is Pending:
        value = _value(value)
    return value


def with_values(value: Any, *, depth: int) -> Any:
    """Put values in the places of what stands for them: here, and so many containers deep.

    Lists, dictionaries and sets stay the objects that they are, and so does all in which nothing is pending. What
    several containers share, or a container that holds itself, is gone through once.
    """
    return _with_values(value, depth, {})


def _with_values(value: Any, depth: int, done: dict[int, tuple[Any, Any]]) -> Any:
    """Go on below; `done` holds what was gone through, so that its identity stays taken, and what came of it."""
    value = force(value)
    kind = type(value)
    if not depth or kind not in _CONTAINERS:
        return value
    if kind is types.GeneratorType:
        return (with_values(part, depth=depth - 1) for part in value)
    if id(value) not in done:
        done[id(value)] = (value, value)
        hiding = kind is dict and not _HIDING.isdisjoint(map(type, value.values()))
        if hiding or not _HIDING.isdisjoint(map(type, value)):
            done[id(value)] = (value, _changed(value, depth, done))
    return done[id(value)][1]


def _changed(value: Any, depth: int, done: dict[int, tuple[Any, Any]]) -> Any:
    """Look into a container that may have something pending in it, and change what has."""
    parts = [*value, *value.values()] if type(value) is dict else list(value)
    forced = [_with_values(part, depth - 1, done) for part in parts]
    if all(map(operator.is_, parts, forced)):
        return value
    if type(value) is dict:
        content: Any = dict(zip(forced[: len(value)], forced[len(value) :], strict=True))
        value.clear()
        value.update(content)
    elif type(value) is list:
        value[:] = forced
    elif type(value) is set:
        value.clear()
        value.update(forced)
    else:
        return type(value)(forced)
    return value


def _value(value: Pending) -> Any:
    number, parent, index, count, is_known, known = state(value)
    if is_known:
        return known
    found = FUTURES.fetch(number) if parent is None else _element_of(parent, index, count)
    _filled(value, [number, None, index, count, True, found])
    return found


def _element_of(parent: Pending, index: int, count: int) -> Any:
    parts = list(force(parent))
    if not count:
        return parts[index]
    if len(parts) < count:
        raise ValueError(f"not enough values to unpack (expected {count}, got {len(parts)})")
    if len(parts) > count:
        raise ValueError(f"too many values to unpack (expected {count})")
    return parts[index]


def _filled(value: Pending, content: list[Any]) -> Pending:
    for field, part in zip(_FIELDS, content, strict=True):
        field.__set__(value, part)
    return value


def _unary(operation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: operation(force(value))


def _binary(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: operation(force(left), force(right))


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda right, left: operation(force(left), force(right))


def _store(target: Any, key: Any, value: Any) -> None:
    force(target)[force(key)] = value


_FUNCTIONS: Final[tuple[Any, ...]] = (
    *(len, iter, reversed, next, bool, hash, bytes, int, float, complex),
    *(math.trunc, math.floor, math.ceil, operator.length_hint),
)


def _operators() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "lshift", "rshift", "and", "or", "xor"):
        operation = getattr(operator, name + "_" if name in ("and", "or") else name)
        yield f"__{name}__", _binary(operation)
        yield f"__r{name}__", _reflected(operation)
        yield f"__i{name}__", _binary(getattr(operator, f"i{name}"))
    for name in ("lt", "le", "eq", "ne", "gt", "ge", "contains"):
        yield f"__{name}__", _binary(getattr(operator, name))
    for name in ("neg", "pos", "abs", "invert", "index"):
        yield f"__{name}__", _unary(getattr(operator, name))
    for function in _FUNCTIONS:
        yield f"__{function.__name__}__", _unary(function)
    yield "__rpow__", _reflected(pow)
    yield "__ipow__", _binary(operator.ipow)
    yield "__divmod__", _binary(divmod)
    yield "__rdivmod__", _reflected(divmod)
    yield "__getitem__", _binary(operator.getitem)
    yield "__setitem__", _store
    yield "__delitem__", _binary(operator.delitem)


for _name, _function in _operators():
    type.__setattr__(Pending, _name, _function)
