"""Frames on a stream come out whole and in order however the stream is cut up, and a bad length is refused at once."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_protocol.errors import ConnectionEnded, MalformedMessage, OversizedMessage
from statek_protocol.framing import FrameReader, frame, frame_length
from statek_protocol.messages.base import FRAME_LIMIT
from statek_protocol.structure import check_structure


@given(st.lists(st.binary(max_size=50), max_size=10), st.data())
def test_frames_come_out_whole_and_in_order(frames: list[bytes], chosen: Any) -> None:
    stream = b"".join(map(frame, frames))
    reader, received = FrameReader(), []
    while stream:
        size = chosen.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:size])
        stream = stream[size:]
    reader.end()
    assert received == frames


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(OversizedMessage):
        FrameReader().feed(struct.pack("<I", FRAME_LIMIT + 1))
    with pytest.raises(OversizedMessage):
        frame_length(b"\xff\xff\xff\xff")


def test_a_stream_that_ends_inside_a_frame_says_so() -> None:
    reader = FrameReader()
    reader.feed(frame(b"hello")[:-1])
    with pytest.raises(ConnectionEnded):
        reader.end()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(plain)
def test_the_walk_over_a_structure_agrees_with_the_parser(value: object) -> None:
    check_structure(msgpack.packb(value))


@given(plain, st.binary(min_size=1, max_size=3))
def test_bytes_after_the_end_are_not_overlooked(value: object, more: bytes) -> None:
    with pytest.raises(MalformedMessage):
        check_structure(msgpack.packb(value) + more)
