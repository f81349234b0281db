"""Messages survive the wire, and nothing but a message of the expected kinds is ever read from it."""

from __future__ import annotations

import dataclasses
import string
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_protocol import schema
from statek_protocol.codec import decode, encode
from statek_protocol.errors import InvalidField, MalformedMessage, OversizedMessage, ProtocolError, UnknownKind
from statek_protocol.messages import client, executor, interpreter
from statek_protocol.messages.base import CONSOLE_CHUNK_LIMIT, Message

DIRECTIONS = {
    "from interpreter": interpreter.FROM_INTERPRETER,
    "to interpreter": interpreter.TO_INTERPRETER,
    "from supervisor": executor.FROM_SUPERVISOR,
    "from supervisor, leased": executor.FROM_SUPERVISOR_LEASED,
    "to supervisor": executor.TO_SUPERVISOR,
    "to supervisor, leased": executor.TO_SUPERVISOR_LEASED,
    "from client": client.FROM_CLIENT,
    "to client": client.TO_CLIENT,
    "stamps": executor.STAMPS,
}
ALL = frozenset().union(*DIRECTIONS.values())

names = st.text(string.ascii_letters, min_size=1, max_size=20)
counts = st.integers(0, 2**53)
batches = st.integers(1, 10**9)
data = st.binary(max_size=200)
errors = st.builds(interpreter.GuestError, names, st.text(max_size=50), st.none() | counts)
breaches = st.builds(interpreter.LimitBreach, names, st.floats(0, 1e9), st.floats(0, 1e9))
transient = st.builds(interpreter.TransientValue, names, names, names)
segments = st.lists(
    st.builds(interpreter.Segment, counts, data, st.lists(batches, max_size=3).map(tuple)), max_size=3
).map(tuple)
snapshots = st.builds(
    interpreter.Snapshot,
    counts,
    segments,
    st.lists(counts, max_size=3).map(tuple),
    st.lists(transient).map(tuple),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | names | data,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
MESSAGES: dict[type[Message], st.SearchStrategy[Any]] = {
    interpreter.Console: st.builds(interpreter.Console, batches, data),
    interpreter.Call: st.builds(interpreter.Call, batches, counts, names, data),
    interpreter.Observed: st.builds(interpreter.Observed, batches, data),
    interpreter.Checkpoint: st.builds(interpreter.Checkpoint, batches, snapshots),
    interpreter.Violated: st.builds(
        interpreter.Violated, batches, names, st.text(max_size=20), st.none() | counts, st.just("compile")
    ),
    interpreter.Finished: st.builds(
        interpreter.Finished,
        batches,
        st.sampled_from(["ok", "error", "blocked", "limit"]),
        st.none() | errors,
        st.none() | breaches,
        st.none() | snapshots,
    ),
    interpreter.Load: st.builds(
        interpreter.Load,
        st.dictionaries(names, plain, max_size=3),
        segments,
        st.lists(st.builds(interpreter.BatchSource, batches, names, data), max_size=3).map(tuple),
        st.lists(names, max_size=3).map(tuple),
    ),
    interpreter.Run: st.builds(
        interpreter.Run, batches, names, data, counts, counts, st.lists(data, max_size=3).map(tuple), counts, counts
    ),
    executor.Hello: st.builds(
        executor.Hello,
        counts,
        names,
        names,
        names,
        st.integers(1, 100),
        st.dictionaries(names, st.builds(executor.LayerReport, st.booleans(), names), max_size=3),
    ),
    executor.Lost: st.builds(
        executor.Lost, st.none() | batches, st.sampled_from(["limit", "seccomp"]), names, st.none() | breaches
    ),
    executor.Stamp: st.builds(executor.Stamp, names, counts, counts),
    client.Submit: st.builds(
        client.Submit,
        names,
        st.none() | names,
        plain,
        st.dictionaries(names, st.floats(0, 10), max_size=2),
        st.dictionaries(names, plain, max_size=2),
        st.lists(st.builds(client.NewBatch, names, data), min_size=1, max_size=3).map(tuple),
    ),
    client.Events: st.builds(
        client.Events,
        names,
        names,
        st.lists(st.builds(client.JobEvent, counts, names, plain), max_size=3).map(tuple),
    ),
}


@given(st.one_of(*MESSAGES.values()))
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message), frozenset({type(message)})) == message


@pytest.mark.parametrize("direction", DIRECTIONS)
@given(noise=st.binary(max_size=300))
def test_noise_is_refused_and_never_raises_anything_else(direction: str, noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(noise, DIRECTIONS[direction])


@given(st.dictionaries(names | st.just("kind"), plain, max_size=6))
def test_a_map_that_is_no_message_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        decode(msgpack.packb(fields), ALL)


@given(st.one_of(*MESSAGES.values()), st.data())
def test_a_message_with_one_damaged_field_is_refused_or_still_of_its_type(message: Message, chosen: Any) -> None:
    fields = {"kind": message.kind, **schema.dump(message)}
    name = chosen.draw(st.sampled_from(sorted(fields)))
    fields[name] = chosen.draw(plain)
    try:
        result = decode(msgpack.packb(fields), frozenset({type(message)}))
    except ProtocolError:
        return
    assert type(result) is type(message)


@given(st.one_of(*MESSAGES.values()), st.data())
def test_a_message_cut_anywhere_is_refused(message: Message, chosen: Any) -> None:
    encoded = encode(message)
    with pytest.raises(ProtocolError):
        decode(encoded[: chosen.draw(st.integers(0, len(encoded) - 1))], ALL)


def test_each_kind_has_its_own_name() -> None:
    kinds = [cls.kind for cls in ALL]
    assert len(kinds) == len(set(kinds))


def test_a_kind_of_another_direction_is_unknown() -> None:
    with pytest.raises(UnknownKind, match="welcome"):
        decode(encode(executor.Welcome("s", 1, 5)), interpreter.FROM_INTERPRETER)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(InvalidField, match="unknown field 'extra'"):
        decode(msgpack.packb({"kind": "goodbye", "extra": 1}), executor.FROM_SUPERVISOR)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidField, match="'offered' is missing"):
        decode(msgpack.packb({"kind": "pull"}), executor.FROM_SUPERVISOR)


@pytest.mark.parametrize("value", [True, -1, 1.0, "1", 2**60, None, [1]])
def test_a_count_takes_nothing_but_a_whole_number_in_its_bounds(value: object) -> None:
    with pytest.raises(InvalidField, match=r"pull\.offered"):
        decode(msgpack.packb({"kind": "pull", "offered": value}), executor.FROM_SUPERVISOR)


def test_a_number_that_is_none_is_no_number() -> None:
    message = executor.Metered(1, float("nan"), 0, 0, 0, 0)
    with pytest.raises(InvalidField, match="cpu_seconds"):
        decode(encode(message), executor.FROM_SUPERVISOR_LEASED)


def test_a_frame_larger_than_its_kind_may_be_is_refused_when_sent_and_when_read() -> None:
    message = interpreter.Console(1, b"x" * (CONSOLE_CHUNK_LIMIT + 2048))
    with pytest.raises(OversizedMessage):
        encode(message)
    fields = {"kind": "console", **schema.dump(message)}
    with pytest.raises(OversizedMessage):
        decode(msgpack.packb(fields), interpreter.FROM_INTERPRETER)


def test_a_text_longer_than_its_field_allows_is_refused() -> None:
    with pytest.raises(InvalidField, match=r"violated\.rule"):
        decode(
            encode(interpreter.Violated(1, "r" * 201, "", None, "runtime")),
            interpreter.FROM_INTERPRETER,
        )


def test_extension_types_are_no_plain_values() -> None:
    for odd in (msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 2)):
        with pytest.raises(ProtocolError):
            decode(msgpack.packb({"kind": "load", "policy": odd, "workspace": [], "sources": [], "tools": []}), ALL)


def test_a_plain_value_has_a_bounded_depth() -> None:
    deep: list[Any] = []
    for _ in range(schema.PLAIN_DEPTH + 1):
        deep = [deep]
    fields = {"kind": "load", "policy": deep, "workspace": [], "sources": [], "tools": []}
    with pytest.raises(InvalidField, match="deep"):
        decode(msgpack.packb(fields), interpreter.TO_INTERPRETER)


def test_a_frame_of_empty_lists_is_refused_before_it_is_built() -> None:
    """Sixty million one-byte lists would be three gigabytes of Python objects."""
    bomb = b"\x81\xa9workspace\xdd" + (60_000_000).to_bytes(4, "big") + b"\x90" * 60_000_000
    with pytest.raises(MalformedMessage, match="values in one message"):
        decode(bomb, interpreter.FROM_INTERPRETER)


def test_nesting_deeper_than_the_parser_goes_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        decode(b"\x91" * 5_000 + b"\xc0", interpreter.FROM_INTERPRETER)


def test_every_field_of_every_message_is_checked_by_some_reader() -> None:
    for cls in ALL:
        assert dataclasses.is_dataclass(cls)
        with pytest.raises(InvalidField):
            schema.load(cls, {"no such field": 1})
