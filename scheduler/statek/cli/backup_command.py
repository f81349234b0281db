"""statek backup and statek restore: a store copied beside its scheduler, and made again from such a copy."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from statek.audit.escaping import shown
from statek.cli.options import default_store, open_store, wrong_usage
from statek.cli.progress import working
from statek.cli.terminal import say
from statek.store.errors import StoreError, StoreRefused

if TYPE_CHECKING:
    from statek.store.backup import Manifest

FAILED: Final = 5
"""Exit status of a failure on our side, as of `statek exec`."""
_CALLS_SHOWN: Final = 10

_STORE = click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print what is in it as one JSON object.")


@click.command("backup", short_help="Back a store up, beside its scheduler or without one.")
@_STORE
@_JSON
@click.argument("target", type=click.Path(path_type=Path))
def backup_command(store: Path, target: Path, as_json: bool) -> None:
    """Write a verified backup of the store into TARGET: a new directory, or a new file whose name ends in `.tar`.

    The ledger is as it is now. The application's dbzero objects are as in their newest verified copies while a
    scheduler runs, and as they are now while none does; it is said which calls lie between the two.
    """
    from statek.store.backup import back_up

    try:
        directory = open_store(store, must_exist=True)
        with working(f"copying {store} and reading the copy"):
            manifest = back_up(directory, target)
    except StoreError as error:
        _fail(error)
    _tell(manifest, f"backed up {store} to {target}", as_json=as_json)


@click.command("restore", short_help="Make a store from a backup.")
@_STORE
@_JSON
@click.argument("backup", type=click.Path(path_type=Path))
def restore_command(store: Path, backup: Path, as_json: bool) -> None:
    """Make a store at --store, which has to be new or empty, from a BACKUP: its directory, or its `.tar`.

    Everything is verified before the store is there. Do not run schedulers on both it and the store it was made from.
    """
    from statek.store.restoring import restore

    try:
        with working(f"making {store} and reading all of it"):
            restored = restore(backup, store)
    except StoreError as error:
        _fail(error)
    _tell(restored.manifest, f"restored {store} from {backup}", as_json=as_json)


def _fail(error: StoreError) -> NoReturn:
    if isinstance(error, StoreRefused):
        wrong_usage(str(error))
    say(str(error))
    sys.exit(FAILED)


def _tell(manifest: Manifest, done: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(manifest)))
        return
    click.echo(f"{done}: {manifest.jobs} jobs, up to event {manifest.cursor}")
    for line in _remarks(manifest):
        click.echo(shown(line))


def _remarks(manifest: Manifest) -> Iterator[str]:
    for name, entry in manifest.prefixes.items():
        yield f"prefix {name!r}: {entry.objects} objects, as of event {entry.cursor}; {_since(entry.calls)}"
    for name, reason in manifest.missing.items():
        yield f"prefix {name!r} is NOT in it: {reason}"
    if manifest.audit_fault:
        yield f"its audit log is BROKEN, and backed up as it is: {manifest.audit_fault}"


def _since(calls: tuple[str, ...]) -> str:
    if not calls:
        return "no call since can have changed any"
    rest = f" and {len(calls) - _CALLS_SHOWN} more" if len(calls) > _CALLS_SHOWN else ""
    return f"what these calls changed since may be missing: {', '.join(calls[:_CALLS_SHOWN])}{rest}"
