"""Arguments that name jobs and agents; a shell completes them from the store that the command line has so far."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from statek.cli.options import default_store
from statek.errors import StatekError
from statek.store.errors import StoreError

_OFFERED: Final = 50


def complete_job(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Name jobs that begin so; a store that cannot be read offers none, as a shell has no place for errors."""
    from statek.inspection.store_view import StoreView

    try:
        with StoreView(_store(context)).reading() as ledger:
            return ledger.named_like(incomplete, _OFFERED)
    except (StatekError, StoreError, OSError):
        return []


def complete_agent(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Name agents that begin so, as `complete_job` does."""
    from statek.inspection.store_view import StoreView

    try:
        with StoreView(_store(context)).reading() as ledger:
            return [agent.name for agent in ledger.agents() if agent.name.startswith(incomplete)]
    except (StatekError, StoreError, OSError):
        return []


JOB: Final = click.argument("job", shell_complete=complete_job)
JOBS: Final = click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=complete_job)
AGENT: Final = click.argument("agent", shell_complete=complete_agent)


def _store(context: click.Context) -> Path:
    return Path(context.params.get("store") or default_store())
