"""The demonstration's second part: nineteen programs over public data, alone and beside nine hostile ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from demo.findings import findings
from demo.following import Course, Round
from demo.jobs import DemoJob, honest_jobs, hostile_jobs
from demo.progress import progress_on
from demo.services import Services, apart
from demo.summary import say, show_findings, show_neighbours, show_table
from statek_policies import Policy

JOIN_SECONDS: Final = 5.0


def show_crowd(console: Console, directory: Path, policies: Mapping[str, Policy]) -> bool:
    """Run both rounds in that directory; tells whether everything came out as it should."""
    honest, hostile = honest_jobs(policies), hostile_jobs(policies)
    reports = directory / "reports"
    services = apart(directory, reports, workers=len(honest) + len(hostile))
    say(console, "Programs over public data: a scheduler and, separately, an executor pool:")
    for line in (f"DEMO_REPORTS={reports} {services.command_lines[0]}", services.command_lines[1]):
        console.print(Text(f"  $ {line}"), soft_wrap=True)
    with services:
        alone = _run_round(console, services, [], honest)
        together = _run_round(console, services, hostile, honest)
    good = _conclude(console, alone, together, reports)
    if not good:
        say(console, "The last lines of both logs:")
        console.print(Text(services.last_words()))
    return good


def _run_round(
    console: Console, services: Services, hostile: Sequence[DemoJob], honest: Sequence[DemoJob]
) -> list[Course]:
    """Run the jobs at the same time; the honest ones come when all hostile ones are at work or have been stopped."""
    beside = f" beside {len(hostile)} hostile ones" if hostile else ", alone"
    say(console, f"{len(honest)} honest jobs{beside}, all at the same time:")
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
    say(console, "Findings:")
    good = show_findings(console, findings(alone, together, reports))
    say(console, "From submission to end:")
    show_neighbours(console, alone, together)
    return good
