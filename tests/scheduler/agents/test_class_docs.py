"""Which classes a model is told of, and what: those whose objects its code can meet, by what their authors wrote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from statek.agents.class_docs import MOST_CLASSES, document_classes
from statek.agents.workspaces import Documented


class Room:
    """Where meetings are."""

    seats: int = 4


class Person:
    def __init__(self, name: str) -> None:
        self.name = name
        self._salary = 3


@dataclass
class Meeting:
    """An hour."""

    title: str
    starts: datetime
    owner: Person | None = None

    @property
    def room(self) -> Room:
        """Where it is."""
        return Room()

    def move_to(self, starts: datetime, *, quietly: bool = False) -> None:
        """Put it at another hour.

        Nobody is told if it is done quietly.
        """
        self.starts = starts if not quietly else self.starts

    def _hidden(self) -> None: ...


class Calendar:
    """All meetings of one person."""

    def __init__(self, titles: Iterable[str]) -> None:
        self.meetings = [Meeting(title, datetime.now()) for title in titles]


class Broken:
    """Its annotations are none."""

    parts: list[NoSuchName]  # type: ignore[name-defined]  # noqa: F821

    def use(self, what: AlsoMissing) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Use it."""


OURS = frozenset({Room, Person, Meeting, Calendar, Broken})


def documented(*objects: object, functions: Any = (), offers: Any = lambda cls, name: True) -> dict[str, Documented]:
    found = document_classes(objects, functions, is_object=OURS.__contains__, offers=offers)
    return {entry.name: entry for entry in found}


def test_classes_are_found_from_variables_through_what_is_made_and_annotated() -> None:
    assert list(documented(Calendar(()))) == ["Calendar", "Meeting", "Person", "Room"]


def test_classes_are_found_from_what_tools_take_and_give() -> None:
    def find(where: Room) -> dict[str, list[Person]]: ...

    assert list(documented(functions=[find])) == ["Room", "Person"]


def test_a_class_is_shown_with_its_attributes_and_methods() -> None:
    assert documented(Calendar(()))["Meeting"].summary.splitlines() == [
        "An hour.",
        ".title: str, .starts: datetime, .owner: Person | None, .room: Room",
        ".move_to(starts: datetime, *, quietly: bool = False) -> None  # Put it at another hour.",
    ]
    assert documented(Calendar(()))["Calendar"].summary.splitlines() == ["All meetings of one person.", ".meetings"]


def test_what_begins_with_an_underscore_is_not_shown() -> None:
    assert documented(Person("x"))["Person"].summary == ".name"


def test_a_member_that_the_policy_does_not_offer_is_not_shown() -> None:
    found = documented(
        Calendar(()), offers=lambda cls, name: (cls, name) not in {("Meeting", "move_to"), ("Meeting", "room")}
    )
    assert "move_to" not in found["Meeting"].summary
    assert "room" not in found["Meeting"].summary
    assert "Room" not in found


def test_annotations_that_cannot_be_read_are_shown_as_they_are_written_and_harm_nobody() -> None:
    found = documented(Broken(), Person("x"))
    assert ".parts: list[NoSuchName]" in found["Broken"].summary
    assert ".use(what: AlsoMissing) -> None  # Use it." in found["Broken"].summary
    assert "Person" in found


def test_no_object_is_asked_for_anything() -> None:
    class Careful(Person):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"it was asked for {name}")

    careful = Careful.__new__(Careful)
    (entry,) = document_classes([careful], [], is_object=lambda cls: cls is Careful, offers=lambda *_: True)
    assert entry.name == "Careful"


def test_the_number_of_classes_is_bounded() -> None:
    classes = [type(f"C{number}", (), {}) for number in range(MOST_CLASSES + 5)]
    found = document_classes([cls() for cls in classes], [], is_object=lambda _: True, offers=lambda *_: True)
    assert len(found) == MOST_CLASSES
