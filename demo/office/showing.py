"""What is shown of the office at the end: its jobs, what they printed, what changed in dbzero, and what it all used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demo.office.calendars import Entry
from demo.office.findings import Evidence
from demo.progress import STYLES
from demo.summary import say
from statek.audit.escaping import shortened, shown
from statek.inspection.chat_log import BatchLogItem
from statek.inspection.views import JobView
from statek.store.totals import UsageTotal, Used

CONSOLES: Final = ("sam", "robin")
LINES: Final = 14
LINE_CHARACTERS: Final = 110
MICROS: Final = 1_000_000


def show_jobs(console: Console, seen: Evidence) -> None:
    """Print a row for each job, subtasks below whose they are."""
    table = _table("The office's jobs", ("about", "agent", "outcome"), ("turns", "tokens", "cost"), "ended with")
    for name, job in seen.jobs.items():
        table.add_row(*_row(name, job))
        for child in seen.story.children_of(job):
            table.add_row(*_row(f"  {name}'s subtask", child))
    console.print()
    console.print(table)


def _row(name: str, job: JobView) -> list[Text]:
    used = job.usage
    reason = job.exit_status or (str(job.limit.name) if job.limit is not None else "")
    return [
        Text(name),
        Text(job.agent),
        Text(job.outcome or job.status, style=STYLES.get(job.outcome or "", "")),
        Text(str(job.num_turns)),
        Text(str(used.input_tokens + used.output_tokens)),
        Text(f"{used.cost:.6f}"),
        Text(_brief(reason)),
    ]


def show_consoles(console: Console, seen: Evidence) -> None:
    """Print what the jobs printed that something special happened to, and what became of mallory's attempts."""
    for name in CONSOLES:
        say(console, f"Console of {name}'s job ({seen.jobs[name].name}):")
        lines = seen.jobs[name].py_env.console
        for line in lines[:LINES]:
            console.print(Text(f"  {_brief(line)}"), soft_wrap=True)
        if len(lines) > LINES:
            console.print(Text(f"  and {len(lines) - LINES} more lines"))
    say(console, "What mallory's model tried, and what it was told:")
    for item in seen.jobs["mallory"].chat_log:
        if isinstance(item, BatchLogItem) and item.role == "reply":
            for line in item.code.splitlines():
                console.print(Text(f"  | {_brief(line)}", style="dim"), soft_wrap=True)
            console.print(Text(f"  {_end_of(item, seen.jobs['mallory'])}", style="yellow"), soft_wrap=True)


def _end_of(item: BatchLogItem, job: JobView) -> str:
    if item.limit is not None:
        return f"limit {item.limit.name}: {item.limit.allowed:g} allowed"
    refused = [f"{found.rule}: {found.detail}" for found in job.violations if found.batch == item.batch]
    return f"{item.outcome}: {_brief('; '.join(refused))}"


def _brief(text: str) -> str:
    return shown(shortened(text, LINE_CHARACTERS))


def show_calendars(console: Console, calendars: Sequence[Entry]) -> None:
    """Print what is in dbzero, and what was there before."""
    table = _table("Calendars in dbzero", ("person", "meeting", "hours"), (), "room")
    for entry in calendars:
        moved = "bold" if len(entry.hours) > 1 else ""
        table.add_row(Text(entry.person), Text(entry.title), Text(entry.course, style=moved), Text(entry.room))
    console.print()
    console.print(table)


def show_usage(console: Console, totals: Iterable[UsageTotal]) -> None:
    """Print what the jobs of each agent used: their model, and the executors."""
    columns = ("jobs", "turns", "input tokens", "output tokens", "cost", "cpu s")
    table = _table("Usage", ("agent",), columns, None)
    by_agent: dict[str, Used] = {}
    for total in totals:
        by_agent[total.agent] = by_agent.get(total.agent, Used()).plus(total.used)
    for agent, used in by_agent.items():
        counts = map(str, (used.jobs, used.turns, used.input_tokens, used.output_tokens))
        money, seconds = f"{used.cost_micros / MICROS:.6f}", f"{used.cpu_seconds:.2f}"
        table.add_row(*map(Text, (agent, *counts, money, seconds)))
    console.print()
    console.print(table)


def _table(title: str, words: Sequence[str], numbers: Sequence[str], last: str | None) -> Table:
    table = Table(title=title, box=box.HORIZONTALS, padding=(0, 1, 0, 0), expand=True)
    for heading in words:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    if last is not None:
        table.add_column(last, ratio=1, no_wrap=True, overflow="ellipsis")
    return table
