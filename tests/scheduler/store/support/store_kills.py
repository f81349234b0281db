"""Run a support program and kill it with SIGKILL wherever it happens to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent


def run_and_kill(
    store: Path,
    acknowledgements: int,
    *options: str,
    program: str = "store_writer.py",
    until: Callable[[], bool] = lambda: True,
) -> int:
    """Let the writer go until it has acknowledged so many appends, kill it, and return the last one it told.

    It is let go on until the condition holds, too.
    """
    command = (sys.executable, str(HERE / program), str(store), *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        acknowledged = 0
        while acknowledged < acknowledgements or not until():
            acknowledged += 1
            if not writer.stdout.readline():
                raise AssertionError(writer.stderr.read().decode())
        writer.kill()
        rest, errors = writer.communicate()
    assert writer.returncode == -9, errors.decode()
    told = [line for line in rest.split(b"\n")[:-1] if line]  # the last piece may be half a number
    return int(told[-1]) if told else 0
