"""Tables for people: as wide as the terminal, and of a fixed width elsewhere, with nothing in a cell obeyed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from statek.audit.escaping import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS_ELSEWHERE: Final = 120
"""Width of what does not go to a terminal."""
BETWEEN: Final = 2
"""Columns of the terminal between two cells."""
NARROWEST: Final = 8
"""So much of the last cell is shown; where that is too much, the other columns become narrower."""
STYLES: Final[Mapping[str, str]] = {
    "WARMING_UP": "cyan",
    "STARTED": "cyan",
    "SUSPENDED": "yellow",
    "ok": "green",
    "error": "red",
    "failed": "red",
    "blocked": "bold red",
    "limit": "magenta",
}
"""How a terminal shows cells that are just this: what a job does, and how it ended."""


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    _console().print(_table(headings, rows))


def print_lines(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, last: Literal["fold", "ellipsis"] = "fold"
) -> None:
    """Print a table with a line for each row; a terminal that is too narrow for it folds or cuts its last column.

    What does not go to a terminal has whole lines, for `grep` and `awk`.
    """
    if not sys.stdout.isatty():
        sys.stdout.writelines(_whole_lines(headings, rows))
        return
    console = _console()
    console.print(_lines(headings, rows, last, console.width))


def watch_lines(
    headings: Sequence[str], rows: Callable[[], Iterable[Sequence[str]]], wait: Callable[[], object]
) -> None:
    """Show such a table on a terminal until interrupted; `wait` returns when it may have become another one."""
    from rich.live import Live

    console = _console()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        try:
            while True:
                live.update(_lines(headings, rows(), "ellipsis", console.width), refresh=True)
                wait()
        except KeyboardInterrupt:
            pass  # that is how one stops watching


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = COLUMNS_ELSEWHERE
    return console


def _whole_lines(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    from rich.cells import cell_len

    known = [[shown(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(cell_len, cells)) for cells in zip(*known, strict=True)]
    for row in known:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield (" " * BETWEEN).join(padded).rstrip() + "\n"


def _lines(
    headings: Sequence[str], rows: Iterable[Sequence[str]], last: Literal["fold", "ellipsis"], width: int
) -> Table:
    """Make a table whose rows are lines: where they are too long, it is the last column that gives way."""
    from rich.cells import cell_len

    known = [[*row] for row in rows]
    table = _table(headings, known)
    left = width
    widths = [max(map(cell_len, map(shown, cells))) for cells in zip(headings, *known, strict=True)]
    for column, widest in zip(table.columns[:-1], widths, strict=False):
        column.no_wrap, column.overflow = True, "ellipsis"
        left -= widest + BETWEEN
    table.columns[0].min_width = min(widths[0], width // 2)  # a name that was cut could not be given to a command
    tail = table.columns[-1]
    tail.no_wrap, tail.overflow, tail.max_width = last == "ellipsis", last, max(left, NARROWEST)
    return table


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text  # as Text, nothing in a cell is read as markup

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(Text(shown(heading)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell), style=STYLES.get(cell, "")) for cell in row))
    return table
