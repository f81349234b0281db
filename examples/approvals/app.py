"""An application that lets people approve things, and remembers outside of STATEK what was done about it."""

from __future__ import annotations

import os
from pathlib import Path

from statek import FutureResult, temporal, tool

JOURNAL = Path(os.environ.get("APPROVALS_JOURNAL", "approvals.log"))


@temporal()
def wait_for_approval(subject: str) -> FutureResult:
    """Ask for an approval: the value is there once somebody says `statek future complete <subject> ...`."""
    return FutureResult(key=subject)


@tool
def announce(text: str) -> int:
    """Leave a line outside of STATEK, which no crash may double; returns how many there are."""
    with JOURNAL.open("a") as journal:
        journal.write(text + "\n")
    return len(JOURNAL.read_text().splitlines())


tools = [wait_for_approval, announce]
