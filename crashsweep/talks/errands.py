"""What a sweep wants done from outside, and what became of it: two files that outlive whoever does it.

The sweep appends to the one, the process `pushing` to the other. Each line is JSON and is written at once, so that a
line is there or not, whatever is killed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

ActName = Literal["event", "submit", "message", "complete", "cancel", "retry"]


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to do once; where it has a key, it may be asked for again until it is acknowledged."""

    number: int
    act: ActName
    target: str
    """An agent, a job, or the key of a future."""
    key: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an errand."""

    errand: int
    result: Any = None
    error: str = ""
    again: bool = False
    """It had been acknowledged before, and was asked for once more."""
    refusals: int = 0
    """How often a full queue refused it before."""


class Lines:
    """A file of JSON lines, as one who appends or one who reads on sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def append(self, value: Errand | Report) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, f"{json.dumps(asdict(value))}\n".encode())
        os.close(file)

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that were not read yet."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)


def errands_file(directory: Path) -> Path:
    return directory / "errands"


def reports_file(directory: Path) -> Path:
    return directory / "reports"
