"""What is shown at the end: the table of jobs, the findings, and how the honest jobs fared beside the hostile ones."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.findings import Finding, marks_of
from demo.following import Course, readable_lines
from demo.progress import STYLES, ending_of
from statek.cli.outcome import JobOutcome

MIB: Final = 1024 * 1024
WIDTH_FOR_ALL: Final = 110
"""On a narrower terminal the table has no room for what the jobs printed."""


def show_table(console: Console, courses: Iterable[Course]) -> None:
    """Print what became of each job."""
    table = Table(title="All jobs, side by side", box=box.HORIZONTALS, padding=(0, 1, 0, 0), expand=True)
    for heading in ("job", "policy", "outcome"):
        table.add_column(heading, no_wrap=True)
    table.add_column("limit or rule", overflow="fold", ratio=1, min_width=18)
    for heading in ("wall s", "cpu s", "MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    columns = len(table.columns)
    if console.width >= WIDTH_FOR_ALL:
        table.add_column("printed", no_wrap=True, overflow="ellipsis", ratio=2)
        columns += 1
    for course in courses:
        table.add_row(*_row(course)[:columns])
    console.print(table)


def _row(course: Course) -> list[Text]:
    ending = ending_of(course)
    outcome = course.outcome or JobOutcome("-", 1, 1)
    usage = outcome.usage
    return [
        Text(course.job.name, style="red" if course.job.hostile else ""),
        Text(course.job.policy.name),
        Text(ending, style=STYLES.get(ending, "")),
        Text(_reason(course)),
        Text(f"{usage.wall_seconds:.2f}"),
        Text(f"{usage.cpu_seconds:.2f}"),
        Text(f"{usage.peak_memory_bytes / MIB:.0f}"),
        Text(" / ".join(readable_lines(bytes(outcome.console[:500]))[:2]), style="dim"),
    ]


def _reason(course: Course) -> str:
    """Name the limit with its figures, or the rules with how often each was broken, or the error."""
    if course.trouble is not None:
        return course.trouble
    if course.outcome is None or (course.outcome.outcome == "ok" and not course.outcome.violations):
        return ""
    if (limit := course.outcome.limit) is not None:
        scale, unit = (MIB, " MiB") if limit["name"].endswith("_bytes") else (1, "")
        return f"{limit['name']}: {limit['used'] / scale:.3g} of {limit['allowed'] / scale:.3g}{unit}"
    rules = Counter(violation["rule"] for violation in course.outcome.violations)
    return ", ".join(f"{rule} ({n}x)" if n > 1 else rule for rule, n in rules.items()) or ", ".join(marks_of(course))


def show_findings(console: Console, found: Iterable[Finding]) -> bool:
    """Print a line for each finding; tells whether all are good."""
    good = True
    for finding in found:
        mark = Text("ok   ", style="green") if finding.good else Text("WRONG", style="bold red")
        console.print(Text("  ").append(mark).append(f"  {finding.text}"), soft_wrap=True)
        good = good and finding.good
    return good


def show_neighbours(console: Console, alone: Sequence[Course], together: Sequence[Course]) -> None:
    """Print how long the same honest jobs took, from submission to end, in both rounds."""
    rounds = {
        "alone": alone,
        f"beside {sum(c.job.hostile for c in together)} hostile ones": [c for c in together if not c.job.hostile],
    }
    for name, courses in rounds.items():
        seconds = [course.seconds for course in courses]
        figures = f"median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s"
        console.print(Text(f"  {len(seconds)} honest jobs {name}: {figures}"), soft_wrap=True)


def say(console: Console, text: str) -> None:
    """Print a heading."""
    console.print()
    console.print(Text(text, style="bold"))
