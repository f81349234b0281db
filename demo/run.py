"""The demonstration from start to end: scripts/demo runs this. Exit status 0 if everything came out as it should."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console
from rich.text import Text

from demo.findings import findings
from demo.following import Course, Round
from demo.host import HostUnfit, probe_host
from demo.jobs import DemoJob, honest_jobs, hostile_jobs, load_policies
from demo.progress import progress_on
from demo.services import Services, ServicesFailed
from demo.summary import show_findings, show_neighbours, show_table
from statek_executor.isolation.posture import Posture
from statek_executor.supervisor.probing import ProbeFailed
from statek_executor.supervisor.zygote_client import ZygoteFailed

PLAIN_WIDTH: Final = 150
"""Columns of the tables where there is no terminal to ask."""
JOIN_SECONDS: Final = 5.0
INTERRUPTED: Final = 130


def main() -> int:
    """Run the demonstration; returns its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    try:
        return 0 if _demonstrate(console) else 1
    except HostUnfit as error:
        console.print(Text(f"This host lacks what every policy requires, so nothing is run here:\n{error}"))
    except (ServicesFailed, ZygoteFailed, ProbeFailed) as error:
        console.print(Text(f"The demonstration cannot run: {error}", style="red"))
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started has been ended.")
        return INTERRUPTED
    return 1


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _demonstrate(console: Console) -> bool:
    started = time.monotonic()
    posture = probe_host()
    policies = load_policies(posture.active)
    honest, hostile = honest_jobs(policies), hostile_jobs(policies)
    _introduce(console, posture, policies["strict"].name)
    with tempfile.TemporaryDirectory(prefix="statek-demo-") as directory:
        services = Services(Path(directory), workers=len(honest) + len(hostile))
        _say(console, "Starting a scheduler and, separately, an executor pool:")
        for line in services.command_lines:
            console.print(Text(f"  $ {line}"), soft_wrap=True)
        with services:
            alone = _run_round(console, services, [], honest)
            together = _run_round(console, services, hostile, honest)
        good = _conclude(console, alone, together, services.reports)
        if not good:
            _say(console, "The last lines of both logs:")
            console.print(Text(services.last_words()))
    _say(
        console,
        f"{'Everything came out as it should' if good else 'NOT as it should'}, {time.monotonic() - started:.1f} s.",
    )
    return good


def _introduce(console: Console, posture: Posture, strict: str) -> None:
    _say(console, "The layers of the wall that this host's probes found to hold:")
    console.print(Text(f"  {', '.join(name for name in posture.layers if name in posture.active)}"))
    if strict == "strict":
        return
    lacking = {name: state.detail for name, state in posture.layers.items() if not state.active}
    _say(console, f"Not to be had here, so jobs for 'strict' run under '{strict}', which does without:")
    for name, detail in lacking.items():
        console.print(Text(f"  {name}: {detail}"))


def _run_round(
    console: Console, services: Services, hostile: Sequence[DemoJob], honest: Sequence[DemoJob]
) -> list[Course]:
    """Run the jobs at the same time; the honest ones come when all hostile ones are at work or have been stopped."""
    beside = f" beside {len(hostile)} hostile ones" if hostile else ", alone"
    _say(console, f"{len(honest)} honest jobs{beside}, all at the same time:")
    jobs = Round(services.client_socket)
    try:
        with progress_on(console, jobs.courses) as show:
            bad = jobs.submit(hostile)
            jobs.wait(lambda: all(course.state != "submitted" for course in bad), show, services.check)
            jobs.submit(honest)
            jobs.wait(lambda: all(course.over for course in jobs.courses), show, services.check)
    except BaseException:
        jobs.give_up()
        services.stop()
        jobs.join(JOIN_SECONDS)
        raise
    jobs.give_up()
    return jobs.courses


def _conclude(console: Console, alone: Sequence[Course], together: Sequence[Course], reports: Path) -> bool:
    console.print()
    show_table(console, sorted(together, key=lambda course: course.job.hostile))
    _say(console, "Findings:")
    good = show_findings(console, findings(alone, together, reports))
    _say(console, "From submission to end:")
    show_neighbours(console, alone, together)
    return good


def _say(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


if __name__ == "__main__":
    sys.exit(main())
