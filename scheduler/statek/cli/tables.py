"""Tables for people: as wide as the terminal, and of a fixed width elsewhere, with nothing in a cell obeyed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from statek.audit.escaping import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS_ELSEWHERE: Final = 120
"""Width of what does not go to a terminal."""
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


def watch_table(
    headings: Sequence[str], rows: Callable[[], Iterable[Sequence[str]]], wait: Callable[[], object]
) -> None:
    """Show a table on a terminal as it is, until interrupted; `wait` returns when it may have become another one."""
    from rich.live import Live

    with Live(_table(headings, rows()), console=_console(), auto_refresh=False, screen=True) as live:
        try:
            while True:
                live.update(_table(headings, rows()), refresh=True)
                wait()
        except KeyboardInterrupt:
            pass  # that is how one stops watching


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = COLUMNS_ELSEWHERE
    return console


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text  # as Text, nothing in a cell is read as markup

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(Text(shown(heading)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell), style=STYLES.get(cell, "")) for cell in row))
    return table
