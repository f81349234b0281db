"""statek store: whether a store is whole, what can be done when it is not, and which jobs it need not keep."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from statek.audit.escaping import shown
from statek.cli.options import default_store, open_store, wrong_usage
from statek.cli.progress import working
from statek.cli.terminal import say
from statek.store.errors import StoreError

if TYPE_CHECKING:
    from statek.store.checking import Finding
    from statek.store.directory import StoreDirectory

FAILED: Final = 5
"""Exit status of a failure on our side, as of `statek exec`."""

DAY_SECONDS: Final = 86_400

_STORE = click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("store", short_help="Check, repair or prune a store.")
def store_command() -> None:
    """Read a store through, repair what can be repaired, or forget jobs that ended long ago."""


@store_command.command("check")
@_STORE
@_JSON
def check_command(store: Path, as_json: bool) -> None:
    """Read everything in the store, and say what is damaged, what that means and what can be done.

    Nothing is changed. Beside a running scheduler dbzero's own files are not looked at.
    Exit status: 0 whole, 1 damaged, 2 no store.
    """
    from statek.store.checking import check, is_whole

    directory = _open(store)
    with working(f"reading {store}"):
        findings = list(check(directory))
    _tell(findings, whole=is_whole(findings), as_json=as_json)
    sys.exit(0 if is_whole(findings) else 1)


@store_command.command("repair")
@_STORE
def repair_command(store: Path) -> None:
    """Repair what can be repaired, and say each thing that is done; no scheduler may run.

    A damaged ledger is made anew of the jobs that can be read as a whole; others are named. Objects in dbzero are made
    anew from the ledger, the application's from their copies. Whatever is replaced is kept beside the store.

    Exit status: 0 whole now, 1 not all could be repaired, 2 no store, 5 failed.
    """
    from statek.store.checking import check
    from statek.store.repairing import repair

    directory = _open(store)
    try:
        for done in repair(directory):
            click.echo(shown(done))
    except StoreError as error:
        say(str(error))
        sys.exit(FAILED)
    with working(f"reading {store}"):
        left = [finding for finding in check(directory) if finding.state == "damaged"]
    _tell(left, whole=not left, as_json=False)
    if not left:
        click.echo("the store is whole")
    sys.exit(1 if left else 0)


@store_command.command("prune")
@_STORE
@click.option("--older-than", "days", type=click.FloatRange(0), required=True, metavar="DAYS", help="Since their end.")
@click.option("--dry-run", is_flag=True, help="Only say what would be forgotten; a scheduler may run.")
@_JSON
def prune_command(store: Path, days: float, dry_run: bool, as_json: bool) -> None:
    """Forget the jobs that ended so many days ago, for good: all but their names, and the audit log.

    Jobs that are under way stay, and so does a job whose parent or subtask is. No scheduler may run: one that does is
    told with --retain-days. The objects in dbzero follow at its next start.

    Exit status: 0 done, 2 no store or wrong usage, 5 failed.
    """
    from statek.loop.pruning import prune, would_prune

    directory = _open(store)
    try:
        with working(f"looking for jobs that ended {days:g} days ago" if dry_run else "forgetting jobs"):
            found = would_prune(directory, days * DAY_SECONDS) if dry_run else prune(directory, days * DAY_SECONDS)
    except StoreError as error:
        say(str(error))
        sys.exit(FAILED)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **asdict(found)}))
    elif dry_run:
        click.echo(f"{found.jobs} jobs with {found.events} events, {found.bytes} bytes, would be forgotten")
    else:
        freed = f"is {found.bytes} bytes smaller" if found.bytes > 0 else "has their space for what comes"
        click.echo(f"{found.jobs} jobs with {found.events} events are forgotten; the ledger {freed}")


def _open(store: Path) -> StoreDirectory:
    if not any((store / name).exists() for name in ("statek-store", "ledger.sqlite3")):
        wrong_usage(f"there is no store at {store}: give the --store that is meant")
    return open_store(store, must_exist=True)


def _tell(findings: list[Finding], *, whole: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": whole, "findings": [asdict(finding) for finding in findings]}))
        return
    for finding in findings:
        for line in _lines(finding):
            click.echo(shown(line))


def _lines(finding: Finding) -> Iterator[str]:
    state = finding.state.upper() if finding.state == "damaged" else finding.state
    yield f"{finding.part}: {state}: {finding.what}"
    if finding.means:
        yield f"  this means: {finding.means}"
    if finding.way_out:
        yield f"  what to do: {finding.way_out}"
