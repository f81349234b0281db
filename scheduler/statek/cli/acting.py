"""What the commands that change something in a store have in common: a scheduler decides, or the ledger alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from statek.cli.options import open_store, wrong_usage
from statek.cli.terminal import say
from statek.errors import AgentRefused, StatekError, SubmissionRefused
from statek.inspecting import UnknownJob
from statek.logs.configuring import log_for_command
from statek.store.errors import StoreError
from statek_protocol.errors import ProtocolError

T = TypeVar("T")

FAILED: Final = 5
"""Exit status of a failure on our side, as of `statek exec`."""


def have_done(store: Path, act: Callable[[], T]) -> T:
    """Do it; what is refused is wrong usage and leaves with status 2, what fails on our side with 5."""
    log_for_command()
    open_store(store, must_exist=True)
    try:
        return act()
    except (AgentRefused, SubmissionRefused, TypeError, UnknownJob) as refusal:
        wrong_usage(str(refusal))
    except (StatekError, StoreError, ProtocolError) as error:
        say(str(error))
        sys.exit(FAILED)
