"""The command scripts/bench: runs all benches or those that are named, and prints a table or JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from bench.measuring import Effort
from bench.plot import svg
from bench.rows import Row, as_json, table

Bench: TypeAlias = Callable[[Effort], Iterable[Row]]

BENCHES: Final = (
    "compute",
    "compiling",
    "starting",
    "warm",
    "workspace",
    "memory",
    "hop",
    "calls",
    "waits",
    "ledger",
    "commands",
    "neighbours",
    "scale",
    "responding",
    "agents",
)
"""Modules of this package, each with a function `measure`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status. A target that was missed is no failure: the machine may be busy."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    effort = Effort(options.quick, options.thorough)
    rows = [row for name in options.names or BENCHES for row in _measure(name, effort)]
    if options.plot is not None:
        options.plot.write_text(svg(rows, "jobs"))
    if options.json:
        print(json.dumps({"quick": options.quick, "rows": as_json(rows)}))
        return 0
    print(table(rows))
    remark = "quick: the figures mean nothing" if options.quick else "only the ratios say something beyond this machine"
    print(f"\n{time.monotonic() - started:.0f} s; {remark}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the real pieces beside their floors, in interleaved runs. Ratios are medians.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", type=_known, help=f"of {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--thorough", action="store_true", help="also what takes many minutes: 100,000 waiting jobs")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw what was measured for several numbers")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object")
    parser.add_argument("--quick", action="store_true", help="only show that every bench works")
    return parser


def _known(name: str) -> str:
    if name not in BENCHES:
        raise argparse.ArgumentTypeError(f"no bench is called {name!r}; there are {', '.join(BENCHES)}")
    return name


def _measure(name: str, effort: Effort) -> list[Row]:
    """Run one bench; people who wait see which."""
    if sys.stderr.isatty():
        print(f"{name} ...", file=sys.stderr)
    bench: Bench = importlib.import_module(f"bench.{name}").measure
    return list(bench(effort))


if __name__ == "__main__":
    sys.exit(main())
