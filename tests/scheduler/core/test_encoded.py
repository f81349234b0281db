"""Encoded values are put together and taken apart as if they had been read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.core.encoded import element, future_reference, plain, tuple_of
from statek_protocol.references import FutureRef, PlainReferences
from statek_protocol.values import decode_value, encode_value

BOUNDS = {"max_bytes": 1_000_000, "max_depth": 20}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(max_size=300) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def written(value: object) -> bytes:
    return encode_value(value, **BOUNDS)


@given(st.lists(values, max_size=40))
def test_a_tuple_of_encoded_values_is_the_encoded_tuple(items: list[object]) -> None:
    assert tuple_of([written(item) for item in items]) == written(tuple(items))


@given(st.lists(values, min_size=1, max_size=40), st.booleans(), st.data())
def test_an_element_is_the_encoded_element(items: list[object], as_tuple: bool, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    whole = written(tuple(items) if as_tuple else items)
    assert element(whole, index) == written(items[index])
    with pytest.raises(IndexError):
        element(whole, len(items))


@given(values.filter(lambda value: not isinstance(value, list | tuple)))
def test_nothing_else_has_elements(value: object) -> None:
    with pytest.raises(TypeError):
        element(written(value), 0)


def test_references_and_small_values() -> None:
    assert decode_value(future_reference(7), **BOUNDS, crossing=PlainReferences()) == FutureRef(7)
    assert [decode_value(plain(value), **BOUNDS) for value in (True, None, 3)] == [True, None, 3]
