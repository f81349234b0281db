"""statek job log | console: what happened to one job and what it printed, and what comes, for as long as it goes on."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from statek.audit.escaping import shown
from statek.cli.looking import STORE, looking_at
from statek.cli.naming import JOB
from statek.cli.story import told_to_people
from statek.cli.terminal import KEPT_ON_A_TERMINAL
from statek.core.jobs import OVER

if TYPE_CHECKING:
    from statek.inspection.store_view import StoreView
    from statek.inspection.story import StoryItem
    from statek.inspection.views import JobView

PAGE: Final = 500
LOOK_SECONDS: Final = 1.0


@click.command("console")
@STORE
@click.option("-f", "--follow", is_flag=True, help="Go on with what is printed, until the job has ended.")
@JOB
def console_command(store: Path, follow: bool, job: str) -> None:
    """Print what JOB has printed, and our notices, in order. Exit status: 0 printed, 2 unknown."""
    with looking_at(store) as view:
        after = 0
        for found in _looks(view, store, job, follow=follow):
            page_after: int | None = after
            while page_after is not None:
                page = found.printed(page_after, PAGE)
                click.echo("".join(shown(part.text, keep=KEPT_ON_A_TERMINAL) for part in page.items), nl=False)
                after = page.items[-1].cursor if page.items else after
                page_after = page.after


@click.command("log")
@STORE
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until the job has ended.")
@click.option("--after", metavar="CURSOR", type=click.IntRange(0), default=0, help="Begin after an entry's cursor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@JOB
def log_command(store: Path, follow: bool, after: int, as_json: bool, job: str) -> None:
    """Tell the story of JOB, in order.

    It is what was said to it, its model's turns, its batches, calls, waits and violations, and its ends. Calls that
    are alike are told once, with how many there were; --json tells each, with the cursor that --after takes. With
    -f an entry that is under way is told when it has ended, and a wait also when it begins.

    Exit status: 0 told, 2 unknown.
    """
    from statek.inspection.story import plain_entry

    with looking_at(store) as view:
        entries = _entries(view, store, job, after, follow=follow)
        if as_json:
            for entry in entries:
                if entry is not None:
                    click.echo(json.dumps(plain_entry(entry)))
            return
        for line in told_to_people(None if entry is None else plain_entry(entry) for entry in entries):
            click.echo(line)


def _entries(view: StoreView, store: Path, name: str, after: int, *, follow: bool) -> Iterator[StoryItem | None]:
    """Give what happened after a cursor, and None between two looks.

    Following, what is under way is given when it has ended, and a wait also when it begins.
    """
    from statek.inspection.story import WaitItem, is_under_way

    under_way: list[int] = []
    for job in _looks(view, store, name, follow=follow):
        over = not follow or job.status in OVER
        open_ones, under_way = under_way, []
        for item in (*(_again(job, open_ones)), *_pages(job, after)):
            after = max(after, item.cursor)
            if over or not is_under_way(item):
                yield item
            else:
                under_way.append(item.cursor)
                if isinstance(item, WaitItem) and item.cursor not in open_ones:
                    yield item  # it can last for days
        yield None


def _again(job: JobView, cursors: Iterable[int]) -> Iterator[StoryItem]:
    """Read entries again that had not ended."""
    for cursor in cursors:
        yield from job.story(cursor - 1, 1).items


def _pages(job: JobView, after: int) -> Iterator[StoryItem]:
    cursor: int | None = after
    while cursor is not None:
        page = job.story(cursor, PAGE)
        yield from page.items
        cursor = page.after


def _looks(view: StoreView, store: Path, name: str, *, follow: bool) -> Iterator[JobView]:
    """Give a job as it is, and again whenever something happened to it, until it has ended or nobody reads any more.

    Its status is read first, so that all there will be is read when that says that it has ended.
    """
    while True:
        with view.reading() as ledger:
            cursor, job = ledger.last_cursor, view.job(name)
            yield job
        sys.stdout.flush()
        if not follow or job.status in OVER or not _is_read():
            return
        _await_news(store, name, cursor)


def _is_read() -> bool:
    """Tell whether nobody has closed the other end of standard output."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return not poll.poll(0)


def _await_news(store: Path, job: str, cursor: int) -> None:
    """Wait until something has happened after a cursor: told by the scheduler, or for a second where none runs."""
    from statek.client.client import Client
    from statek.errors import SubmissionRefused
    from statek.store.directory import StoreDirectory

    directory = StoreDirectory(store)
    if directory.is_locked():
        with Client(directory.client_socket) as client:
            try:
                client.await_news(job, cursor, LOOK_SECONDS)
                return
            except SubmissionRefused:
                pass  # a scheduler that starts or ends just now answers nobody; the ledger is looked at again
    time.sleep(LOOK_SECONDS)
