"""A map becomes an instance if every field has its type and lies in its bounds; the first that does not is named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from statek_protocol import schema
from statek_protocol.errors import InvalidField
from statek_protocol.schema import Bounds


@dataclass(frozen=True, slots=True)
class Part:
    number: Annotated[int, Bounds(1, 9)]


@dataclass(frozen=True, slots=True)
class Whole:
    """One field of each kind."""

    flag: bool
    number: Annotated[int, Bounds(1, 9)]
    ratio: Annotated[float, Bounds(0, 1)]
    any_ratio: float
    text: Annotated[str, Bounds(1, 3)]
    data: Annotated[bytes, Bounds(0, 3)]
    choice: Literal["this", "that"]
    maybe: Annotated[int, Bounds(1, 9)] | None
    part: Part
    maybe_part: Part | None
    some: Annotated[tuple[int, ...], Bounds(1, 2)]
    parts: Annotated[tuple[Part, ...], Bounds(0, 2)]
    maybe_parts: Annotated[tuple[Part, ...], Bounds(0, 2)] | None
    named: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Nothing:
    """A message may have no fields."""


SOUND = {
    "flag": True,
    "number": 1,
    "ratio": 0.5,
    "any_ratio": -1.5,
    "text": "abc",
    "data": b"",
    "choice": "this",
    "maybe": None,
    "part": {"number": 1},
    "maybe_part": None,
    "some": [1],
    "parts": [],
    "maybe_parts": None,
    "named": {},
}
FULL = SOUND | {
    "maybe": 9,
    "maybe_part": {"number": 2},
    "some": [1, 2],
    "parts": [{"number": 3}],
    "maybe_parts": [{"number": 4}],
    "named": {"a": {"number": 5}},
}


@pytest.mark.parametrize("fields", [SOUND, FULL])
def test_what_was_read_is_written_as_it_was(fields: dict[str, Any]) -> None:
    read = schema.load(Whole, fields)
    assert schema.dump(read) == fields
    assert all(type(value) is type(fields[name]) for name, value in schema.dump(read).items())


def test_a_whole_number_is_read_as_a_ratio() -> None:
    assert type(schema.load(Whole, SOUND | {"ratio": 1}).ratio) is float


def test_a_class_without_fields_is_read_and_written() -> None:
    assert schema.load(Nothing, {}) == Nothing()
    assert schema.dump(Nothing()) == {}


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("flag", 1, "whole.flag"),
        ("number", True, "whole.number"),
        ("number", 0, "whole.number"),
        ("number", 10, "whole.number"),
        ("number", 1.0, "whole.number"),
        ("ratio", 1.5, "whole.ratio"),
        ("ratio", math.nan, "whole.ratio"),
        ("any_ratio", math.nan, "whole.any_ratio"),
        ("any_ratio", True, "whole.any_ratio"),
        ("text", "", "whole.text"),
        ("text", "abcd", "whole.text"),
        ("text", b"abc", "whole.text"),
        ("data", "abc", "whole.data"),
        ("data", b"abcd", "whole.data"),
        ("choice", "other", "whole.choice"),
        ("choice", ["this"], "whole.choice"),
        ("maybe", 0, "whole.maybe"),
        ("maybe", "1", "whole.maybe"),
        ("part", None, "whole.part"),
        ("part", {}, "whole.part"),
        ("part", {"number": 1, "other": 1}, "whole.part"),
        ("maybe_part", {"number": 0}, "whole.maybe_part.number"),
        ("some", [], "whole.some"),
        ("some", [1, 2, 3], "whole.some"),
        ("some", (1,), "whole.some"),
        ("parts", {}, "whole.parts"),
        ("parts", [{"number": 1}, {"number": 0}], "whole.parts[1].number"),
        ("maybe_parts", [1], "whole.maybe_parts[0]"),
        ("named", [], "whole.named"),
        ("named", {"a": {"number": 0}}, "whole.named['a'].number"),
    ],
)
def test_a_field_that_is_not_as_declared_is_named(name: str, value: object, path: str) -> None:
    with pytest.raises(InvalidField) as refused:
        schema.load(Whole, SOUND | {name: value}, path="whole")
    assert str(refused.value).startswith(f"{path}:")


def test_the_first_of_several_faults_is_named() -> None:
    with pytest.raises(InvalidField, match=r"^whole\.text:"):
        schema.load(Whole, SOUND | {"text": "", "parts": 1, "named": 1}, path="whole")
