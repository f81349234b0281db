"""What is known to go wrong with dbzero 0.7.0 does not happen to an application, or to our own objects, through us.

here
    a lone surrogate, or a large integer in a tuple, ends the process
    an integer beyond 64 bits is stored as -1, or raises and leaves an item behind
    a text ends at its first NUL (ours: `store/test_mirror.py`, texts that dbzero would cut or refuse)
    an aware datetime loses microseconds and part of its offset
    a dictionary forgets its order: nothing is ordered by one
    enums cannot grow, classes without an id come back without their class, indices count twice: none are used
    autocommit tears what belongs together: it is off
    a child after a fork writes to the same file: nothing forks
    a value of more than 63.9 MB is refused: nothing so large can come
`test_objects.py`
    a container is copied when it is assigned: one that is an attribute stays part of its object
    containers are none of Python's classes: what is plain crosses by value and what is not as handles in it
    going through a container that changes does not end: `FURTHEST`
    a deleted object raises internal errors: objects are found again after a restart or said to be gone
`store/test_mirror.py`
    `atomic` loses items, and across an `await` those of other tasks: nothing of ours is in one
    a tag field that gets back a value before a commit is not found: a job that gets back a status
    threads lose each other's changes: functions run one at a time
`store/test_recovery.py`, `store/test_copies.py`, `scripts/crashsweep --mid-commit`
    SIGKILL in a commit destroys the file
    a new field without a plain default breaks old objects: an older format is made anew
`store/test_directory.py`
    a second writer corrupts the file: a store has one scheduler at a time
`store/test_forgetting.py`, `store/test_compaction.py`, `store/test_retaining.py`
    objects that refer to each other leak: the objects of a forgotten job are gone
    the file only grows
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dbzero as db0
import pytest
from calls_stand import Guest, Stand

import statek
from statek.calls import keepable
from statek.core.events import EVENTS
from statek.store import objects
from statek_protocol import operations
from statek_protocol.messages.base import ARGUMENTS_LIMIT, SOURCE_LIMIT
from statek_protocol.references import HandleRef

UTC = datetime.UTC
HALF_HOURS = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
ENDS_THE_PROCESS = ["\ud800", (1, 2**64), [(2**70,)], {"\ud800": 1}, {(1, "\ud800"): 1}, {"\ud800"}]
STORED_AS_ANOTHER = [2**63, -(2**63) - 1, [2**64], {"key": 2**64}]
CUT = ["ab\0cd", ["a\0b"], {"a\0b": 1}, ("a", "\0")]
INSTANTS = [
    datetime.datetime(2026, 1, 1, 1, 2, 3, 456_789, UTC),
    datetime.datetime(2026, 1, 1, tzinfo=HALF_HOURS),
    datetime.time(1, 2, 3, tzinfo=UTC),
]
KEPT = [
    *("text", "", b"with \0 in it", 2**63 - 1, -(2**63), 1.5, True, None, ["a", [1, {"b": 2}]]),
    *(datetime.datetime(2026, 1, 1, 1, 2, 3, 456_789), datetime.datetime(2026, 1, 1, 1, 2, 3, 456_000, UTC)),
    datetime.date(2026, 1, 1),
]
SOURCES = sorted(Path(statek.__file__).parent.rglob("*.py"))


@db0.memo(id="test/Cupboard")
class Cupboard:
    """Everything that can hold something."""

    def __init__(self) -> None:
        self.anything: Any = None
        self.by_name: dict[Any, Any] = {"there": 1}
        self.row: list[Any] = [1]

    def put(self, what: Any) -> None:
        self.anything = what


@pytest.fixture
def cupboard(stand: Stand) -> Cupboard:
    def make() -> Cupboard:
        made = Cupboard()
        db0.tags(made).add("kept")
        return made

    return stand.there(make)


@pytest.fixture
def guest(stand: Stand, cupboard: Cupboard) -> Guest:
    def open_it() -> object:
        return cupboard

    def lookup(what: object) -> object:
        return cupboard.by_name.get(what)

    return stand.guest(open_it, lookup)


@pytest.fixture
def handle(guest: Guest) -> HandleRef:
    found = guest.tool("open_it").value
    assert isinstance(found, HandleRef)
    return found


def container(guest: Guest, handle: HandleRef, name: str) -> HandleRef:
    found = guest.get(handle, name).value
    assert isinstance(found, HandleRef)
    return found


def ways(guest: Guest, handle: HandleRef) -> dict[str, Callable[[Any], Any]]:
    """List the ways in which a guest hands a value to dbzero."""
    by_name, row = container(guest, handle, "by_name"), container(guest, handle, "row")
    return {
        "an attribute": lambda value: guest.operate(operations.OBJECT_SET, handle, "anything", value),
        "an item": lambda value: guest.operate(operations.OBJECT_SET_ITEM, by_name, "key", value),
        "an append": lambda value: guest.invoke(row, "append", value),
    }


@pytest.mark.parametrize("value", [*ENDS_THE_PROCESS, *STORED_AS_ANOTHER, *CUT, *INSTANTS], ids=ascii)
def test_what_dbzero_would_not_keep_is_refused_and_nothing_is_changed(
    stand: Stand, guest: Guest, handle: HandleRef, cupboard: Cupboard, value: Any
) -> None:
    for way, put in ways(guest, handle).items():
        kind, text = put(value).told
        assert (kind, bool(text)) == ("ValueError", True), way
    left = stand.there(lambda: (cupboard.anything, len(cupboard.by_name), len(cupboard.row)))
    assert left == (None, 1, 1)


@pytest.mark.parametrize("value", ENDS_THE_PROCESS, ids=ascii)
def test_what_ends_dbzeros_process_reaches_no_code_in_its_thread(guest: Guest, handle: HandleRef, value: Any) -> None:
    by_name = container(guest, handle, "by_name")
    asked = {
        "a method of the application's": guest.invoke(handle, "put", value),
        "an ordinary tool": guest.tool("lookup", value),
        "a membership": guest.operate(operations.OBJECT_CONTAINS, by_name, value),
        "an item": guest.operate(operations.OBJECT_ITEM, by_name, value),
        "a key": guest.operate(operations.OBJECT_SET_ITEM, by_name, value, 1),
        "a deletion": guest.operate(operations.OBJECT_DELETE_ITEM, by_name, value),
        "a comparison": guest.operate(operations.OBJECT_COMPARE, by_name, "==", value),
    }
    assert {way: answer.told[0] for way, answer in asked.items()} == dict.fromkeys(asked, "ValueError")


@pytest.mark.parametrize("value", KEPT, ids=ascii)
def test_what_dbzero_keeps_is_kept(stand: Stand, guest: Guest, handle: HandleRef, value: Any) -> None:
    assert guest.operate(operations.OBJECT_SET, handle, "anything", value).error is None
    found = guest.get(handle, "anything").value
    assert found == value if not isinstance(found, HandleRef) else isinstance(value, list)


@pytest.mark.parametrize("value", [datetime.timedelta(1), 1j, frozenset({1}), range(3)], ids=ascii)
def test_a_type_that_dbzero_refuses_leaves_nothing_behind(
    stand: Stand, guest: Guest, handle: HandleRef, cupboard: Cupboard, value: Any
) -> None:
    for way, put in ways(guest, handle).items():
        assert put(value).error is not None, way
    assert stand.there(lambda: (len(cupboard.by_name), len(cupboard.row))) == (1, 1)


def test_plain_objects_and_threads_of_their_own_take_any_value(stand: Stand) -> None:
    """Only dbzero's objects are so delicate; a tool that stays away from them takes what it likes."""
    statek_tool = statek.tool(thread=True)(lambda value: value)
    statek_tool.__name__ = "echo"
    guest = stand.guest(statek_tool)
    assert guest.tool("echo", 2**70).value == 2**70
    assert guest.tool("echo", "\ud800").value == "\ud800"


def test_a_value_that_is_refused_says_what_to_give_instead() -> None:
    for value, way_out in (("a\0", "bytes"), (2**64, "text"), (INSTANTS[0], "milliseconds"), (INSTANTS[1], "UTC")):
        with pytest.raises(keepable.NotKeepable, match=way_out):
            keepable.check_kept(value)


@pytest.mark.parametrize(
    "trap",
    [
        r"db0\.enum",
        r"db0\.index\(",
        r"indexed_fields",
        r"tag_fields",
        r"db0\.atomic\(",
        r"os\.fork",
        r"multiprocessing",
    ],
)
def test_nothing_of_ours_uses_what_is_known_not_to_work(trap: str) -> None:
    lines = [line for source in SOURCES for line in source.read_text().splitlines() if re.search(trap, line)]
    assert [line for line in lines if not line.strip().startswith(("#", '"""', "Its tags"))] == []


def test_every_class_of_ours_has_an_id_and_nothing_commits_by_itself() -> None:
    texts = [source.read_text() for source in SOURCES]
    marks = [mark for text in texts for mark in re.findall(r"@db0\.memo\b[^\n]*", text)]
    opened = [mark for text in texts for mark in re.findall(r"db0\.init\([^\n]*", text)]
    assert marks
    assert [mark for mark in marks if "id=" not in mark] == []
    assert opened
    assert [mark for mark in opened if "autocommit=False" not in mark] == []


def test_our_objects_hold_no_time_no_text_from_outside_and_no_order_of_a_dictionary() -> None:
    source = Path(objects.__file__).read_text()
    assert "datetime" not in source
    lists = {"chat_log", "tool_log", "violations", "chunks"}
    assert lists == {name for name in lists if re.search(rf"self\.{name}: list\[", source)}


def test_no_value_that_comes_from_anywhere_is_too_large_for_dbzero() -> None:
    """A slab has 63.9 MB; what an event or an argument can carry is far from that."""
    assert max(ARGUMENTS_LIMIT, SOURCE_LIMIT) < 63_000_000
    assert EVENTS
