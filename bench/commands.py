"""How long does `statek exec` take against a running scheduler, beside the start of a Python that does nothing?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.rows import Row
from bench.services import PYTHON, await_words, service

ROUNDS: Final = 9
SECONDS: Final = 60.0


def measure(effort: Effort) -> Iterator[Row]:
    """A figure without a target: importing what a client needs is most of it."""
    with tempfile.TemporaryDirectory(prefix="statek-bench-") as directory:
        store, program = str(Path(directory) / "store"), Path(directory) / "program.py"
        program.write_text("print(1)\n")
        with service("statek", "scheduler", "--store", store, "--workers", "1") as scheduler:
            await_words(scheduler, b"scheduler ready")
            command = [*PYTHON, "-m", "statek", "exec", "--store", store, str(program)]
            variants = {
                "exec": timed(partial(_run, command, b"1\n")),
                "python": timed(partial(_run, [sys.executable, "-c", "pass"], b"")),
            }
            samples = interleaved(variants, effort.rounds(ROUNDS))
    ours, floor = samples.median("exec"), samples.median("python")
    yield Row("statek exec, scheduler running", ours, "s", "python -c pass", floor, samples.ratio("exec", "python"))


def _run(command: list[str], expected: bytes) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True)
    if done.stdout != expected:
        raise AssertionError(f"{command} printed {done.stdout!r}")
