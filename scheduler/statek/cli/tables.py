"""Tables for people: as wide as the terminal, and of a fixed width elsewhere, with nothing in a cell obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from statek.audit.escaping import shown

COLUMNS_ELSEWHERE: Final = 120
"""Width of what does not go to a terminal."""


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # as Text, nothing in a cell is read as markup

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(Text(shown(heading)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = COLUMNS_ELSEWHERE
    console.print(table)
