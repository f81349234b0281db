"""Does a plain value cross whole, and does anything else end in the one error that names it?"""

from __future__ import annotations

import datetime
import math
import time
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from statek_protocol import leaves, values
from statek_protocol.references import FUTURE, HANDLE, FutureRef, HandleRef, PlainReferences
from statek_protocol.values import MalformedValue, ValueRefused, decode_value, encode_value

MAX_BYTES = 1 << 20
MAX_DEPTH = 64


def encode(value: object) -> bytes:
    return encode_value(value, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)


def decode(data: bytes) -> object:
    return decode_value(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)


def again(value: object) -> object:
    return decode(encode(value))


def same(left: object, right: object) -> bool:
    """Equal, of equal types all the way down, in equal order, and with NaN equal to itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))  # type: ignore[arg-type]
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))  # type: ignore[attr-defined]
    if isinstance(left, set | frozenset):
        return encode(left) == encode(right)
    if isinstance(left, float | complex | Decimal):
        return repr(left) == repr(right)  # the sign of zero, NaN, the exponent
    return left == right


ZONES = st.sampled_from(["UTC", "Europe/Warsaw", "America/Argentina/Buenos_Aires"]).map(zoneinfo.ZoneInfo)
OFFSETS = st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)).map(datetime.timezone)
TIMEZONES = st.one_of(st.none(), ZONES, OFFSETS)
HASHABLE_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**700), 2**700),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=TIMEZONES),
    st.times(timezones=TIMEZONES),
    st.timedeltas(),
    OFFSETS,
    ZONES,
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.builds(range, st.integers(), st.integers(), st.integers().filter(bool)),
)
KEYS = st.recursive(
    HASHABLE_LEAVES, lambda keys: st.one_of(st.tuples(keys, keys), st.frozensets(keys, max_size=3)), max_leaves=4
)
LEAVES = st.one_of(HASHABLE_LEAVES, st.floats(), st.decimals(), st.complex_numbers())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner), st.sets(KEYS), st.frozensets(KEYS)
    ),
    max_leaves=30,
)


@given(VALUES)
def test_every_value_of_the_list_comes_back_with_its_type_and_order(value: object) -> None:
    assert same(again(value), value)


@pytest.mark.parametrize(
    "value",
    [
        10**6000,
        -(2**63) - 1,
        2**64,
        math.inf,
        -0.0,
        "a\0b",
        "\ud800\udc00 lone \udfff",
        {"\udc80": ["\udc80", {"\udc80"}]},
        [True, 1, 1.0, Decimal(1), Fraction(1)],
        {1: "one", "1": "text", (1,): "tuple", frozenset({1}): "set"},
        datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Warsaw")),
        datetime.timezone(datetime.timedelta(hours=1), "Café"),
        Decimal("sNaN7"),
        Decimal("1E+999999"),
        UUID(int=5),
        range(0, -(10**30), -7),
        {},
        (),
        set(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_awkward_values_come_back_whole(value: object) -> None:
    assert same(again(value), value)


@given(st.lists(KEYS, unique=True, max_size=12), st.randoms())
def test_equal_sets_give_equal_bytes_whatever_their_order_was(members: list[object], random: object) -> None:
    shuffled = list(members)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert encode(set(members)) == encode(set(shuffled))


class Money(int):
    """A subclass whose methods would lie if anybody called them."""

    def __index__(self) -> int:
        raise AssertionError("code of the value ran")

    __int__ = __repr__ = __str__ = __hash__ = __eq__ = __index__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"rows": [1, 2, 3, object()]}, 'args["rows"][3]', "a object cannot cross"),
        ([Money(3)], "args[0]", "a Money cannot cross, though it is a kind of int: pass a plain int"),
        ([(1, {2: lambda: 0})], "args[0][1][2]", "a function cannot cross"),
        ({(1, len): 2}, "args[key tuple][1]", "a builtin_function_or_method cannot cross"),
        ([bytearray(b"x")], "args[0]", "a bytearray cannot cross"),
        ({frozenset({int})}, "args{...}{...}", "a type cannot cross"),
        (datetime.time(tzinfo=type("Own", (datetime.tzinfo,), {})()), "args", "a time zone of a class of its own"),
        (["x" * MAX_BYTES], "args", "larger than"),
        ([2 ** (8 * MAX_BYTES)], "args", "larger than"),
        ([msgpack.Timestamp(1)], "args[0]", "a Timestamp cannot cross"),
        ([msgpack.ExtType(1, b"")], "args[0]", "a ExtType cannot cross"),
    ],
    ids=range(11),
)
def test_a_value_outside_the_list_is_refused_with_its_place(value: object, path: str, reason: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        encode_value(value, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, name="args")
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_a_cycle_is_refused_with_its_place() -> None:
    cycle: list[object] = [1]
    cycle.append({"again": cycle})
    with pytest.raises(ValueRefused, match=r'value\[1\]\["again"\]: it contains itself'):
        encode(cycle)


def test_a_value_that_would_multiply_is_refused_before_it_does() -> None:
    bomb: list[object] = ["x" * 1000]
    for _ in range(60):
        bomb = [bomb, bomb]
    with pytest.raises(ValueRefused, match="larger than"):
        encode(bomb)
    with pytest.raises(ValueRefused, match="larger than"):
        encode(["x" * 100_000] * 1000)
    with pytest.raises(ValueRefused, match="larger than"):
        encode([10**100_000] * 1000)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("container", [lambda x: [x], lambda x: (x,), lambda x: {"k": x}, lambda x: frozenset({x})])
def test_depth_is_counted_alike_on_both_sides(depth: int, container: object) -> None:
    value: object = 1
    for _ in range(depth):
        value = container(value)  # type: ignore[operator]
    data = encode_value(value, max_bytes=100, max_depth=depth)
    assert decode_value(data, max_bytes=100, max_depth=depth) == value
    if depth:
        with pytest.raises(ValueRefused, match="nested more than"):
            encode_value(value, max_bytes=100, max_depth=depth - 1)
        with pytest.raises(MalformedValue):
            decode_value(data, max_bytes=100, max_depth=depth - 1)


@given(st.binary(max_size=300))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xd6\xff\x00\x00\x00\x00")
@example(b"\x81\x90\x90")
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        value = decode(data)
    except MalformedValue:
        return
    assert same(again(value), value)


PLAIN = st.recursive(st.none() | st.integers(-5, 5) | st.text(max_size=2), lambda inner: st.lists(inner, max_size=4))


@given(st.integers(-128, 127), st.one_of(st.binary(max_size=40), PLAIN.map(msgpack.packb)), st.integers(0, 3))
@settings(max_examples=500)
def test_any_extension_is_a_value_or_malformed(code: int, payload: bytes, nested: int) -> None:
    data = payload
    for _ in range(nested + 1):
        if not 0 <= code <= 127:
            return
        data = msgpack.packb(msgpack.ExtType(code, data))
    try:
        decode(data)
    except MalformedValue:
        pass


@given(VALUES, st.data())
def test_a_changed_byte_gives_a_value_or_malformed(value: object, data: st.DataObject) -> None:
    changed = bytearray(encode(value))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(changed))
    except MalformedValue:
        pass


def nested_extension(code: int, depth: int) -> bytes:
    data = b"\x90"
    for _ in range(depth):
        data = b"\xc9" + len(data).to_bytes(4, "big") + bytes([code]) + data
    return data


COLLIDING = [k * (2**61 - 1) for k in range(1, 60_000)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x01",
        b"\xdd\x00\x0f\xff\xff" * 200 + b"\xc0" * 1000,
        b"\xde\x00\x02" + b"\x01\x01" * 2,
        b"\x91" * 5000 + b"\xc0",
        nested_extension(values.TUPLE, 5000),
        nested_extension(leaves.DATETIME, 5000),
        nested_extension(values.FROZENSET, 200),
        msgpack.packb(msgpack.ExtType(leaves.ZONE, b"../../etc/passwd")),
        msgpack.packb(msgpack.ExtType(leaves.ZONE, b"Europe")),
        msgpack.packb(msgpack.ExtType(leaves.ZONE, b"Not/AZone")),
        msgpack.packb(msgpack.ExtType(leaves.DECIMAL, b"__import__")),
        msgpack.packb(msgpack.ExtType(leaves.FRACTION, msgpack.packb([1, 0]))),
        msgpack.packb(msgpack.ExtType(values.SET, msgpack.packb([[]]))),
        msgpack.packb(msgpack.ExtType(values.SET, msgpack.packb([1, 1]))),
        msgpack.packb(msgpack.Timestamp(1)),
        b"\x91" + msgpack.packb(msgpack.Timestamp(1)),
        msgpack.packb(dict.fromkeys(k * (2**61 - 1) for k in range(1, 8))) + b"\xc0",
    ],
    ids=range(18),
)
def test_hostile_bytes_are_malformed_and_cost_little(data: bytes) -> None:
    started = time.thread_time()
    with pytest.raises(MalformedValue):
        decode(data)
    assert time.thread_time() - started < 1


def test_keys_made_to_collide_are_refused_before_a_table_is_built() -> None:
    data = encode(COLLIDING)
    as_map = b"\xdf" + len(COLLIDING).to_bytes(4, "big") + b"".join(encode(key) + b"\xc0" for key in COLLIDING)
    as_set = msgpack.packb(msgpack.ExtType(values.SET, data))
    started = time.thread_time()
    for hostile in (as_map, as_set):
        with pytest.raises(MalformedValue, match="same hash"):
            decode(hostile)
    assert time.thread_time() - started < 2


def test_oversized_bytes_are_not_looked_at() -> None:
    with pytest.raises(MalformedValue, match="at most 10"):
        decode_value(b"\xc4\x0a" + bytes(10), max_bytes=10, max_depth=3)


def test_identifiers_are_unchanged() -> None:
    value = [uuid4() for _ in range(50)]
    assert again(value) == value


REFERENCES = PlainReferences()


def test_references_cross_inside_a_value_where_both_sides_know_them():
    value = {"meeting": HandleRef(7, "Meeting"), "later": [FutureRef(3), FutureRef(4, (0, 1))]}
    data = encode_value(value, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES)
    assert decode_value(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES) == value


def test_a_reference_is_refused_where_nobody_expects_one():
    data = encode_value(HandleRef(7, "Meeting"), max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES)
    with pytest.raises(MalformedValue, match="a reference where none can be"):
        decode(data)
    with pytest.raises(ValueRefused, match="a HandleRef cannot cross"):
        encode(HandleRef(7, "Meeting"))


def test_a_class_name_too_long_for_the_wire_is_cut_between_characters():
    data = encode_value(HandleRef(1, "ż" * 500), max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES)
    found = decode_value(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES)
    assert found == HandleRef(1, "ż" * 100)


@given(code=st.sampled_from([HANDLE, FUTURE]), payload=st.binary(max_size=300))
def test_any_bytes_in_a_reference_are_a_reference_or_malformed(code, payload):
    data = msgpack.packb(msgpack.ExtType(code, payload))
    try:
        found = decode_value(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH, crossing=REFERENCES)
    except MalformedValue:
        return
    assert type(found) in REFERENCES.kinds
