"""What the commands that look at a store have in common: where it is, and how what is found is printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from statek.cli.options import default_store, wrong_usage
from statek.cli.tables import print_table
from statek.cli.terminal import discard_output
from statek.errors import StatekError
from statek.inspecting import StoreView
from statek.store.errors import StoreError

T = TypeVar("T")

STORE = click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each.")


@contextmanager
def looking_at(store: Path) -> Iterator[StoreView]:
    """Look at a store; what is not there is wrong usage, and a reader of ours that has gone away is no error."""
    if not (store / "ledger.sqlite3").exists():
        wrong_usage(f"there is no store at {store}: give the --store that is meant")
    try:
        yield StoreView(store)
    except BrokenPipeError:
        discard_output()
    except (StatekError, StoreError) as error:
        wrong_usage(str(error))


def print_all(
    headings: Sequence[str],
    items: Iterable[T],
    cells: Callable[[T], Sequence[str]],
    plain: Callable[[T], dict[str, Any]],
    *,
    as_json: bool,
) -> None:
    """Print a table for people, or a line of JSON for each item."""
    if as_json:
        for item in items:
            click.echo(json.dumps(plain(item)))
    else:
        print_table(headings, map(cells, items))
