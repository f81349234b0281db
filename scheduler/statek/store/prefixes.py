"""Whether the application's own dbzero prefixes can be gone on from; one that cannot is set aside, and said to be lost.

They have no ledger behind them. What a prefix held that does not open any more is gone until somebody puts a copy back:
handles to its objects say so, and the application makes the prefix anew when it opens it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from statek.store.history import History
from statek.store.recovery import RecoveryReport, last_words, set_aside

OURS: Final = "statek"
_SUFFIX: Final = ".db0"
_PROBE_SECONDS: Final = 60.0


def recover_prefixes(directory: Path, ledger: History) -> list[RecoveryReport]:
    """Probe the application's prefixes and set aside those that do not open."""
    names = sorted(file.stem for file in directory.glob(f"*{_SUFFIX}") if file.stem != OURS)
    if not names or not _trouble(directory, names):
        return []
    troubles = {name: _trouble(directory, [name]) for name in names}
    return [
        set_aside(directory, f"the prefix {name!r} does not open ({trouble})", 0, ledger.last_cursor, prefix=name)
        for name, trouble in troubles.items()
        if trouble
    ]


def _trouble(directory: Path, names: Sequence[str]) -> str:
    """Open some prefixes in a process of its own, which a broken one may kill; say what is wrong with one of them."""
    command = (sys.executable, "-P", "-m", __name__, str(directory), json.dumps(names))
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not within {_PROBE_SECONDS:g} s"
    return "" if ended.returncode == 0 else last_words(ended)


def main(arguments: Sequence[str]) -> None:
    """Open the prefixes, or fail as dbzero fails: the traceback and the exit status tell it."""
    import dbzero as db0  # slow, and only for the process that probes

    directory, names = arguments
    db0.init(directory, read_write=False, autocommit=False)
    for name in json.loads(names):
        db0.open(name, "r")
    db0.close()


if __name__ == "__main__":
    main(sys.argv[1:])
