"""What a job printed and what was said to it meanwhile: the seeds' `py_env`, made from the ledger's events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statek.core.events import ConsolePrinted, MessagePushed
from statek.store.history import History
from statek.store.records import Stored
from statek.store.texts import to_text

_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Printed:
    """Something that appeared on the console; its ends need not be those of lines."""

    cursor: int
    at_us: int
    batch: int
    stream: str
    """"output" of the guest, or "notice" of ours."""
    data: bytes

    @property
    def text(self) -> str:
        return to_text(self.data)


def printed_page(history: History, job: str, after: int, limit: int) -> tuple[list[Printed], int | None]:
    """Return what was printed after a cursor, and the cursor to go on from; None where there was no more."""
    found = history.events(job, after, limit, (ConsolePrinted.kind,))
    return [_printed(stored) for stored in found], found[-1].cursor if len(found) == limit else None


def console(history: History, job: str) -> list[str]:
    """Return all printed lines and our notices, in order, without their line ends."""
    return _lines(b"".join(stored.data for stored in _all_printed(history, job)))


def console_of(history: History, job: str, batch: int) -> list[str]:
    """Return those of one batch."""
    found = history.batch_events(job, batch, (ConsolePrinted.kind,))
    return _lines(b"".join(_printed(stored).data for stored in found))


def push_log(history: History, job: str) -> dict[int, list[str]]:
    """Return the pushed messages by how many lines the job had printed when they came."""
    log: dict[int, list[str]] = {}
    after = 0
    while page := history.events(job, after, _PAGE, (MessagePushed.kind,)):
        for stored in page:
            if isinstance(stored.event, MessagePushed):
                log.setdefault(stored.event.console_lines, []).append(to_text(stored.event.text))
        after = page[-1].cursor
    return log


def _all_printed(history: History, job: str) -> Iterator[Printed]:
    after: int | None = 0
    while after is not None:
        page, after = printed_page(history, job, after, _PAGE)
        yield from page


def _printed(stored: Stored) -> Printed:
    event = stored.event
    assert isinstance(event, ConsolePrinted)
    return Printed(stored.cursor, stored.at_us, event.batch, event.stream, event.data)


def _lines(data: bytes) -> list[str]:
    lines = to_text(data).split("\n")
    return lines if lines[-1] else lines[:-1]
