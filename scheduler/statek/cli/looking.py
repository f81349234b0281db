"""What the commands that look at a store have in common: where it is, and how what is found is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click

from statek.cli.options import default_store, wrong_usage
from statek.cli.tables import print_lines
from statek.cli.terminal import discard_output, say
from statek.errors import StatekError
from statek.inspection.store_view import StoreView
from statek.store.errors import StoreError

T = TypeVar("T")

UNWRITABLE: Final = 5
"""Exit status where standard output takes no more, as of a failure on our side."""

STORE = click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each.")


@contextmanager
def looking_at(store: Path) -> Iterator[StoreView]:
    """Look at a store; what is not there is wrong usage.

    A reader of ours that has gone away and an interrupt are no errors: nobody wants to see more.
    """
    require_store(store)
    try:
        yield StoreView(store)
        sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        discard_output()
    except (StatekError, StoreError) as error:
        wrong_usage(str(error))
    except OSError as error:
        discard_output()
        say(f"standard output takes no more: {error.strerror}")
        raise SystemExit(UNWRITABLE) from error


def require_store(store: Path) -> None:
    """Leave with status 2 where there is no store, and make none."""
    try:
        there = (store / "ledger.sqlite3").exists()
    except OSError as error:
        wrong_usage(f"the store at {store} cannot be read: {error.strerror}")
    if not there:
        wrong_usage(f"there is no store at {store}: give the --store that is meant")


def print_all(
    headings: Sequence[str],
    items: Iterable[T],
    cells: Callable[[T], Sequence[str]],
    plain: Callable[[T], dict[str, Any]],
    *,
    as_json: bool,
    last: Literal["fold", "ellipsis"] = "fold",
) -> None:
    """Print a table for people, or a line of JSON for each item; `last` as `print_lines` has it."""
    if as_json:
        for item in items:
            click.echo(json.dumps(plain(item)))
    else:
        print_lines(headings, map(cells, items), last=last)
