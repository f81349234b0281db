"""Services under attack: a real scheduler and a real executor pool whose marked jobs are native code."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.clients import run_job
from integration.services import Command, Site

SUPPORT = Path(__file__).parent
NATIVE = "# native\n"
"""The mark of a batch that the hostile interpreter runs without any language policy."""

APP = """
def echo(value):
    return value

tools = [echo]
"""


@dataclass
class Battlefield:
    """One scheduler, one executor, and the means to attack and to see whether others notice."""

    site: Site
    scheduler: Command
    executor: Command

    def attack(self, source: str, **limits: float) -> dict[str, Any]:
        """Run native code in an interpreter's place to the job's end; returns what `statek exec --json` would print."""
        return run_job(self.site, NATIVE + source, **limits)

    def attack_in_background(self, source: str, *arguments: str) -> subprocess.Popen[str]:
        """Begin an attack and return at once."""
        return self.site.exec_in_background("--json", *arguments, source=NATIVE + source)

    def nobody_noticed(self) -> None:
        """Assert that both services live, the executor with the same zygote, and that an honest job gets its result."""
        assert self.scheduler.process.poll() is None, self.scheduler.log.read_text()
        assert self.executor.process.poll() is None, self.executor.log.read_text()
        result = run_job(self.site, "print(sum(range(10)))")
        assert (result["outcome"], result["console"]) == ("ok", "45\n"), result
        assert self.executor.log.read_text().count("welcomed by") == 1

    @property
    def store_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.site.store.glob("ledger*"))
