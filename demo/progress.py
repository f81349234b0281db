"""What is shown while jobs run: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.following import Course, News

LINES_PER_JOB: Final = 2
"""How much of a job's console plain output shows as it comes."""
LINE_WIDTH: Final = 96
TABLE_FRAME: Final = 6
"""Lines of a terminal that the live table needs beside its rows."""
STYLES: Final = {"ok": "green", "limit": "yellow", "blocked": "yellow", "error": "yellow", "failed": "bold red"}


class Progress(Protocol):
    """Shows news; a context for the time of a round."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def __call__(self, news: News | None) -> None:
        """Take news, or None when there is none for the moment."""


def progress_on(console: Console, courses: Sequence[Course]) -> Progress:
    """Choose what fits the console; `courses` may grow."""
    return LiveTable(console, courses) if console.is_terminal else PlainLines(console)


def ending_of(course: Course) -> str:
    """Say in a word how a course ended, or where it stands."""
    if course.trouble is not None:
        return "failed"
    if course.outcome is None or not course.over:
        return course.state
    return course.outcome.outcome or "failed"


class PlainLines:
    """One line per start and end, and the first few that each job prints."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: Counter[str] = Counter()
        self._started: set[Course] = set()

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, news: News | None) -> None:
        if news is None:
            return
        course = news.course
        if course not in self._started:
            self._started.add(course)
            self._say(course, "started")
        for line in news.lines[: LINES_PER_JOB - self._shown[course.job.name]]:
            self._shown[course.job.name] += 1
            self._say(course, f"| {line[:LINE_WIDTH]}")
        if news.last:
            self._say(course, f"ended: {ending_of(course)} after {course.seconds:.2f} s")

    def _say(self, course: Course, text: str) -> None:
        self._console.print(Text(f"  {course.job.name:<19} {text}"), soft_wrap=True)


class LiveTable:
    """A table of as many jobs as fit, those that run first."""

    def __init__(self, console: Console, courses: Sequence[Course]) -> None:
        self._console = console
        self._courses = courses
        self._live = Live(self._table(), console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveTable:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def __call__(self, news: News | None) -> None:
        self._live.update(self._table(), refresh=news is None)

    def _table(self) -> Table:
        over = sum(course.over for course in self._courses)
        table = Table(title=f"{over} of {len(self._courses)} jobs ended", expand=True)
        for heading, width in (("job", 19), ("policy", 11), ("state", 9), ("s", 6)):
            table.add_column(heading, width=width, no_wrap=True, justify="right" if heading == "s" else "left")
        table.add_column("last line", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(3, self._console.height - TABLE_FRAME)
        for course in sorted(self._courses, key=lambda course: (course.over, -(course.ended_at or 0)))[:room]:
            table.add_row(*_row(course))
        return table


def _row(course: Course) -> list[Text]:
    ending = ending_of(course)
    return [
        Text(course.job.name, style="red" if course.job.hostile else ""),
        Text(course.job.policy.name),
        Text(ending, style=STYLES.get(ending, "cyan")),
        Text(f"{course.seconds:.1f}"),
        Text(course.last_line, style="dim"),
    ]
