"""How many jobs are submitted and followed at the same time: a thread and a connection for each."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.jobs import DemoJob
from statek.audit.escaping import shown
from statek.cli.outcome import JobOutcome
from statek.client.client import Client, Submission
from statek.errors import StatekError
from statek_protocol.errors import ProtocolError

ROUND_SECONDS: Final = 45.0
"""Far more than the jobs' own limits allow them; whoever has not ended then never will."""
NEWS_SECONDS: Final = 0.1
RESULT: Final = "RESULT "
"""An honest program's last line begins with it; JSON follows."""


@dataclass(eq=False)
class Course:
    """A job on its way, as far as its follower knows; written by one thread, read by another."""

    job: DemoJob
    state: str = "submitted"
    outcome: JobOutcome | None = None
    trouble: str | None = None
    """Why it could not be followed to its end."""
    submitted_at: float = 0.0
    ended_at: float | None = None
    last_line: str = ""

    @property
    def seconds(self) -> float:
        """From submission to the end, or to now."""
        return (self.ended_at or time.monotonic()) - self.submitted_at if self.submitted_at else 0.0

    @property
    def over(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class News:
    """Something about a course has changed: its state, or these lines were printed."""

    course: Course
    lines: tuple[str, ...] = ()
    last: bool = False
    """There will be no more of this course."""


class Round:
    """Jobs that run together."""

    def __init__(self, socket: Path) -> None:
        self.courses: list[Course] = []
        self._socket = socket
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._given_up = threading.Event()

    def submit(self, jobs: Iterable[DemoJob]) -> list[Course]:
        """Submit these jobs beside those that run already."""
        courses = [Course(job) for job in jobs]
        threads = [threading.Thread(target=self._follow, args=(c,), name=c.job.name, daemon=True) for c in courses]
        self.courses += courses
        for thread in threads:
            thread.start()
            self._threads.append(thread)  # only what runs can be joined: an interrupt may come between two starts
        return courses

    def wait(
        self, condition: Callable[[], bool], on_news: Callable[[News | None], None], check: Callable[[], None]
    ) -> None:
        """Hand on news until the condition holds or the time is up; `on_news` also gets None, now and then."""
        deadline = time.monotonic() + ROUND_SECONDS
        while not (condition() and self._news.empty()) and time.monotonic() < deadline:
            try:
                on_news(self._news.get(timeout=NEWS_SECONDS))
            except queue.Empty:
                check()
                on_news(None)

    def give_up(self) -> None:
        """Follow no longer than there is a scheduler; call it before the scheduler is stopped."""
        self._given_up.set()

    def join(self, seconds: float) -> None:
        """Wait for the followers, all together no longer than this."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _follow(self, course: Course) -> None:
        try:
            with Client(self._socket) as client:
                self._follow_with(client, course)
        except (StatekError, ProtocolError) as error:
            course.trouble = f"{type(error).__name__}: {error}"
        course.state = "ended"
        course.ended_at = time.monotonic()
        self._news.put(News(course, last=True))

    def _follow_with(self, client: Client, course: Course) -> None:
        job = course.job
        course.submitted_at = time.monotonic()
        accepted = client.submit(Submission(None, job.policy.to_wire(), job.limits, job.batches))
        last = accepted.first_batch + len(job.batches) - 1
        course.outcome = outcome = JobOutcome(accepted.job, accepted.first_batch, last)
        for event in client.follow(accepted.job, accepted.cursor):
            if event is None:
                if self._given_up.is_set():
                    course.trouble = "given up"
                    return
                continue
            self._tell(course, outcome.take(event))
            if outcome.ended:
                return

    def _tell(self, course: Course, printed: bytes) -> None:
        before = course.state
        if course.outcome is not None and course.outcome.status == "STARTED":
            course.state = "running"
        lines = readable_lines(printed)
        if lines:
            course.last_line = lines[-1]
        if lines or course.state != before:
            self._news.put(News(course, lines))


def readable_lines(printed: bytes) -> tuple[str, ...]:
    """Return what people may see of console output: no control characters, no empty lines, no result for machines."""
    lines = map(shown, printed.decode("utf-8", "backslashreplace").splitlines())
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith(RESULT))
