"""What people see of work that takes long: on a terminal what is done and for how long already, elsewhere nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from statek.audit.escaping import shown

Advance = Callable[[int, int | None], None]
"""Takes how much is done, and how much there is to do if that is known."""


@contextmanager
def working(on: str) -> Iterator[Advance]:
    """Show on standard error, where that is a terminal, what is being done; nothing of it is left afterwards."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    terminal = Console(stderr=True)
    with Progress(*columns, console=terminal, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task(shown(on), total=None)

        def advance(done: int, of: int | None) -> None:
            count = f"{done:,} of {of:,}" if of is not None else f"{done:,}"
            progress.update(task, description=f"{shown(on)}: {count}")

        yield advance
