"""How is a value without parts of its own written: numbers, points in time, identifiers?

Every such type has one msgpack extension code. Only exact types are written: a subclass can lie about what it is. The
readers raise the ordinary exceptions of the constructors that they call; `READ_FAULTS` names them, and whoever reads
bytes of another process turns them into an error of its own.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import re
import struct
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, Final

import msgpack

INT: Final = 1
COMPLEX: Final = 2
RANGE: Final = 3
DATE: Final = 4
DATETIME: Final = 5
TIME: Final = 6
TIMEDELTA: Final = 7
TIMEZONE: Final = 8
ZONE: Final = 9
DECIMAL: Final = 10
FRACTION: Final = 11
UUID: Final = 12
FIRST_FREE: Final = 16
"""Codes from here on are for those who build on leaves."""

FRACTION_BYTES: Final = 4096
"""Making a fraction needs a greatest common divisor, whose cost grows with the square of the size."""

READ_FAULTS: Final = (
    ValueError,  # of constructors, of msgpack (ExtraData, FormatError, StackError), of UTF-8
    TypeError,
    ArithmeticError,  # OverflowError, decimal.InvalidOperation
    LookupError,  # ZoneInfoNotFoundError
    OSError,  # a zone key that names a directory of the zone files
    struct.error,
    msgpack.UnpackException,
)

_ZONE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_ZONE_KEY_LENGTH: Final = 100
_MICROSECOND = datetime.timedelta(microseconds=1)


class Unencodable(Exception):
    """This one value of an otherwise known type cannot be written; the text says why."""


def write_int(value: int) -> bytes:
    """Give the shortest big-endian two's complement; text would meet CPython's limit on digits."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _write_range(value: range) -> bytes:
    return _write_parts([value.start, value.stop, value.step])


def _write_datetime(value: datetime.datetime) -> bytes:
    day = [value.year, value.month, value.day]
    clock = [value.hour, value.minute, value.second, value.microsecond, value.fold]
    return _write_parts([*day, *clock, _zone(value.tzinfo)])


def _write_time(value: datetime.time) -> bytes:
    return _write_parts(
        [value.hour, value.minute, value.second, value.microsecond, value.fold, _zone(value.tzinfo)],
    )


def _write_timezone(value: datetime.timezone) -> bytes:
    offset, *name = value.__getinitargs__()  # type: ignore[attr-defined]  # typeshed leaves it out
    return _write_parts([offset // _MICROSECOND, *name])


def _write_zone(value: zoneinfo.ZoneInfo) -> bytes:
    if not _ZONE_KEY.fullmatch(value.key or ""):
        raise Unencodable("a time zone without a key")
    return value.key.encode("ascii")


def _write_fraction(value: fractions.Fraction) -> bytes:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > 8 * FRACTION_BYTES:
        raise Unencodable(f"a fraction with more than {FRACTION_BYTES} bytes in a part")
    return _write_parts([value.numerator, value.denominator])


def _zone(tzinfo: datetime.tzinfo | None) -> datetime.tzinfo | None:
    if tzinfo is None or type(tzinfo) in (datetime.timezone, zoneinfo.ZoneInfo):
        return tzinfo
    raise Unencodable("a time with a time zone of a class of its own; use zoneinfo or a fixed offset")


def _write_parts(parts: list[Any]) -> bytes:
    return bytes(msgpack.packb(parts, default=extension, strict_types=True, unicode_errors="surrogatepass"))


def _read_range(data: bytes) -> range:
    return range(*_ints(_read_parts(data, 3, {INT})))


def _read_datetime(data: bytes) -> datetime.datetime:
    *fields, fold, zone = _read_parts(data, 9, {TIMEZONE, ZONE})
    return datetime.datetime(*_ints(fields), tzinfo=zone, fold=_int(fold))  # type: ignore[misc,arg-type]


def _read_time(data: bytes) -> datetime.time:
    *fields, fold, zone = _read_parts(data, 6, {TIMEZONE, ZONE})
    return datetime.time(*_ints(fields), tzinfo=zone, fold=_int(fold))  # type: ignore[misc,arg-type]


def _read_timezone(data: bytes) -> datetime.timezone:
    offset, *name = _read_parts(data, None, frozenset())
    return datetime.timezone(datetime.timedelta(microseconds=_int(offset)), *name)


def _read_zone(data: bytes) -> zoneinfo.ZoneInfo:
    key = data.decode("ascii")
    if len(key) > _ZONE_KEY_LENGTH or not _ZONE_KEY.fullmatch(key):
        raise ValueError("not the key of a time zone")
    return zoneinfo.ZoneInfo(key)


def _read_fraction(data: bytes) -> fractions.Fraction:
    if len(data) > 2 * FRACTION_BYTES + 32:
        raise ValueError("a fraction that is too large")
    return fractions.Fraction(*_ints(_read_parts(data, 2, {INT})))


def _read_uuid(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=data)


def _read_parts(data: bytes, count: int | None, codes: frozenset[int] | set[int]) -> list[Any]:
    """Read the fields of a leaf: an array in which only the named leaves may occur, so that nothing nests."""

    def part(code: int, payload: bytes) -> object:
        if code not in codes:
            raise ValueError(f"extension {code} inside a value that has no parts")
        return read(code, payload)

    parts = msgpack.unpackb(data, ext_hook=part, unicode_errors="surrogatepass", max_array_len=9, max_map_len=0)
    if type(parts) is not list or count not in (None, len(parts)):
        raise ValueError("not the fields of this type")
    return parts


def _ints(values: list[Any]) -> list[int]:
    return [_int(value) for value in values]


def _int(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a whole number is needed")
    return value


_WRITERS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    int: (INT, write_int),
    complex: (COMPLEX, lambda value: struct.pack(">dd", value.real, value.imag)),
    range: (RANGE, _write_range),
    datetime.date: (DATE, lambda value: struct.pack(">I", value.toordinal())),
    datetime.datetime: (DATETIME, _write_datetime),
    datetime.time: (TIME, _write_time),
    datetime.timedelta: (TIMEDELTA, lambda value: struct.pack(">iii", value.days, value.seconds, value.microseconds)),
    datetime.timezone: (TIMEZONE, _write_timezone),
    zoneinfo.ZoneInfo: (ZONE, _write_zone),
    decimal.Decimal: (DECIMAL, lambda value: str(value).encode("ascii")),
    fractions.Fraction: (FRACTION, _write_fraction),
    uuid.UUID: (UUID, lambda value: value.bytes),
}

_READERS: Final[dict[int, Callable[[bytes], object]]] = {
    INT: lambda data: int.from_bytes(data, "big", signed=True),
    COMPLEX: lambda data: complex(*struct.unpack(">dd", data)),
    RANGE: _read_range,
    DATE: lambda data: datetime.date.fromordinal(*struct.unpack(">I", data)),
    DATETIME: _read_datetime,
    TIME: _read_time,
    TIMEDELTA: lambda data: datetime.timedelta(*struct.unpack(">iii", data)),
    TIMEZONE: _read_timezone,
    ZONE: _read_zone,
    DECIMAL: lambda data: decimal.Decimal(data.decode("ascii")),
    FRACTION: _read_fraction,
    UUID: _read_uuid,
}

NATIVE: Final = frozenset({type(None), bool, int, float, str, bytes})
"""What msgpack writes by itself, exactly; whole numbers up to 64 bits."""

LEAVES: Final = NATIVE | frozenset(_WRITERS)


def extension(value: object) -> msgpack.ExtType:
    """Write one leaf that msgpack does not know; raises `Unencodable`."""
    try:
        code, write = _WRITERS[type(value)]
    except KeyError:
        raise Unencodable("not a plain value") from None
    return msgpack.ExtType(code, write(value))


def read(code: int, payload: bytes) -> object:
    """Read one leaf; raises one of `READ_FAULTS`."""
    return _READERS[code](payload)
