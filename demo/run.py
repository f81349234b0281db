"""The demonstration from start to end: scripts/demo runs this. Exit status 0 if everything came out as it should."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console
from rich.text import Text

from demo.crowd import show_crowd
from demo.host import HostUnfit, probe_host
from demo.jobs import load_policies
from demo.office.run import show_office
from demo.services import ServicesFailed
from demo.summary import say
from statek.errors import StatekError
from statek_executor.isolation.posture import Posture
from statek_executor.supervisor.probing import ProbeFailed
from statek_executor.supervisor.zygote_client import ZygoteFailed
from statek_policies import Policy

PLAIN_WIDTH: Final = 150
"""Columns of the tables where there is no terminal to ask."""
INTERRUPTED: Final = 130
PARTS: Final[Mapping[str, Callable[[Console, Path, Mapping[str, Policy]], bool]]] = {
    "office": lambda console, directory, _: show_office(console, directory),
    "crowd": show_crowd,
}
"""Each runs in a directory of its own and tells whether everything came out as it should."""


def main() -> int:
    """Run the demonstration, or the parts that are named; returns its exit status."""
    parts = _chosen_parts()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    try:
        return 0 if _demonstrate(console, parts) else 1
    except HostUnfit as error:
        console.print(Text(f"This host lacks what every policy requires, so nothing is run here:\n{error}"))
    except (ServicesFailed, ZygoteFailed, ProbeFailed, StatekError) as error:
        console.print(Text(f"The demonstration cannot run: {error}", style="red"))
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has been ended.")
        return INTERRUPTED
    return 1


def _chosen_parts() -> list[str]:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="See STATEK at work.")
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART", help=f"{' or '.join(PARTS)}; both without it")
    return parser.parse_args().parts or list(PARTS)


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"no part {name!r}; there are {' and '.join(PARTS)}")
    return name


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _demonstrate(console: Console, parts: Sequence[str]) -> bool:
    started = time.monotonic()
    posture = probe_host()
    policies = load_policies(posture.active)
    _introduce(console, posture, policies["strict"].name)
    with tempfile.TemporaryDirectory(prefix="statek-demo-") as directory:
        good = [PARTS[part](console, _made(Path(directory, part)), policies) for part in parts]
    verdict = "Everything came out as it should" if all(good) else "NOT as it should"
    say(console, f"{verdict}, {time.monotonic() - started:.1f} s.")
    return all(good)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _introduce(console: Console, posture: Posture, strict: str) -> None:
    say(console, "The layers of the wall that this host's probes found to hold:")
    console.print(Text(f"  {', '.join(name for name in posture.layers if name in posture.active)}"))
    if strict == "strict":
        return
    lacking = {name: state.detail for name, state in posture.layers.items() if not state.active}
    say(console, f"Not to be had here, so jobs for 'strict' run under '{strict}', which does without:")
    for name, detail in lacking.items():
        console.print(Text(f"  {name}: {detail}"))


if __name__ == "__main__":
    sys.exit(main())
