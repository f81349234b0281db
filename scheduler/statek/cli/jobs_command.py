"""statek jobs: which jobs there are in a store, and how they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import click

from statek.audit.query import QueryError, parse_time
from statek.cli.ages import age
from statek.cli.looking import JSON, STORE, looking_at, print_all
from statek.cli.naming import complete_agent, complete_job
from statek.cli.nearest import unknown
from statek.cli.options import wrong_usage
from statek.cli.tables import watch_lines
from statek.core.jobs import JobStatus, Outcome

if TYPE_CHECKING:
    from statek.inspection.store_view import JobPage, StoreView
    from statek.inspection.views import JobView
    from statek.store.job_search import JobSearch

HEADINGS: Final = ("JOB", "AGENT", "STATUS", "OUTCOME", "TURNS", "AGE", "CHANGED", "TELLS")
LOOK_SECONDS: Final = 0.1
"""Between two looks whether the store has changed; each asks SQLite's memory, and no disk."""
AGES_SECONDS: Final = 5.0
STATUS: Final = click.Choice(get_args(JobStatus), case_sensitive=False)
OUTCOME: Final = click.Choice(get_args(Outcome), case_sensitive=False)
_TELLS: Final = 60


@click.command("jobs", short_help="List jobs.")
@STORE
@click.option("--status", multiple=True, type=STATUS, help="Only those that are so; may be repeated.")
@click.option("--agent", shell_complete=complete_agent, help="Only those of this agent; '' for jobs without one.")
@click.option("--outcome", type=OUTCOME, help="Only those that ended so.")
@click.option("--parent", metavar="JOB", shell_complete=complete_job, help="Only the subtasks of this job.")
@click.option("--since", metavar="T", help="Only those made since: ISO 8601, or how long ago (10m, 2h, 3d).")
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
    since: str | None,
    limit: int,
    oldest: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """List jobs, the newest first. Works with a scheduler on the store or without one.

    Exit status: 0 also where there is none, 2 wrong usage, an agent or a parent that is unknown, or no store.
    """
    if watch and (as_json or not sys.stdout.isatty()):
        wrong_usage("--watch is for a terminal, and not for --json")
    since_us = None if since is None else _instant(since)
    with looking_at(store) as view, view.reading() as ledger:
        _check_names(view, ledger, agent, parent)

        def found() -> JobPage:
            return view.find(
                status=status or None,
                agent=agent,
                outcome=outcome,
                parent=parent,
                since_us=since_us,
                newest=not oldest,
                limit=limit,
            )

        if watch:
            watch_lines(HEADINGS, lambda: map(_cells, found().jobs), lambda: _await_change(ledger))
            return
        page = found()
        print_all(HEADINGS, page.jobs, _cells, lambda job: job.to_plain(logs=False), as_json=as_json, last="ellipsis")
        if page.after is not None and not as_json:
            click.echo(f"({limit} shown, there are more: --limit N)", err=True)


def _instant(since: str) -> int:
    try:
        return parse_time(since, time.time_ns() // 1_000)
    except QueryError as error:
        wrong_usage(f"--since: {error}")


def _check_names(view: StoreView, ledger: JobSearch, agent: str | None, parent: str | None) -> None:
    """Refuse names that nothing has, which would be found nowhere and look as if there were no jobs of theirs."""
    if parent is not None:
        view.state(parent)
    if agent and ledger.agent(agent) is None:
        known = {other.name for other in ledger.agents()} | {counted.agent for counted in ledger.counted()}
        if agent not in known:
            wrong_usage(unknown("agent", agent, known - {""}))


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
