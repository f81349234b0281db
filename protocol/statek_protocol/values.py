"""How does a plain value cross between two processes that do not trust each other?

A value is a tree of a closed list of types: None, bool, int of any size, float, complex, str, bytes, range, the types
of date and time with fixed offsets and named zones, Decimal, Fraction, UUID, and list, tuple, dict, set and frozenset
of these. Types are exact. Whatever is reached twice is written twice: aliasing is not kept, and a cycle is refused.
Where both sides have a `references.Crossing`, references to what stays in the scheduler are leaves like others.

Writing is one C `packb`; `gc.get_referents` proves beforehand, level by level, that the tree holds nothing else and
fits. Only when it does not, a slow walk finds the place to name. Reading trusts nothing: a first pass over the bytes
builds nothing and shows that every length they claim is there, so what is built is never larger than what was sent.
"""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, Literal

import msgpack

from statek_protocol import leaves, references
from statek_protocol.references import Crossing

TUPLE: Final = leaves.FIRST_FREE
SET: Final = leaves.FIRST_FREE + 1
FROZENSET: Final = leaves.FIRST_FREE + 2
FIRST_FREE: Final = leaves.FIRST_FREE + 8
"""Extension codes from here on are for those who build on this form (a job's workspace does)."""

NESTING: Final = frozenset({list, tuple, dict, set, frozenset})
TEXTS: Final = frozenset({str, bytes})
KNOWN: Final = NESTING | leaves.LEAVES

_SMALL_PAYLOAD: Final = 1024
"""Bytes that are read without a first pass: the lengths that so few bytes can claim cost nothing."""

DEPTH_LIMIT: Final = 256
"""The deepest nesting that any caller can allow; msgpack's own stack ends not far above."""

_MANY_KEYS: Final = 64
_EQUAL_HASHES: Final = 32
"""Keys of one container that may share a hash: many more are an attack on the time that hashing takes."""

_NAME_LENGTH: Final = 80

Bound = Literal["bytes", "depth"]


class _NoReferences:
    """Nothing stands for anything: a reference in the bytes is refused."""

    kinds: Final[frozenset[type]] = frozenset()

    def refer(self, obj: Any) -> references.Reference:
        raise leaves.Unencodable(type_name(obj))

    def resolve(self, reference: references.Reference) -> object:
        raise ValueError("a reference where none can be")


NO_REFERENCES: Final = _NoReferences()


class ValueRefused(Exception):
    """A value cannot cross: of a type outside the list, cyclic, too deep or too large. The caller passes another."""

    def __init__(self, reason: str, path: str, bound: Bound | None = None) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
        self.path = path
        self.bound = bound
        """What it goes beyond, where that is why it cannot cross."""


class MalformedValue(Exception):
    """Bytes that another process sent as a value are not one; nothing of them was used."""


def encode_value(
    value: object, *, max_bytes: int, max_depth: int, name: str = "value", crossing: Crossing = NO_REFERENCES
) -> bytes:
    """Write a value; raises `ValueRefused`, whose path starts with the name given here."""
    data = None
    known = KNOWN | crossing.kinds
    if fits(value, max_bytes=max_bytes, max_depth=max_depth, known=known):
        try:
            data = Writer(max_bytes=max_bytes, other=references.writer(crossing)).write(value)
        except leaves.Unencodable:
            pass  # the walk below names the place
    if data is None:
        raise _diagnose(value, max_bytes, max_depth, name, crossing)
    if len(data) > max_bytes:
        raise ValueRefused(_too_large(max_bytes), name, "bytes")
    return data


def decode_value(data: bytes, *, max_bytes: int, max_depth: int, crossing: Crossing = NO_REFERENCES) -> object:
    """Read a value that another process wrote; raises `MalformedValue` for everything but a value within the bounds."""
    if len(data) > max_bytes:
        raise MalformedValue(f"{len(data)} bytes; at most {max_bytes} are allowed")
    try:
        value = Reader(max_depth=max_depth, other=references.reader(crossing)).read(data)
    except leaves.READ_FAULTS as fault:
        raise MalformedValue(f"not a value: {fault}") from fault
    if not fits(value, max_bytes=max_bytes, max_depth=max_depth, known=KNOWN | crossing.kinds):
        raise MalformedValue(f"nested more than {max_depth} deep, or of a type that no value has")
    return value


def fits(value: object, *, max_bytes: int, max_depth: int, known: frozenset[type] = KNOWN) -> bool:
    """Tell whether a tree holds only known types, is at most so deep, and has no more parts and text than bytes."""
    level: list[object] = [value]
    size = 1
    for _ in range(min(max_depth, DEPTH_LIMIT) + 1):
        kinds = set(map(type, level))
        if not kinds <= known:
            return False
        if not kinds.isdisjoint(TEXTS):
            size += sum(map(len, only(level, TEXTS)))
        if kinds.isdisjoint(NESTING):
            return size <= max_bytes
        level = gc.get_referents(*only(level, NESTING))
        size += len(level)
        if size > max_bytes:
            return False
    return not level


def only(values: list[Any], kinds: frozenset[type]) -> Iterator[Any]:
    """Pick the values of these exact types, without a step of Python code for each."""
    return itertools.compress(values, map(kinds.__contains__, map(type, values)))


class Writer:
    """Packs trees whose types were proved; a type that only the caller knows goes to `other`."""

    def __init__(self, *, max_bytes: int, other: Callable[[object], msgpack.ExtType] = leaves.extension) -> None:
        self._left = max_bytes
        self._other = other
        self._packers: list[msgpack.Packer] = []

    def write(self, value: object) -> bytes:
        """Pack one tree; raises `leaves.Unencodable`."""
        packer = self._packers.pop() if self._packers else self._new_packer()
        try:
            data: bytes = packer.pack(value)
        except UnicodeEncodeError:
            packer.reset()
            data = self._new_packer(unicode_errors="surrogatepass").pack(value)
        self._packers.append(packer)
        return data

    def _new_packer(self, unicode_errors: str = "strict") -> msgpack.Packer:
        return msgpack.Packer(default=self.extend, strict_types=True, unicode_errors=unicode_errors, buf_size=512)

    def extend(self, value: Any) -> msgpack.ExtType:
        """Write a value that msgpack does not know by itself."""
        kind = type(value)
        if kind is tuple:
            return extension_type(TUPLE, self.write(list(value)))
        if kind is set or kind is frozenset:
            return extension_type(SET if kind is set else FROZENSET, self._members(value))
        leaf = self._other(value)
        self._left -= len(leaf.data)
        if self._left < 0:
            raise leaves.Unencodable("a value of this size")
        return leaf

    def _members(self, members: Collection[Any]) -> bytes:
        """Write members in an order that depends on nothing but them, so that equal sets give equal bytes."""
        if set(map(type, members)) in ({int}, {str}):
            return self.write(sorted(members))
        written = sorted(map(self.write, members))
        return bytes(msgpack.Packer(buf_size=16).pack_array_header(len(written))) + b"".join(written)


def extension_type(code: int, data: bytes) -> msgpack.ExtType:
    """Make the pair without the checks of its constructor, which take longer than packing a small tuple."""
    return tuple.__new__(msgpack.ExtType, (code, data))


class Reader:
    """Unpacks what a `Writer` packed, or anything else that somebody sends instead."""

    def __init__(self, *, max_depth: int, other: Callable[[int, bytes], object] = leaves.read) -> None:
        self._depth_left = max_depth
        self._other = other

    def read(self, data: bytes) -> Any:
        """Unpack one tree; raises one of `leaves.READ_FAULTS`."""
        if len(data) > _SMALL_PAYLOAD:
            _check_lengths(data)
        return msgpack.unpackb(
            data,
            ext_hook=self._extension,
            object_pairs_hook=_make_dict,
            strict_map_key=False,
            unicode_errors="surrogatepass",
        )

    def _extension(self, code: int, payload: bytes) -> object:
        if code not in _MAKERS:
            return self._other(code, payload)
        if self._depth_left <= 0:
            raise ValueError("nested too deep")
        self._depth_left -= 1
        items = self.read(payload)
        self._depth_left += 1
        if type(items) is not list:
            raise ValueError("a container without items")
        return _MAKERS[code](items)


def _check_lengths(data: bytes) -> None:
    """Pass over one object without building it: a list that claims more items than follow ends here."""
    passer = msgpack.Unpacker(None, read_size=len(data), max_buffer_size=len(data))
    passer.feed(data)
    passer.skip()


def _make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > _MANY_KEYS:
        _check_hashes([key for key, _ in pairs])
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice")
    return made


def _make_set(items: list[Any]) -> set[Any]:
    if len(items) > _MANY_KEYS:
        _check_hashes(items)
    made = set(items)
    if len(made) != len(items):
        raise ValueError("a member twice")
    return made


def _check_hashes(keys: list[Any]) -> None:
    """Refuse keys of equal hash before a table is built of them; numbers with a given hash are easy to make."""
    _, most = Counter(map(hash, keys)).most_common(1)[0]
    if most > _EQUAL_HASHES:
        raise ValueError(f"{most} keys with the same hash")


_MAKERS: Final[dict[int, Callable[[list[Any]], object]]] = {
    TUPLE: tuple,
    SET: _make_set,
    FROZENSET: lambda items: frozenset(_make_set(items)),
}


def _diagnose(value: object, max_bytes: int, max_depth: int, name: str, crossing: Crossing) -> ValueRefused:
    """Find the first place in a value that keeps it from crossing."""
    known = KNOWN | crossing.kinds
    pending: list[tuple[object, str, tuple[int, ...]]] = [(value, name, ())]
    left = max_bytes
    while pending:
        item, path, above = pending.pop()
        left -= 1 + (len(item) if type(item) in TEXTS else 0)  # type: ignore[arg-type]
        if left < 0:
            return ValueRefused(_too_large(max_bytes), name, "bytes")
        fault = _fault(item, above, crossing) if type(item) in known else _unknown(item)
        if fault:
            return ValueRefused(fault, path)
        if type(item) in NESTING:
            if item and len(above) >= max_depth:
                return ValueRefused(f"nested more than {max_depth} deep", path, "depth")
            if len(item) > left:  # type: ignore[arg-type]
                break
            inner = (*above, id(item))
            pending.extend(reversed([(part, path + step, inner) for part, step in parts(item)]))
    return ValueRefused(_too_large(max_bytes), name, "bytes")


def _fault(item: object, above: tuple[int, ...], crossing: Crossing) -> str | None:
    """Say what keeps this one part from crossing, its own parts left aside."""
    if type(item) in NESTING:
        return "it contains itself; only a tree can cross" if id(item) in above else None
    try:
        if type(item) not in leaves.LEAVES:
            crossing.refer(item)
        elif type(item) not in leaves.NATIVE:
            leaves.extension(item)
    except leaves.Unencodable as unencodable:
        return f"{unencodable} cannot cross"
    return None


def parts(container: Any) -> Iterator[tuple[object, str]]:
    """Give the parts of a container, each with the step of a path that leads to it."""
    if type(container) is dict:
        for key, part in container.items():
            yield key, f"[key {describe_key(key)}]"
            yield part, f"[{describe_key(key)}]"
    elif type(container) in (set, frozenset):
        for part in container:
            yield part, "{...}"
    else:
        for index, part in enumerate(container):
            yield part, f"[{index}]"


def describe_key(key: object) -> str:
    """Show a dictionary's key in a path, without running any code of it."""
    if type(key) is str:
        shown = ascii(key[:_NAME_LENGTH])
        return f'"{shown[1:-1]}"' if '"' not in shown else shown
    if type(key) in (bool, type(None), float) or (type(key) is int and abs(key) < 2**64):
        return repr(key)
    return type_name(key)


def type_name(value: object) -> str:
    """Give the name of a value's exact type, without asking its metaclass."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name[:_NAME_LENGTH]


def _unknown(value: object) -> str:
    name = type_name(value)
    for base in type.__dict__["__mro__"].__get__(type(value)):
        if base in KNOWN:
            return f"a {name} cannot cross, though it is a kind of {base.__name__}: pass a plain {base.__name__}"
    return (
        f"a {name} cannot cross; what can is None, bool, int, float, complex, str, bytes, list, tuple, dict, set, "
        f"frozenset, range, date, time, datetime, timedelta, Decimal, Fraction and UUID"
    )


def _too_large(max_bytes: int) -> str:
    return f"larger than {max_bytes} bytes; pass less"
