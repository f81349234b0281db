"""statek health: how the scheduler of a store is, for people and for whoever watches over it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from statek.audit.escaping import shown
from statek.cli.options import default_store, open_store

if TYPE_CHECKING:
    from statek_protocol.messages.client import Health

SECONDS: Final = 5.0
UNHEALTHY: Final = 1


@click.command("health", short_help="Say how the scheduler of a store is.")
@click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
@click.option("--seconds", type=click.FloatRange(0.001), default=SECONDS, help="How long to wait for the answer (5).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def health_command(store: Path, seconds: float, as_json: bool) -> None:
    """Ask the scheduler of a store how it is, and say what is wrong, if anything, and what to do about it.

    Exit status: 0 well, 1 something is wrong or no scheduler answers, 2 no store.
    """
    from statek.client.client import Client
    from statek.inspection.health import troubles

    directory = open_store(store, must_exist=True)
    found = None
    if directory.is_locked():
        with Client(directory.client_socket) as client:
            found = client.health(seconds)
    if found is None and not directory.is_locked():
        wrong = [f"no scheduler runs on {store}: start one"]
    elif found is None:
        wrong = [f"the scheduler of {store} does not answer within {seconds:g} s: look at its log"]
    else:
        wrong = list(troubles(found))
    if as_json:
        facts = {} if found is None else {name: fact for name, fact in asdict(found).items() if name != "request"}
        click.echo(json.dumps({"ok": not wrong, "troubles": wrong, **facts}))
    else:
        for line in (*(_lines(found) if found is not None else ()), *wrong):
            click.echo(shown(line))
    sys.exit(UNHEALTHY if wrong else 0)


def _lines(health: Health) -> Iterator[str]:
    """Write the facts for people."""
    jobs = ", ".join(f"{count} {status}" for status, count in health.jobs.items()) or "none"
    late = f"at most {health.lag_seconds * 1e3:.0f} ms late"
    yield f"scheduler   {health.release}, up {health.uptime_seconds:.0f} s, {late}"
    yield f"jobs        {jobs}"
    yield f"waiting     {health.ready} for an executor, {health.backlog} messages for a decision"
    places = f"{health.active} at work, {health.parked} parked"
    yield f"executors   {health.executors} with {health.workers} workers: {places}"
    doing = f"{health.objects_doing} for {health.objects_busy_seconds:.1f} s" if health.objects_doing else "at rest"
    yield f"dbzero      {doing}, {health.objects_waiting} wait, {health.objects_behind} events behind"
    age = "none" if health.copy_seconds is None else f"{health.copy_seconds:.0f} s old"
    yield f"copies      {age}"
    yield f"ledger      event {health.cursor}, {health.ledger_bytes} bytes, log {health.log_bytes} bytes"
    if health.forgotten:
        yield f"retention   {health.forgotten} jobs forgotten"
