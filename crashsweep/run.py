"""The command scripts/crashsweep: asks for a sweep, prints its account.

Exit status 0: everything ended as it must; 1: something did not, and the account says what.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crashsweep.midcommit import MidCommit
from crashsweep.sweep import AT_ONCE, Sweep

BESIDE: Final = Path(__file__).parents[1]
"""Beside the sources, because a directory for temporary files is often in memory, where fsync costs nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="sweep-", dir=options.directory))
    sweep = _sweep(options, directory)
    try:
        sweep.run(options.mid_commit or options.kills, options.seconds)
    finally:
        print(sweep.account.text())  # also where the sweep itself fails
    if sweep.account.failures:
        print(f"kept: {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def _sweep(options: argparse.Namespace, directory: Path) -> Sweep | MidCommit:
    if options.mid_commit:
        return MidCommit(directory, options.seed, options.jobs, _say)
    return Sweep(directory, options.seed, _say, options.at_once)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/crashsweep",
        description="Kill the real services at every message and commit and in between: does every job end right?",
    )
    parser.add_argument("--kills", type=int, default=100, help="processes to kill (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="what is killed when, and what the jobs do (default: 1)")
    parser.add_argument("--seconds", type=float, default=86_400.0, help="stop earlier, after this time")
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, help=f"clients' jobs, and conversations, at once (default: {AT_ONCE})"
    )
    parser.add_argument("--mid-commit", type=int, metavar="KILLS", help="instead: kill a scheduler inside its commits")
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs in its store (default: 20000)")
    parser.add_argument("--directory", type=Path, default=BESIDE, help="where the stores are made")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
