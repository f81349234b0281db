"""An office whose people have calendars, and two agents that look after them: a dispatcher and a researcher.

One module for two ways of running it: `statek scheduler --app examples/office/app.py`, and a program that hands what is
here to `start_statek`. Either way `setup` runs in the thread that owns dbzero, once dbzero is open.
"""

from __future__ import annotations

import os
import time as clock
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import dbzero as db0

from statek import Agent, FutureResult, PushQueue, create_sub_task, temporal, tool

TODAY = date(2026, 1, 5)
FIRST_HOUR, LAST_HOUR = 9, 17
OUTBOX = Path(os.environ.get("OFFICE_OUTBOX", "office-outbox"))
"""What leaves the office: STATEK knows nothing of it, so nothing but care keeps it from happening twice."""
ROOMS = [{"name": "Harbour", "seats": 6}, {"name": "Lagoon", "seats": 12}, {"name": "Ocean", "seats": 40}]
BOOKINGS = [31, 28, 35, 40, 22, 19, 33, 37, 41, 25, 30, 26]


@db0.memo(id="office/Meeting")
class Meeting:
    """An hour in a calendar."""

    def __init__(self, title: str, starts: datetime) -> None:
        self.title = title
        self.starts = starts
        self.room = ""
        self.earlier: list[datetime] = []

    def move_to(self, starts: datetime) -> None:
        """Put the meeting at another hour; where it was before is kept."""
        self.earlier.append(self.starts)
        self.starts = starts

    def take_room(self, room: str) -> None:
        """Note where it takes place; raises ValueError for a room that is not there."""
        if room not in [known["name"] for known in ROOMS]:
            raise ValueError(f"there is no room {room!r}")
        self.room = room


@db0.memo(id="office/Calendar")
class Calendar:
    """All meetings of one person."""

    def __init__(self, hours: dict[str, int]) -> None:
        self.meetings = [Meeting(title, datetime.combine(TODAY, time(hour))) for title, hour in hours.items()]

    def find_meeting(self, title: str) -> Meeting | None:
        """Return the meeting of that title, or None."""
        return next((meeting for meeting in self.meetings if meeting.title == title), None)

    def find_open_slots(self, day: date) -> list[datetime]:
        """Return the hours of a working day that no meeting has, in order."""
        taken = {meeting.starts for meeting in self.meetings}
        hours = [datetime.combine(day, time(hour)) for hour in range(FIRST_HOUR, LAST_HOUR)]
        return [hour for hour in hours if hour not in taken]


@db0.memo(id="office/Person")
class Person:
    """Somebody who works here."""

    def __init__(self, name: str, hours: dict[str, int]) -> None:
        self.name = name
        self.calendar = Calendar(hours)


@db0.memo(singleton=True, id="office/Office")
class Office:
    """Everybody, and what waits for an approval."""

    def __init__(self) -> None:
        self.people = {
            "alex": Person("alex", {"planning": 14, "lunch": 12}),
            "jordan": Person("jordan", {"review": 14}),
            "sam": Person("sam", {"board": 9, "handover": 16}),
            "robin": Person("robin", {"stand-up": 9}),
        }
        self.approvals: list[str] = []

    def person(self, name: str) -> Person:
        """Return somebody by name; whoever is not known yet gets an empty calendar."""
        if name not in self.people:
            self.people[name] = Person(name, {})
        return self.people[name]


@temporal()
def wait_for_approval(person: str, summary: str) -> FutureResult:
    """Ask a human whether this may be done; the value says {"accepted": bool}, and comes when they have decided."""
    Office().approvals.append(f"{person}: {summary}")
    return FutureResult(key=f"approval/{person}", deadline_seconds=7 * 24 * 3600.0)


@temporal()
def ask_researcher(question: str) -> FutureResult:
    """Have the researcher find something out; the value is its answer."""
    return create_sub_task("researcher", shared_vars={"question": question})


@tool(idempotent=True)
def answer(person: str, text: str, *, idempotency_key: str) -> str:
    """Send somebody an answer; a call that is made again after a crash writes the same letter again."""
    OUTBOX.mkdir(exist_ok=True)
    letter = OUTBOX / f"{person}-{idempotency_key.replace('/', '-')}.txt"
    letter.write_text(f"{text}\n", encoding="utf-8")
    return f"sent to {person}"


@tool(thread=True)
def count_bookings(week: int) -> int:
    """Return how many bookings a week has, from 0 for this one; it takes a moment."""
    clock.sleep(0.15)
    OUTBOX.mkdir(exist_ok=True)
    with (OUTBOX / "asked.log").open("a", encoding="utf-8") as journal:
        journal.write(f"week {week}\n")
    return BOOKINGS[week % len(BOOKINGS)]


def list_rooms() -> list[dict[str, Any]]:
    """Return all rooms, with their names and how many people they seat."""
    return ROOMS


dispatcher = Agent(
    "dispatcher",
    """You look after people's calendars. Read the message, do what it asks for with Python, one small step at a time,
and look at what was printed before you go on. Ask for an approval before you move a meeting called "board". Leave
questions about rooms to the researcher. When you are done, answer the person with answer(person.name, text), and then
end with exit("what you did").""",
    tools=[wait_for_approval, ask_researcher, answer, count_bookings],
    warmup="""
        # hidden
        person = office.person(event["from"])
        calendar = person.calendar
        message = event["message"]
        # ----------
        print(f"{person.name} writes: {message}")
        print("today:", today, "meetings:", [(m.title, f"{m.starts:%H:%M}") for m in calendar.meetings])
    """,
    limits={"cpu_seconds": 0.5, "memory_bytes": 256 * 1024 * 1024},
    max_turns=8,
    max_consecutive_exceptions=2,
)

researcher = Agent(
    "researcher",
    """You find things out. Look at what the tools give, and end with exit(answer), where answer is nothing but the
name or number that was asked for.""",
    tools=[list_rooms],
    warmup='print("Question:", question)',
    event_name="question",
    max_turns=5,
)

main_queue = PushQueue("main")
agents = [dispatcher, researcher]
push_queues = [main_queue]


def setup() -> dict[str, object]:
    """Open the office's prefix, and say which variables its agents see."""
    db0.open("office", "rw")
    return {"office": Office(), "today": TODAY}
