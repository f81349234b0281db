"""statek jobs: which jobs there are in a store, and how they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import click

from statek.cli.ages import age
from statek.cli.looking import JSON, STORE, looking_at, print_all
from statek.cli.options import wrong_usage
from statek.cli.tables import watch_table
from statek.core.jobs import JobStatus, Outcome

if TYPE_CHECKING:
    from statek.inspecting import JobPage
    from statek.inspection.views import JobView
    from statek.store.job_search import JobSearch

HEADINGS: Final = ("JOB", "AGENT", "STATUS", "OUTCOME", "TURNS", "AGE", "CHANGED", "TELLS")
LOOK_SECONDS: Final = 0.1
"""Between two looks whether the store has changed; each asks SQLite's memory, and no disk."""
AGES_SECONDS: Final = 5.0
_TELLS: Final = 60


@click.command("jobs", short_help="List jobs.")
@STORE
@click.option("--status", multiple=True, type=click.Choice(get_args(JobStatus), case_sensitive=False))
@click.option("--agent", help="Only those of this agent.")
@click.option("--outcome", type=click.Choice(get_args(Outcome), case_sensitive=False))
@click.option("--parent", metavar="JOB", help="Only the subtasks of this job.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--oldest", is_flag=True, help="The oldest first; the newest without it.")
@click.option("--watch", is_flag=True, help="Show them on the terminal as they change, until interrupted.")
@JSON
def jobs_command(
    store: Path,
    status: tuple[str, ...],
    agent: str | None,
    outcome: str | None,
    parent: str | None,
    limit: int,
    oldest: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """List jobs, the newest first. Works with a scheduler on the store or without one.

    Exit status: 0 also where there is none, 2 wrong usage or no store.
    """
    if watch and (as_json or not sys.stdout.isatty()):
        wrong_usage("--watch is for a terminal, and not for --json")
    with looking_at(store) as view, view.reading() as ledger:

        def found() -> JobPage:
            return view.find(
                status=status or None, agent=agent, outcome=outcome, parent=parent, newest=not oldest, limit=limit
            )

        if watch:
            watch_table(HEADINGS, lambda: map(_cells, found().jobs), lambda: _await_change(ledger))
            return
        page = found()
        print_all(HEADINGS, page.jobs, _cells, lambda job: job.to_plain(logs=False), as_json=as_json)
        if page.after is not None and not as_json:
            click.echo(f"({limit} shown, there are more: --limit N)", err=True)


def _await_change(ledger: JobSearch) -> None:
    """Wait until something was committed, or long enough for ages to be others."""
    version, until = ledger.version, time.monotonic() + AGES_SECONDS
    while ledger.version == version and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _cells(job: JobView) -> tuple[str, ...]:
    return (
        *(job.name, job.agent or "-", job.status, job.outcome or "-", str(job.num_turns)),
        *(age(job.created_us), age(job.changed_us), _tells(job)),
    )


def _tells(job: JobView) -> str:
    """Say in a few words what there is to know about a job: what it waits for, ended with, or failed at."""
    waits = job.awaited_result
    if job.held is not None:
        text = f"held since batch {job.held}: statek job release | end"
    elif waits is not None:
        text = f"waits for {waits.what}"
    elif job.limit is not None:
        text = f"{job.limit.name}: {job.limit.used:g} of {job.limit.allowed:g}"
    elif job.error is not None:
        text = f"{job.error.type}: {job.error.message}"
    else:
        text = job.exit_status or ""
    line = " ".join(text.split())
    return line if len(line) <= _TELLS else f"{line[: _TELLS - 1]}…"
