"""Variables that jobs start with, among real objects of dbzero: found again, copied, or told as gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dbzero as db0
from calls_stand import REFERENCES, Room, Stand

from statek.calls.application import Application
from statek.calls.handles import HandleTable
from statek.calls.offers import Offer
from statek.calls.outcomes import Variables
from statek.calls.space import ObjectSpace
from statek.core.events import HandleBound
from statek.store.given import KEPT, encode_given, outline
from statek_protocol.references import HandleRef
from statek_protocol.values import decode_value


class Desk:
    """An object of the application's, which it exports."""


DESK = Desk()
OFFER = Offer(variables={"desk": DESK, "today": 3})
SPACE = ObjectSpace(Application(offer=OFFER))


def written(stand: Stand, make: Callable[[], Any]) -> bytes:
    return stand.there(lambda: encode_given(make(), OFFER))


def given(stand: Stand, data: bytes, *names: str) -> Variables:
    return stand.there(lambda: SPACE.variables(HandleTable(), names, data))


def values(found: Variables) -> Any:
    assert found.values is not None, found.error
    return decode_value(found.values, max_bytes=1 << 20, max_depth=64, crossing=REFERENCES)


def bound(found: Variables) -> list[tuple[str, str]]:
    return [(event.origin, event.type_name) for event in found.bound if isinstance(event, HandleBound)]


def test_objects_cross_as_handles_and_the_same_one_as_the_same(stand: Stand) -> None:
    room = stand.room("kept")
    data = written(stand, lambda: {"room": room, "all": [room, DESK], "n": 1})
    found = given(stand, data, "today")
    assert (found.names, found.given, found.error) == (("today", "room", "all", "n"), True, None)
    assert bound(found) == [("dbzero", "Room"), ("local", "Desk")]
    assert values(found) == {
        "today": 3,
        "room": HandleRef(0, "Room"),
        "all": [HandleRef(0, "Room"), HandleRef(1, "Desk")],
        "n": 1,
    }
    assert outline(data) == {"room": "Room", "all": "list", "n": "int"}


def test_an_object_to_which_nothing_refers_is_kept_for_the_job(stand: Stand) -> None:
    data = written(stand, lambda: {"room": Room("new")})
    stand.there(db0.commit)
    assert bound(given(stand, data)) == [("dbzero", "Room")]
    assert stand.there(lambda: [room.name for room in db0.find(Room, KEPT)]) == ["new"]


def test_an_object_that_died_in_between_is_told_with_its_variable(stand: Stand) -> None:
    owner = stand.room("owner")

    def owned() -> Room:
        owner.other = Room("owned")
        return owner.other

    data = written(stand, lambda: {"n": 1, "room": owned()})
    event = written(stand, lambda: [owner, owner.other])

    def lose() -> None:
        owner.other = None
        db0.commit()

    stand.there(lose)
    found = given(stand, data)
    assert found.error is not None
    assert found.error.type == "ObjectGone"
    assert "the variable 'room' cannot be given" in found.error.message
    assert (found.names, found.values, found.bound) == ((), None, ())
    assert "is not in dbzero any more" in str(stand.there(lambda: SPACE.look_for({7: event}))[7])


def test_containers_of_dbzero_are_copied(stand: Stand) -> None:
    room = stand.room("with tags")

    def tags() -> dict[str, Any]:
        room.tags.append("quiet")
        return {"tags": room.tags, "both": {"seats": 1, "tags": room.tags}}

    found = given(stand, written(stand, tags))
    assert values(found) == {"tags": ["quiet"], "both": {"seats": 1, "tags": ["quiet"]}}
    assert bound(found) == []


def test_an_event_whose_objects_are_there_is_told_so(stand: Stand) -> None:
    room = stand.room("there")
    event = written(stand, lambda: [room, DESK])
    assert stand.there(lambda: SPACE.look_for({7: event})) == {7: None}
    assert db0.is_memo(room)
