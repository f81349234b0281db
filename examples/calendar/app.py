"""A calendar on dbzero objects, offered to agents: `statek exec --app examples/calendar/app.py agent.py`.

The scheduler runs this file in the thread that owns dbzero, once dbzero is open. So it opens a prefix of its own here,
beside the scheduler's, and makes what is not there yet.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import dbzero as db0

from statek import tool

FIRST_HOUR, LAST_HOUR = 9, 17
HOUR = timedelta(hours=1)


@db0.memo(id="examples/Meeting")
class Meeting:
    """An hour in a calendar, with a title, people and notes."""

    def __init__(self, title: str, starts: datetime) -> None:
        self.title = title
        self.starts = starts
        self.moves = 0
        self.people: list[str] = []

    def move_to(self, starts: datetime) -> None:
        """Put the meeting at another hour, and count that it was moved."""
        self.starts = starts
        self.moves += 1


@db0.memo(singleton=True, id="examples/Calendar")
class Calendar:
    """All meetings of one person."""

    def __init__(self) -> None:
        self.meetings: list[Meeting] = []

    def add(self, title: str, starts: datetime) -> Meeting:
        """Make a meeting; raises ValueError when the hour is taken."""
        if any(meeting.starts == starts for meeting in self.meetings):
            raise ValueError(f"{starts:%a %H:%M} is taken")
        meeting = Meeting(title, starts)
        self.meetings.append(meeting)
        return meeting

    def find_meeting(self, title: str) -> Meeting | None:
        """Return the meeting of that title, or None."""
        return next((meeting for meeting in self.meetings if meeting.title == title), None)

    def find_open_slots(self, day: date) -> list[datetime]:
        """Return the hours of a working day that no meeting has, in order."""
        taken = {meeting.starts for meeting in self.meetings}
        hours = [datetime.combine(day, time(hour)) for hour in range(FIRST_HOUR, LAST_HOUR)]
        return [hour for hour in hours if hour not in taken]


@tool(transactional=True)
def swap(first: Meeting, second: Meeting) -> str:
    """Let two meetings change places: both or neither, and once, whatever is killed."""
    first_starts, second_starts = first.starts, second.starts
    first.move_to(second_starts)
    second.move_to(first_starts)
    return f"{first.title} and {second.title} have changed places"


db0.open("calendar", "rw")
calendar = Calendar()
today = date(2026, 1, 5)
if not calendar.meetings:
    calendar.add("planning", datetime.combine(today, time(10)))
    calendar.add("review", datetime.combine(today, time(14)))

tools = [swap]
locals = {"calendar": calendar, "today": today}
