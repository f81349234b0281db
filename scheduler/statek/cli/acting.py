"""What the commands that change something in a store have in common: a scheduler decides, or the ledger alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from statek.cli.looking import require_store
from statek.cli.options import open_store
from statek.cli.terminal import say
from statek.errors import AgentRefused, StatekError, SubmissionRefused
from statek.inspection.store_view import UnknownJob
from statek.logs.configuring import log_for_command
from statek.store.errors import StoreError
from statek_protocol.errors import ProtocolError

T = TypeVar("T")

NOTHING_DONE: Final = 1
REFUSED: Final = 2
FAILED: Final = 5
"""Exit status of a failure on our side, as of `statek exec`."""
_REFUSALS: Final = (AgentRefused, SubmissionRefused, TypeError, UnknownJob)
_TROUBLE: Final = (*_REFUSALS, StatekError, StoreError, ProtocolError)


def have_done(store: Path, act: Callable[[], T]) -> T:
    """Do it; what is refused is wrong usage and leaves with status 2, what fails on our side with 5."""
    _prepare(store)
    try:
        return act()
    except _TROUBLE as error:
        sys.exit(_tell(error))


def have_done_to_each(
    store: Path, names: Iterable[str], act: Callable[[str], bool], done: str, nothing: str
) -> NoReturn:
    """Do it to each, whatever becomes of the others; say of each what came of it, and leave with the worst status."""
    _prepare(store)
    worst = 0
    for name in names:
        try:
            acted = act(name)
        except _TROUBLE as error:
            worst = max(worst, _tell(error))
            continue
        say(f"{name}: {done if acted else nothing}")
        worst = max(worst, 0 if acted else NOTHING_DONE)
    sys.exit(worst)


def _prepare(store: Path) -> None:
    log_for_command()
    require_store(store)
    open_store(store, must_exist=True)


def _tell(error: Exception) -> int:
    """Say what is wrong, and return the exit status that goes with it."""
    say(str(error))
    return REFUSED if isinstance(error, _REFUSALS) else FAILED
