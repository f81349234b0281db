"""What a guest does to an application's objects, and what it does not get."""

from __future__ import annotations

import collections
import dataclasses
import decimal
import enum
import functools
import io
import logging
import math
import os
import string
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dbzero as db0
import pytest
from calls_stand import Answer, Guest, Room, Stand

from statek.calls import handles
from statek_policies import Policy
from statek_protocol import operations
from statek_protocol.references import HandleRef

FURTHEST = "only the first 1000000 items of an object can be gone through"


class Shop:
    """A plain object of the application."""

    def __init__(self) -> None:
        self.name = "shop"
        self.prices = {"tea": 2}
        self._till = 100
        self.anything: Any = None

    def buy(self, what: str, *, count: int = 1) -> int:
        return self.prices[what] * count

    def give(self) -> Any:
        return self.anything

    def fail(self) -> None:
        raise self.anything

    @property
    def broken(self) -> int:
        raise LookupError("not today")

    @property
    def everything(self) -> dict[str, Any]:
        return self.__dict__

    async def later(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError("cannot be compared")

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        return -1

    def __getitem__(self, key: object) -> object:
        return key

    def __iter__(self) -> Iterator[int]:
        return iter(lambda: 1, 2)

    def __contains__(self, item: object) -> bool:
        return item == "tea"


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def guest(stand: Stand, shop: Shop) -> Guest:
    return stand.guest(opened(shop))


def opened(value: object) -> Callable[[], object]:
    """A tool that gives the value."""

    def open_it() -> object:
        return value

    return open_it


@pytest.fixture
def handle(guest: Guest) -> HandleRef:
    found = guest.tool("open_it").value
    assert isinstance(found, HandleRef)
    return found


def crossed(stand: Stand, value: object) -> Answer:
    return stand.guest(opened(value)).tool("open_it")


# what an object gives


def test_an_object_is_a_handle_with_the_name_of_its_class_and_the_same_one_each_time(guest: Guest) -> None:
    first, second = guest.tool("open_it"), guest.tool("open_it")
    assert first.value == second.value == HandleRef(0, "Shop")
    assert [(event.origin, event.reference, event.type_name) for event in first.bound] == [("memory", "", "Shop")]
    assert second.bound == []


def test_attributes_are_read_set_and_deleted(guest: Guest, handle: HandleRef, shop: Shop) -> None:
    assert guest.get(handle, "name").value == "shop"
    assert guest.get(handle, "prices").value == {"tea": 2}
    assert guest.operate(operations.OBJECT_SET, handle, "name", "store").error is None
    assert shop.name == "store"
    assert guest.operate(operations.OBJECT_DELETE, handle, "name").error is None
    assert guest.get(handle, "name").told == ("AttributeError", "'Shop' object has no attribute 'name'")


def test_methods_are_described_and_called_and_cannot_be_hidden(guest: Guest, handle: HandleRef) -> None:
    methods = ("buy", "fail", "give", "later")
    assert guest.operate(operations.OBJECT_DESCRIBE, handle).value == methods
    everything = {*methods, "anything", "broken", "everything", "name", "prices"}
    assert set(guest.operate(operations.OBJECT_DESCRIBE, handle, "all").value) == everything
    assert guest.invoke(handle, "buy", "tea", count=3).value == 6
    assert guest.get(handle, "buy").told[0] == "IsMethod"
    assert guest.operate(operations.OBJECT_SET, handle, "buy", 1).told[0] == "AttributeError"
    assert guest.invoke(handle, "name").told[0] == "TypeError"


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        (operations.OBJECT_ITEM, ("key",), "key"),
        (operations.OBJECT_CONTAINS, ("tea",), True),
        (operations.OBJECT_ITERATE, (5, 3), ([1, 1, 1], False)),
        (operations.OBJECT_TEXT, ("str",), f"<{__name__}.Shop object>"),
    ],
)
def test_operators(
    guest: Guest, handle: HandleRef, operation: str, arguments: tuple[Any, ...], expected: object
) -> None:
    assert guest.operate(operation, handle, *arguments).value == expected


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        (operations.OBJECT_GET, ("broken",), ("LookupError", "not today")),
        (operations.OBJECT_COMPARE, ("==", 1), ("ArithmeticError", "cannot be compared")),
        (operations.OBJECT_LENGTH, (), ("ValueError", "__len__() should return >= 0")),
        (operations.OBJECT_TRUTH, (), ("ValueError", "__len__() should return >= 0")),
        (operations.OBJECT_SET_ITEM, (1, 2), ("TypeError", "'Shop' object does not support item assignment")),
        (operations.OBJECT_INVOKE, (None, (), {}), ("TypeError", "a Shop cannot be called")),
        (operations.OBJECT_ITERATE, (10**12, 1), ("ValueError", FURTHEST)),
        (operations.OBJECT_TEXT, ("format:>100000000",), ("TypeError", "no such text")),
    ],
)  # fmt: skip
def test_what_an_object_raises_is_data(
    guest: Guest, handle: HandleRef, operation: str, arguments: tuple[Any, ...], error: tuple[str, str]
) -> None:
    assert guest.operate(operation, handle, *arguments).told == error


class Unprintable(Exception):
    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), ("SystemExit", "3")),
        (KeyboardInterrupt(), ("KeyboardInterrupt", "")),
        (StopIteration(1), ("StopIteration", "1")),
        (Unprintable(), ("Unprintable", "(its text cannot be had: SystemExit)")),
        (KeyError("k"), ("KeyError", "'k'")),
        (FileNotFoundError(2, "No such file", "/etc/secret"), ("FileNotFoundError", "No such file")),
        (type("PolicyViolation", (Exception,), {})("x"), ("ToolError", "PolicyViolation: x")),
        (ValueError(f"in {os.path.dirname(os.__file__)}/x.py"), ("ValueError", "in .../x.py")),
    ],
)
def test_whatever_a_method_raises_is_data_without_places_of_this_host(
    guest: Guest, handle: HandleRef, shop: Shop, error: BaseException, told: tuple[str, str]
) -> None:
    shop.anything = error
    assert guest.invoke(handle, "fail").told == told


# what nobody gets


@pytest.mark.parametrize(
    "name", ["_till", "__dict__", "__class__", "_", "__init__", "tb_frame", "gi_frame", "", "a.b", 3, None]
)
def test_no_private_name_is_used_and_the_attempt_is_a_violation(guest: Guest, handle: HandleRef, name: Any) -> None:
    for answer in (
        guest.get(handle, name),
        guest.operate(operations.OBJECT_SET, handle, name, 1),
        guest.operate(operations.OBJECT_DELETE, handle, name),
        *([guest.invoke(handle, name)] if name is not None else []),
    ):
        assert answer.told[0] == "PolicyViolation"
        assert answer.violations == ["member.private"]


def frame() -> Any:
    import sys

    return sys._getframe()


def failed() -> BaseException:
    try:
        raise ValueError
    except ValueError as error:
        return error


class Caller:
    def __call__(self) -> int:
        return 1


MACHINERY = {
    "a module": os,
    "a class": Shop,
    "a function": len,
    "a lambda": lambda: None,
    "a method": Shop().buy,
    "a partial": functools.partial(print),
    "a generator": (x for x in ()),
    "an iterator": iter([]),
    "a frame": frame(),
    "code": frame.__code__,
    "a traceback": failed().__traceback__,
    "an exception": failed(),
    "a file": io.StringIO(),
    "a formatter": string.Formatter(),
    "a logger": logging.getLogger("x"),
    "a lock": threading.Lock(),
    "a thread": threading.Thread(),
    "dbzero": db0,
}


@pytest.mark.parametrize("value", MACHINERY.values(), ids=MACHINERY.keys())
def test_what_leads_out_of_the_application_cannot_cross_from_anywhere(
    guest: Guest, handle: HandleRef, shop: Shop, value: object
) -> None:
    shop.anything = value
    for answer in (
        guest.get(handle, "anything"),
        guest.invoke(handle, "give"),
        guest.get(handle, "everything"),
        crossed(guest.stand, [{"deep": value}]),
    ):
        assert answer.told[0] == "TypeError"
        assert "cannot cross" in answer.told[1]
        assert answer.made == (), "nothing of it is kept"
    assert guest.invoke(handle, "anything").told[0] == "TypeError"


def test_what_an_attribute_holds_is_never_called(guest: Guest, handle: HandleRef, shop: Shop) -> None:
    called: list[int] = []
    shop.anything = lambda: called.append(1)
    assert guest.invoke(handle, "anything").told[0] == "TypeError"
    shop.anything = Caller()
    inner = guest.get(handle, "anything").value
    assert guest.invoke(inner, None).value == 1, "an object of the application that says so can be called"
    assert called == []


class Template(string.Formatter):
    """An application's class that inherits what can read any attribute."""

    def safe(self) -> str:
        return "safe"


class Word(str):
    """An application's kind of text: by its methods, any attribute could be read."""


def test_methods_that_come_from_elsewhere_are_none(stand: Stand) -> None:
    guest = stand.guest(opened(Template()))
    handle = guest.tool("open_it").value
    assert guest.operate(operations.OBJECT_DESCRIBE, handle).value == ("safe",)
    assert guest.invoke(handle, "format", "{0.__class__}", handle).told[0] == "TypeError"
    assert crossed(stand, Word("{0.__class__}")).value == "{0.__class__}"


def test_the_schedulers_own_objects_cannot_cross(stand: Stand) -> None:
    from statek.store.objects import Root

    assert "scheduler's own objects" in stand.guest(Root).tool("Root").told[1]


def test_an_async_method_is_said_to_be_one(guest: Guest, handle: HandleRef) -> None:
    assert "offer the async function as a tool" in guest.invoke(handle, "later").told[1]


# values


class Colour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int


ring: list[Any] = []
ring.append(ring)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, 1),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.deque([1]), [1]),
        ({1: 2}.keys(), [1]),
        (bytearray(b"x"), b"x"),
        (decimal.Decimal("1.5"), decimal.Decimal("1.5")),
        ([Point(1), {"p": Point(2)}], [HandleRef(0, "Point"), {"p": HandleRef(1, "Point")}]),
    ],
)
def test_what_is_plain_crosses_by_value_and_what_is_not_as_handles_in_it(
    stand: Stand, value: object, expected: object
) -> None:
    assert crossed(stand, value).value == expected


def test_nan_crosses_as_nan(stand: Stand) -> None:
    assert math.isnan(crossed(stand, float("nan")).value)


@pytest.mark.parametrize(
    ("value", "why"), [(ring, "contains itself"), ("x" * 2**21, "larger than"), ([Point(1)] * 2**17, "larger than")]
)
def test_what_is_no_tree_or_too_large_cannot_cross(stand: Stand, value: object, why: str) -> None:
    assert why in crossed(stand, value).told[1]


def test_two_classes_of_one_name_are_told_apart(stand: Stand) -> None:
    others = [type("Point", (), {"__module__": "elsewhere"})(), Point(1)]
    first, second = crossed(stand, others).value
    assert (first.type_name, second.type_name) == ("Point", f"{__name__}.Point")


# handles


def test_a_forged_handle_is_an_error_and_a_violation(guest: Guest, handle: HandleRef) -> None:
    answer = guest.get(HandleRef(7, "Shop"), "name")
    assert answer.told == ("PolicyViolation", "this job was never given an object of number 7")
    assert answer.violations == ["handle.unknown"]
    tool = guest.tool("open_it", HandleRef(7, "Shop"))
    assert tool.violations == ["handle.unknown"]


def test_another_jobs_number_is_not_this_jobs_object(stand: Stand, guest: Guest, handle: HandleRef) -> None:
    stranger = stand.guest(opened(1))
    assert stranger.get(handle, "name").violations == ["handle.unknown"]


def test_a_job_can_be_given_so_many_objects(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "HANDLES", 2)
    guest = stand.guest(opened([Point(1), Point(2)]), tool_of("more", [Point(3)]))
    assert guest.tool("open_it").error is None
    assert "handles: a job can be given 2 objects" in guest.tool("more").told[1]


def tool_of(name: str, value: object) -> Callable[[], object]:
    function = opened(value)
    function.__name__ = name
    return function


def test_objects_are_found_again_after_a_restart_or_said_to_be_gone(stand: Stand) -> None:
    room, plain, exported = stand.room("blue"), Shop(), Shop()
    guest = stand.guest(opened([room, plain, exported]), shop=exported)
    found, lost, local = guest.tool("open_it").value
    guest.restart()
    assert guest.get(found, "name").value == "blue"
    assert guest.get(local, "name").value == "shop"
    assert guest.get(lost, "name").told[0] == "ObjectGone"


def test_an_object_that_only_its_handle_refers_to_lives_as_long_as_the_process(stand: Stand) -> None:
    guest = stand.guest(Room)
    handle = guest.tool("Room", "new").value
    stand.there(db0.commit)
    assert guest.get(handle, "name").value == "new"


def test_a_container_of_dbzero_that_is_an_attribute_stays_part_of_its_object(stand: Stand) -> None:
    room = stand.room()
    guest = stand.guest(opened(room), tool_of("tags", room), everything(room))
    handle = guest.tool("open_it").value
    tags = guest.get(handle, "tags").value
    assert tags.type_name == "List"
    assert guest.invoke(tags, "append", "warm").error is None
    guest.restart()
    assert guest.operate(operations.OBJECT_ITERATE, tags, 0, 10).value == (["warm"], True)
    assert guest.tool("everything").value == ["warm"], "what a call gives is a copy"


def everything(room: Room) -> Callable[[], Any]:
    def everything() -> Any:
        return room.tags

    return everything


# policies


def test_a_policy_names_the_members_that_there_are(stand: Stand, shop: Shop) -> None:
    guest = stand.guest(opened(shop))
    guest.policy = Policy(members=("Shop.b*", "Room.*"))
    handle = guest.tool("open_it").value
    assert guest.invoke(handle, "buy", "tea").value == 2
    for answer in (
        guest.get(handle, "name"),
        guest.operate(operations.OBJECT_ITEM, handle, 1),
        guest.operate(operations.OBJECT_ITERATE, handle, 0, 1),
        guest.invoke(handle, None),
    ):
        assert answer.violations == ["member.denied"]
