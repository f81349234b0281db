"""A function's turn in dbzero's thread: what it waits for, what it changed, and when its outcome is given out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statek.store.session import Session


@dataclass(frozen=True, slots=True)
class Activity:
    """What dbzero's thread is doing."""

    doing: str
    """"function", "objects", "commit", "compaction"; empty while it rests."""
    seconds: float
    """For how long."""
    waiting: int
    """Functions that wait for it."""
    behind: int
    """Events that the objects do not show yet."""


@dataclass(frozen=True, slots=True)
class Task:
    """A function that waits for its turn in the dbzero thread."""

    run: Callable[[], Any]
    durable: bool
    quiet: bool
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class Ran:
    """A function that has run: its outcome, and the prefixes that it changed."""

    task: Task
    changed: set[str]
    result: Any
    error: BaseException | None

    @property
    def durable(self) -> bool:
        return self.task.durable

    @property
    def quiet(self) -> bool:
        return self.task.quiet

    def deliver(self) -> None:
        if self.error is not None:
            self.task.future.set_exception(self.error)
        else:
            self.task.future.set_result(self.result)


def run(task: Task, changed: set[str]) -> Ran:
    """Call the function; what it raises is its outcome."""
    try:
        return Ran(task, changed, task.run(), None)
    except BaseException as error:  # noqa: BLE001 - application code may raise anything; whoever asked for it is told
        return Ran(task, changed, None, error)


def commit(group: list[Ran], session: Session) -> None:
    """Make the changes of a group durable and give out its outcomes; raises dbzero's own failure to commit."""
    try:
        session.commit_prefixes(set().union(*(ran.changed for ran in group)))
    except BaseException as error:
        fail(group, error)
        raise
    for ran in group:
        ran.deliver()


def fail(group: list[Ran], error: BaseException) -> None:
    for ran in group:
        ran.task.future.set_exception(error)
