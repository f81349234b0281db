"""What the commands have in common: where the store is, how a scheduler is to run, and how a usage error looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from statek.cli.terminal import say
from statek.errors import SettingsRefused
from statek.settings.sources import store_in_force
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreError

if TYPE_CHECKING:
    from statek.service.options import ServiceOptions
    from statek.settings import Settings


def settings_file() -> Path | None:
    """Return the file of `statek --settings FILE ...`."""
    context = click.get_current_context(silent=True)
    named: Path | None = None if context is None else context.find_root().params.get("settings")
    return named


def default_store() -> Path:
    """Return the store that the settings name, or the one of the user's own."""
    try:
        return store_in_force(os.environ, settings_file())
    except SettingsRefused as error:
        refuse_settings(error)


def settings_or_exit(**given: Any) -> Settings:
    """Put the settings together, with what the command line says over the rest; wrong ones are wrong usage."""
    from statek.settings import load_settings

    try:
        return load_settings(settings_file(), **given)
    except SettingsRefused as error:
        refuse_settings(error)


def refuse_settings(error: SettingsRefused) -> NoReturn:
    """Leave with a line for each thing that is wrong, and exit status 2."""
    for fault in error.faults:
        say(fault)
    raise SystemExit(2)


def open_store(path: Path, *, must_exist: bool) -> StoreDirectory:
    """Open or make the store; a wrong one is wrong usage."""
    if must_exist and not path.exists():
        wrong_usage(f"there is no store at {path}, so no job in it: give the --store that the job is in")
    try:
        if not must_exist:
            path.parent.mkdir(parents=True, exist_ok=True)
        return StoreDirectory.create_or_open(path)
    except (OSError, StoreError) as error:
        wrong_usage(str(error))


def wrong_usage(message: str) -> NoReturn:
    """Leave with one line on stderr and exit status 2."""
    say(message)
    raise SystemExit(2)


def service_options(**given: Any) -> ServiceOptions:
    """Put together how a scheduler is to run; imports what only a scheduler needs."""
    from statek.agents.providers import ProviderUnusable
    from statek.service.configured import service_options as options_by

    try:
        return options_by(settings_or_exit(**given))
    except ProviderUnusable as error:
        wrong_usage(str(error))
