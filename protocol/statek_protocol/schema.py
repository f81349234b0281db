"""Between frozen dataclasses and plain maps: the one place where a field's type and bounds are checked.

A class is compiled once into a function (`field_code`); reading a map then either yields an instance whose every field
has the declared type and lies in its bounds, or raises `InvalidField` with the path of the first fault. Unknown fields
are faults: a peer that says more than we understand is not understood.

Types that a field may have: bool, int, float, str, bytes, None, unions with None, Literal of strings, dataclasses of
the same kind, tuple[X, ...], dict[str, X], and `Plain`. Bounds are given with Annotated: `Bounds(low, high)` limits a
number's value, a text's or byte string's length, a sequence's or map's number of entries. Every text, byte string and
sequence has a bound, the default one when none is declared.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from statek_protocol.errors import InvalidField
from statek_protocol.field_code import Path, Read, Reader, reading, writing

T = TypeVar("T")

Plain: TypeAlias = Any
"""A value of None, bool, int, float, str, bytes, list and map with text keys, nested at most PLAIN_DEPTH deep.

It is `Any` to type checkers on purpose: whoever reads such a field validates it with a schema of its own.
"""

PLAIN_DEPTH: Final = 8
PLAIN_ENTRIES: Final = 10_000
TEXT_LIMIT: Final = 4_096
"""Characters of a text without declared bounds."""
SEQUENCE_LIMIT: Final = 10_000
INT_LIMIT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """Inclusive bounds of a number's value or of a text's, byte string's or sequence's length."""

    low: int | float = 0
    high: int | float = INT_LIMIT


@dataclass(frozen=True, slots=True)
class _PlainMarker:
    """Tells the reader of a `Plain` field from a reader of anything else."""


PlainField = Annotated[Plain, _PlainMarker()]
"""The annotation to use for a field that holds a `Plain` value."""

_WRITERS: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {}


def dump(instance: Any) -> dict[str, Any]:
    """Turn a dataclass instance into a plain map of its fields; nested dataclasses and tuples become maps and lists."""
    cls = type(instance)
    write = _WRITERS.get(cls)
    if write is None:
        names = [field.name for field in dataclasses.fields(cls)]
        write = _WRITERS[cls] = writing(cls, names, _SCALARS, _plain)
    return write(instance)


def load(cls: type[T], value: object, *, path: str = "") -> T:
    """Make an instance of a dataclass from a plain map; raises `InvalidField`."""
    read = _READERS.get(cls) or _reader_of(cls)
    made: T = read(value, path or cls.__name__)
    return made


_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})


def _plain(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if type(value) in (tuple, list):
        return [_plain(item) for item in value] if value else []
    if type(value) in _WRITERS or dataclasses.is_dataclass(value):
        return dump(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _shown(path: Path) -> str:
    """Write out where a value stands."""
    if isinstance(path, str):
        return path
    above, step = path
    return f"{_shown(above)}{step}" if isinstance(step, str) else f"{_shown(above)}[{step}]"


_READERS: Final[dict[type, Read]] = {}


def _reader_of(cls: type) -> Read:
    read = _READERS.get(cls)
    if read is None:
        read = _READERS[cls] = _compile(cls)
    return read


def _compile(cls: Any) -> Read:
    hints = get_type_hints(cls, include_extras=True)
    fields = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(cls)}
    required = frozenset(
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )

    def read_some(value: object, path: Path) -> Any:
        """Read what does not have exactly the fields of the class: some may be left out."""
        if type(value) is not dict:
            raise InvalidField(_shown(path), f"a map is needed, not {type(value).__name__}")
        for name in value:
            if name not in fields:
                raise InvalidField(_shown(path), f"unknown field {str(name)[:64]!r}")
        for name in required:
            if name not in value:
                raise InvalidField(_shown(path), f"field {name!r} is missing")
        return cls(**{name: fields[name].read(item, (path, f".{name}")) for name, item in value.items()})

    return reading(cls, fields, read_some)


def _reader(hint: Any, bounds: Bounds | None = None) -> Reader:
    """Choose the reader for one annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if any(isinstance(mark, _PlainMarker) for mark in arguments[1:]):
            return Reader(_read_plain)
        marks = [mark for mark in arguments[1:] if isinstance(mark, Bounds)]
        return _reader(arguments[0], marks[0] if marks else bounds)
    if origin in (Union, types.UnionType):
        return _optional(arguments, bounds)
    if origin is Literal:
        return _literal(frozenset(arguments))
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _sequence(_reader(arguments[0]).read, bounds or Bounds(0, SEQUENCE_LIMIT))
    if origin is dict and arguments[0] is str:
        return _mapping(_reader(arguments[1]).read, bounds or Bounds(0, SEQUENCE_LIMIT))
    if dataclasses.is_dataclass(hint):
        return Reader(_reader_of(typing.cast(type, hint)))
    return _scalar(hint, bounds)


def _scalar(hint: Any, bounds: Bounds | None) -> Reader:
    if hint is bool:
        return Reader(_boolean, "type({0}) is bool")
    if hint is int:
        return _number(int, bounds or Bounds(0, INT_LIMIT))
    if hint is float:
        return _float(bounds or Bounds(-float("inf"), float("inf")))
    if hint is str:
        return _sized(str, bounds or Bounds(0, TEXT_LIMIT))
    if hint is bytes and bounds is not None:
        return _sized(bytes, bounds)
    raise TypeError(f"a field cannot be declared as {hint!r}; byte strings need Bounds")


def _boolean(value: object, path: Path) -> bool:
    if type(value) is not bool:
        raise InvalidField(_shown(path), f"true or false is needed, not {type(value).__name__}")
    return value


def _number(kind: type[int], bounds: Bounds) -> Reader:
    def read(value: object, path: Path) -> int:
        if type(value) is not kind:
            raise InvalidField(_shown(path), f"a whole number is needed, not {type(value).__name__}")
        if not bounds.low <= value <= bounds.high:
            raise InvalidField(_shown(path), f"{value} is not between {bounds.low} and {bounds.high}")
        return value

    return Reader(read, f"type({{0}}) is {kind.__name__} and {bounds.low} <= {{0}} <= {bounds.high}")


def _float(bounds: Bounds) -> Reader:
    def read(value: object, path: Path) -> float:
        if type(value) not in (float, int):
            raise InvalidField(_shown(path), f"a number is needed, not {type(value).__name__}")
        number = float(typing.cast(float, value))
        if not bounds.low <= number <= bounds.high:
            raise InvalidField(_shown(path), f"{number} is not between {bounds.low} and {bounds.high}")
        return number

    return Reader(read, f"type({{0}}) is float and {bounds.low} <= {{0}} <= {bounds.high}")


def _sized(kind: type, bounds: Bounds) -> Reader:
    def read(value: object, path: Path) -> Any:
        if type(value) is not kind:
            raise InvalidField(_shown(path), f"{kind.__name__} is needed, not {type(value).__name__}")
        size = len(value)  # type: ignore[arg-type]
        if not bounds.low <= size <= bounds.high:
            raise InvalidField(_shown(path), f"{size} long; {bounds.low} to {bounds.high} are allowed")
        return value

    return Reader(read, f"type({{0}}) is {kind.__name__} and {bounds.low} <= len({{0}}) <= {bounds.high}")


def _literal(allowed: frozenset[str]) -> Reader:
    def read(value: object, path: Path) -> str:
        if type(value) is not str or value not in allowed:
            raise InvalidField(_shown(path), f"one of {', '.join(sorted(allowed))} is needed")
        return value

    return Reader(read, f"type({{0}}) is str and {{0}} in {tuple(sorted(allowed))}")


def _optional(arguments: tuple[Any, ...], bounds: Bounds | None) -> Reader:
    inner = [argument for argument in arguments if argument is not types.NoneType]
    if len(inner) != 1 or len(arguments) != 2:
        raise TypeError(f"only a union with None can be declared, not {arguments!r}")
    present = _reader(inner[0], bounds)

    def read(value: object, path: Path) -> Any:
        return None if value is None else present.read(value, path)

    passes_as_it_is = present.passes and present.made == "{0}"
    return Reader(read, f"{{0}} is None or ({present.passes})" if passes_as_it_is else "{0} is None")


def _sequence(read_item: Read, bounds: Bounds) -> Reader:
    def read(value: object, path: Path) -> tuple[Any, ...]:
        if type(value) is not list:
            raise InvalidField(_shown(path), f"a list is needed, not {type(value).__name__}")
        if not bounds.low <= len(value) <= bounds.high:
            raise InvalidField(_shown(path), f"{len(value)} entries; {bounds.low} to {bounds.high} are allowed")
        return tuple([read_item(item, (path, index)) for index, item in enumerate(value)]) if value else ()

    return Reader(read, *(() if bounds.low > 0 else ("{0} == []", "()")))


def _mapping(read_item: Read, bounds: Bounds) -> Reader:
    def read(value: object, path: Path) -> dict[str, Any]:
        if type(value) is not dict:
            raise InvalidField(_shown(path), f"a map is needed, not {type(value).__name__}")
        if not bounds.low <= len(value) <= bounds.high:
            raise InvalidField(_shown(path), f"{len(value)} entries; {bounds.low} to {bounds.high} are allowed")
        result = {}
        for key, item in value.items():
            if type(key) is not str or len(key) > TEXT_LIMIT:
                raise InvalidField(_shown(path), "a key is not a text of ordinary length")
            result[key] = read_item(item, (path, f"[{key[:64]!r}]"))
        return result

    return Reader(read)


def _read_plain(value: object, path: Path) -> Any:
    _check_plain(value, path, PLAIN_DEPTH, [PLAIN_ENTRIES])
    return value


def _check_plain(value: object, path: Path, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0:
        raise InvalidField(_shown(path), f"more than {PLAIN_ENTRIES} entries")
    if value is None or type(value) in (bool, int, float, str, bytes):
        return
    if depth == 0:
        raise InvalidField(_shown(path), f"nested more than {PLAIN_DEPTH} deep")
    if type(value) is list:
        for item in value:
            _check_plain(item, path, depth - 1, left)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidField(_shown(path), "a key is not text")
            _check_plain(item, path, depth - 1, left)
    else:
        raise InvalidField(_shown(path), f"a {type(value).__name__} is not a plain value")
