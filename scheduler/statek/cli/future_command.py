"""statek future: complete, fail and give up what jobs wait for, and list it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click

from statek.application.completing import FutureCompletion, cancel, complete
from statek.audit.escaping import shown
from statek.cli.options import default_store, open_store, wrong_usage
from statek.cli.terminal import say
from statek.core.awaiting import OF_SUBTASK
from statek.core.futures import sources
from statek.core.jobs import Job
from statek.errors import StatekError, SubmissionRefused
from statek.futures.results import checked_key
from statek.logs.configuring import log_for_command
from statek.store.errors import StoreError
from statek.store.history import History
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import MIB, TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.values import ValueRefused, encode_value

FAILED: Final = 5
"""Exit status of a failure on our side, as of `statek exec`."""
VALUE_DEPTH: Final = 64
STDIN: Final = "-"
_TOLD: Final = {
    "completed": "completed; futures that have their outcome now: {futures}",
    "kept": "kept: no job has a future of this key yet",
    "late": "late: whatever waited for this key had given up; kept for a future that is made later",
    "duplicate": "duplicate: this key was completed before; nothing was changed",
    "cancelled": "cancelled; futures that were given up: {futures}",
    "nothing": "nothing to cancel",
}

_STORE = click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")


@click.group("future", short_help="Complete, cancel and list what jobs wait for.")
def future_command() -> None:
    """Complete, fail and give up what jobs wait for, and list it.

    Exit status: 0 done, 1 a duplicate or nothing to cancel, 2 wrong usage, 5 failed on our side.
    """


@future_command.command("complete")
@_STORE
@click.argument("key")
@click.argument("value", metavar="JSON")
def complete_command(store: Path, key: str, value: str) -> None:
    """Give the futures of KEY their value, as JSON (or - to read it from standard input)."""
    data = _encoded(sys.stdin.read() if value == STDIN else value)
    named = _key(key)
    _tell(_ask(store, lambda: complete(store, named, data, None)))


@future_command.command("fail")
@_STORE
@click.argument("key")
@click.argument("text")
def fail_command(store: Path, key: str, text: str) -> None:
    """Let the futures of KEY fail: guests get FutureFailed with this TEXT."""
    if len(text) > TEXT_LIMIT:
        wrong_usage(f"the text has {len(text)} characters; {TEXT_LIMIT} are allowed")
    error = GuestError("FutureFailed", text.encode("utf-8", "backslashreplace").decode()[:TEXT_LIMIT], None)
    named = _key(key)
    _tell(_ask(store, lambda: complete(store, named, None, error)))


@future_command.command("cancel")
@_STORE
@click.option("--job", metavar="ID", help="Give up what this job waits for, instead of the futures of a key.")
@click.argument("key", required=False)
def cancel_command(store: Path, job: str | None, key: str | None) -> None:
    """Give up the open futures of KEY, or what a job waits for: guests get WaitCancelled."""
    if (key is None) == (job is None):
        wrong_usage("name a key or a --job, and not both")
    named = None if key is None else _key(key)
    _tell(_ask(store, lambda: cancel(store, key=named, job=job)))


@future_command.command("list")
@_STORE
@click.option("--limit", type=click.IntRange(1), default=1_000, show_default=True, help="Jobs at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_command(store: Path, limit: int, as_json: bool) -> None:
    """List what suspended jobs wait for, and since when; beside a running scheduler or without one."""
    directory = open_store(store, must_exist=True)
    try:
        with History.read(directory.ledger) as ledger:
            waits = list(islice(_waits(ledger), limit))
    except StoreError as error:
        say(str(error))
        sys.exit(FAILED)
    for wait in sorted(waits, key=lambda wait: wait["since"]):
        click.echo(json.dumps(wait) if as_json else _line(wait))


def _waits(ledger: History) -> Iterator[dict[str, Any]]:
    for job in ledger.jobs(("SUSPENDED",)):
        if job.awaited is not None:
            yield _described(ledger, job)


def _described(ledger: History, job: Job) -> dict[str, Any]:
    awaited = job.awaited
    assert awaited is not None
    entries = sources(job, awaited.future.number)
    created = [event for entry in entries if (event := ledger.future_created(job.job, entry.number)) is not None]
    troubles = [trouble for entry in entries if (trouble := ledger.future_troubled(job.job, entry.number)) is not None]
    deadlines = [entry.deadline_us for entry in entries if entry.deadline_us is not None]
    return {
        "job": job.job,
        "batch": awaited.batch,
        "instruction": awaited.instruction,
        "future": awaited.future.number,
        "functions": sorted({event.function for event in created if event.function}),
        "keys": sorted({event.key for event in created if event.key}),
        "since": _time(awaited.since_us),
        "deadline": _time(min(deadlines)) if deadlines else None,
        "trouble": [{"error": trouble.error, "failures": trouble.failures} for trouble in troubles],
        "parked": job.leased,
    }


def _line(wait: dict[str, Any]) -> str:
    """Show a wait to people; names are an application's, and errors may be anybody's."""
    names = [*wait["functions"], *map(_told_key, wait["keys"])]
    parts = [f"{wait['since']}  {wait['job']}  batch {wait['batch']}, instruction {wait['instruction']}"]
    parts.append(f"waits for {', '.join(names) or 'nothing that can come'}")
    parts += [f"until {wait['deadline']}"] if wait["deadline"] else []
    parts += [f"trouble ({trouble['failures']} in a row): {trouble['error']}" for trouble in wait["trouble"]]
    return shown("; ".join(parts))


def _told_key(key: str) -> str:
    return f"the subtask {key.removeprefix(OF_SUBTASK)}" if key.startswith(OF_SUBTASK) else f"key {key}"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")


def _key(key: str) -> str:
    try:
        return checked_key(key)
    except ValueError as error:
        wrong_usage(str(error))


def _encoded(text: str) -> bytes:
    try:
        return encode_value(json.loads(text), max_bytes=MIB, max_depth=VALUE_DEPTH)
    except (json.JSONDecodeError, RecursionError) as error:
        wrong_usage(f"the value is not JSON ({error}): write a text in quotes, as in '\"yes\"'")
    except ValueRefused as error:
        wrong_usage(str(error))


def _ask(store: Path, ask: Callable[[], FutureCompletion]) -> FutureCompletion:
    """Ask the store's scheduler, or change the store where none runs."""
    log_for_command()
    open_store(store, must_exist=True)
    try:
        return ask()
    except SubmissionRefused as refusal:
        wrong_usage(str(refusal))
    except (StatekError, StoreError, ProtocolError) as error:
        say(str(error))
        sys.exit(FAILED)


def _tell(answer: FutureCompletion) -> None:
    say(_TOLD[answer.outcome].format(futures=answer.futures))
    for job in answer.ended:
        say(f"{job} has ended, and meets this only if it is tried again: statek job retry {job}")
    sys.exit(1 if answer.outcome in ("duplicate", "nothing") else 0)
