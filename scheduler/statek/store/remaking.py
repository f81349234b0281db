"""Has the file of our objects been made anew beside the one in use? By a process of its own, which this waits for.

The process takes no lock and no other thread of ours: it reads the ledger as any reader does, at the lowest priority,
and writes into a directory of its own, which is removed with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

from statek.store import empty_file
from statek.store.copies import OURS
from statek.store.prefix_probe import SUFFIX
from statek.store.recovery import Findings, last_words

_NAME: Final = "dbzero.new-"


def remove_leftovers(directory: Path) -> None:
    """Remove what a killed scheduler was having made beside its dbzero directory."""
    for left in directory.parent.glob(f"{_NAME}*"):
        shutil.rmtree(left, ignore_errors=True)


class Remaking:
    """One file in the making. All methods in one thread; the waiting is done by another."""

    def __init__(self, directory: Path, ledger: Path, uuid: int, seconds: float) -> None:
        """Begin, from the empty file that is kept in `directory`; give up after `seconds`. Raises OSError."""
        self._directory = Path(tempfile.mkdtemp(prefix=_NAME, dir=directory.parent))
        self._result: Findings | str | None = None
        self._seconds = seconds
        try:
            empty_file.plant(directory, self._directory)
            self._process = self._start(ledger, uuid)
        except BaseException:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise
        self._thread = threading.Thread(target=self._wait, name="statek-remaking", daemon=True)
        self._thread.start()

    @property
    def file(self) -> Path:
        return self._directory / f"{OURS}{SUFFIX}"

    @property
    def result(self) -> Findings | str | None:
        """Return what is in the file once it is whole and was read through; a text says why there is none.

        None while it is being made.
        """
        return self._result

    def end(self) -> None:
        """Kill the process if it still runs, and remove whatever is left in its directory."""
        self._process.kill()
        self._thread.join()
        os.close(self._wanted)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, ledger: Path, uuid: int) -> subprocess.Popen[str]:
        """Start the process; its input stays open for as long as this process lives and wants the file."""
        command = (sys.executable, "-P", "-m", "statek.store.remake", str(self._directory), str(ledger), str(uuid))
        reading, self._wanted = os.pipe()
        try:
            pipe = subprocess.PIPE
            return subprocess.Popen(command, stdin=reading, stdout=pipe, stderr=pipe, text=True, errors="replace")
        except BaseException:
            os.close(self._wanted)
            raise
        finally:
            os.close(reading)

    def _wait(self) -> None:
        with self._process as process:
            try:
                out, err = process.communicate(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                self._result = f"it was not made within {self._seconds:.0f} s"
                return
        ended = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        self._result = (
            Findings(**json.loads(out)) if not process.returncode else f"it could not be made ({last_words(ended)})"
        )
