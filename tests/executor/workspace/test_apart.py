"""Does the proof that nothing is shared hold for tables of records, for odd shapes, and for anything in between?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_executor.workspace.partition import EMPTY, FEW, LONG_TEXT, are_apart

ROWS: Final = FEW + 4
LONG: Final = "x" * (LONG_TEXT + 1)

_PLACES: Final[dict[str, Callable[[Any, Any], object]]] = {
    "in a record": lambda rows, part: rows[3].append(part),
    "in the place of a record": lambda rows, part: rows.__setitem__(7, part),
    "as a value of a record": lambda rows, part: rows[5].__setitem__(2, part),
    "below a record": lambda rows, part: rows[5][2].__setitem__("y", part),
}


def _table(rows: int = ROWS) -> list[Any]:
    return [[number, f"name {number}", {"x": number * 0.5}, []] for number in range(rows)]


def _copy_of_text(text: str) -> str:
    return text[:1] + text[1:]


def test_a_table_of_records_is_apart() -> None:
    assert are_apart([_table(), _table()])


@pytest.mark.parametrize("place", _PLACES.values(), ids=_PLACES.keys())
@pytest.mark.parametrize("column", [2, 3])
def test_a_part_of_one_record_that_another_holds_too_is_found(place: Callable[[Any, Any], object], column: int) -> None:
    rows = _table()
    place(rows, rows[11][column])
    assert not are_apart([rows])


@pytest.mark.parametrize("column", [2, 3])
def test_a_part_of_a_record_that_is_a_variable_too_is_found(column: int) -> None:
    rows = _table()
    assert not are_apart([rows, rows[ROWS - 1][column]])


def test_records_that_somebody_else_holds_are_apart() -> None:
    rows = _table()
    held = [rows[3], rows[4][2], *rows]
    assert are_apart([rows])
    assert len(held) == ROWS + 2


def test_a_variable_that_is_nowhere_else_and_comes_twice_is_found() -> None:
    assert not are_apart(part for part in [[1]] for _ in range(2))


def test_records_each_of_which_comes_twice_are_found() -> None:
    assert not are_apart([[record for record in _table() for _ in range(2)]])
    assert not are_apart([[[part, part] for part in ([number] for number in range(ROWS))]])


def test_a_container_that_holds_itself_is_found() -> None:
    rows = _table()
    rows[4].append(rows)
    assert not are_apart([rows])


def test_a_long_text_in_two_records_is_found() -> None:
    rows = _table()
    rows[2][1] = LONG
    assert are_apart([rows])
    rows[9][1] = LONG
    assert not are_apart([rows])
    rows[9][1] = _copy_of_text(LONG)
    assert are_apart([rows])


def test_one_record_of_another_type_among_many_is_found() -> None:
    rows = _table()
    rows[13][2] = object()
    assert not are_apart([rows])


def test_nothing_at_all_is_apart() -> None:
    assert are_apart([])
    assert are_apart([[]])
    assert are_apart([[[], {}, set()]])


_LEAVES: Final = st.one_of(st.none(), st.booleans(), st.integers(0, 300), st.floats(), st.just("text"), st.just(LONG))
_TREES: Final = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=30,
)


_TABLES: Final = st.integers(FEW - 1, FEW + 3).map(_table)


@given(st.lists(_TREES | _TABLES, max_size=4), st.data())
def test_it_is_what_counting_every_object_says(roots: list[Any], data: st.DataObject) -> None:
    lists = [part for part in _all_parts(roots) if type(part) is list]
    if len(lists) > 1 and data.draw(st.booleans()):
        holder, part = data.draw(st.sampled_from(lists)), data.draw(st.sampled_from(lists))
        if id(holder) not in map(id, _all_parts(part)):
            holder.append(part)
    alone = copy.deepcopy(roots)  # held by nothing but one another, other than what was drawn
    apart = are_apart(alone)
    met = [id(part) for part in _all_parts(alone)[1:] if _counts(part)]
    assert apart == (len(met) == len(set(met)))


def _counts(part: object) -> bool:
    return type(part) in (list, dict) or (type(part) is str and len(part) > LONG_TEXT) or id(part) in EMPTY


def _all_parts(value: object) -> list[Any]:
    """Every occurrence, the value itself first."""
    inner = value if type(value) is list else value.values() if type(value) is dict else ()
    return [value, *(part for item in inner for part in _all_parts(item))]
