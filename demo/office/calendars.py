"""What is in the office's dbzero objects once its process has ended: read from the store, as any application could."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dbzero as db0
from examples.office.app import Office


@dataclass(frozen=True, slots=True)
class Entry:
    """A meeting of somebody's, with all hours that it ever was at."""

    person: str
    title: str
    hours: tuple[datetime, ...]
    room: str

    @property
    def course(self) -> str:
        """The hours in words."""
        return " -> ".join(f"{hour:%H:%M}" for hour in self.hours)


def read_calendars(store: Path) -> list[Entry]:
    """Read everybody's meetings; no scheduler may run on the store."""
    db0.init(str(store / "dbzero"), read_write=False, autocommit=False)
    try:
        db0.open("office", "r")
        return [
            Entry(person.name, meeting.title, (*meeting.earlier, meeting.starts), meeting.room)
            for person in sorted(db0.fetch(Office).people.values(), key=lambda person: str(person.name))
            for meeting in person.calendar.meetings
        ]
    finally:
        db0.close()
