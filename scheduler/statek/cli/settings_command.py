"""statek settings: what is set, to what, and where that was said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from statek.cli.options import settings_or_exit
from statek.logs.redaction import redacted

if TYPE_CHECKING:
    from statek.settings import Settings


@click.command("settings", short_help="Show each setting, its value and where it came from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def settings_command(as_json: bool) -> None:
    """Show each setting, its value and where it came from: a variable, a line of the file, or the default.

    Secrets are masked. Exit status: 0 if the settings can be used, 2 with a line for each thing that is wrong in them.
    """
    settings = settings_or_exit()
    if as_json:
        click.echo(json.dumps({name: {"value": value, "from": origin} for name, value, origin in _rows(settings)}))
        return
    from statek.cli.tables import print_table
    from statek.settings.kinds import plain

    print_table(("setting", "value", "from"), ((name, plain(value), origin) for name, value, origin in _rows(settings)))


def _rows(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Each name with its value as plain data, in which nothing is shown that looks like a key, and its origin."""
    for name, value in settings.shown().items():
        yield name, redacted(value) if isinstance(value, str) else value, settings.origins.get(name, "default")
