"""The office from start to end: agents in an application's own process, what happens to them, and what is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from demo.office.calendars import read_calendars
from demo.office.findings import Evidence, findings
from demo.office.models import ChosenModel, chosen_model
from demo.office.showing import show_calendars, show_consoles, show_jobs, show_usage
from demo.office.story import STORY_SECONDS, Story, StoryStuck
from demo.services import ROOT, Services
from demo.summary import say, show_findings

REAL_MODEL_FACTOR: Final = 10
"""How much more time the story has with a real model."""


def show_office(console: Console, directory: Path) -> bool:
    """Run the office in that directory; tells whether everything came out as it should."""
    with chosen_model() as model:
        services = _services(directory, model)
        say(console, f"An office with agents; their model is {model.description}:")
        console.print(Text(f"  $ STATEK_STORE={services.store} {services.command_lines[0]}"), soft_wrap=True)
        seconds = STORY_SECONDS * (1 if model.scripted else REAL_MODEL_FACTOR)
        story = Story(services, lambda line: console.print(Text(f"  {line}"), soft_wrap=True), seconds)
        try:
            with services:
                story.run()
        except StoryStuck as error:
            console.print(Text(f"  {error}\n{services.last_words()}", style="bold red"))
            return False
        return _conclude(console, story, directory / "outbox", model)


def _services(directory: Path, model: ChosenModel) -> Services:
    environment = {
        "STATEK_STORE": str(directory / "store"),
        "OFFICE_OUTBOX": str(directory / "outbox"),
        **model.environment,
    }
    command = (sys.executable, "-m", "demo.office.service")
    return Services(directory / "store", directory / "office.log", [command], environment)


def _conclude(console: Console, story: Story, outbox: Path, model: ChosenModel) -> bool:
    store = story.services.store
    verified = _statek("audit", "--store", str(store), "--verify")
    asked = None if model.scripted is None else model.scripted.count
    audit = (verified.stdout or verified.stderr).strip().partition("\n")[0]
    calendars = read_calendars(store)
    seen = Evidence(story, story.views(), calendars, outbox, asked, audit, verified.returncode == 0)
    show_jobs(console, seen)
    show_consoles(console, seen)
    show_calendars(console, calendars)
    show_usage(console, story.totals())
    _show_audit(console, store)
    say(console, "Findings about the office:")
    good = show_findings(console, findings(seen))
    if not good:
        say(console, "The last lines of its log:")
        console.print(Text(story.services.last_words()))
    return good


def _show_audit(console: Console, store: Path) -> None:
    """Show what the audit log has of the kill, of mallory's attempts, and of the approval."""
    kinds = ("violation", "limit", "kill", "future_completed")
    options = [part for kind in kinds for part in ("--kind", kind)]
    say(console, f"$ statek audit {' '.join(options)}")
    told = _statek("audit", "--store", str(store), *options)
    for line in told.stdout.splitlines():
        console.print(Text(f"  {line}"), soft_wrap=False, overflow="ellipsis", no_wrap=True)


def _statek(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (str(Path(sys.executable).parent / "statek"), *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
