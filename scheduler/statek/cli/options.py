"""What the commands have in common: where the store is, how a scheduler is to run, and how a usage error looks."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from statek.cli.terminal import say
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreError

if TYPE_CHECKING:
    from statek.service import ServiceOptions


def default_store() -> Path:
    """Return STATEK_STORE, or a directory of the user's own."""
    configured = os.environ.get("STATEK_STORE")
    if configured:
        return Path(configured)
    state = os.environ.get("XDG_STATE_HOME")
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(state or Path(home) / ".local" / "state") / "statek" / "store"


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


def service_options(
    *,
    keys: Path | None = None,
    listen: str | None = None,
    workers: int | None = None,
    app: Path | None = None,
    **bounds: float | None,
) -> ServiceOptions:
    """Put together how a scheduler is to run; imports what only a scheduler needs.

    `bounds` are fields of `ServiceOptions` that say how much; None leaves one as it is there.
    """
    from statek.calls.application import Application
    from statek.service import ServiceOptions
    from statek_protocol.transport.endpoints import parse_endpoint
    from statek_protocol.transport.keys import default_directory

    return ServiceOptions(
        keys=keys or default_directory(),
        listen=None if listen is None else parse_endpoint(listen),
        workers=workers or os.cpu_count() or 1,
        application=Application(app),
        **{name: bound for name, bound in bounds.items() if bound is not None},  # type: ignore[arg-type]
    )
